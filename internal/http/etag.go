package http

import (
	"regexp"
	"strconv"
)

// entityTag returns the strong ETag for a version of an organization.
func entityTag(version int64) string { return `"` + strconv.FormatInt(version, 10) + `"` }

// codingMarks matches the suffixes that compressing proxies append to the tag of a
// response, often without removing them from later requests: "-gzip", "-br", "-zstd"
// (Apache, Caddy, lighttpd), "--gzip" (Jetty), "-df" (Traffic Server), ";gzip" (older
// Django). Only known codings are accepted. If any suffix were accepted, a tag that a
// gateway derives from the response's length and digest ("7-Xb2f") would pass for version
// 7.
const codingMarks = `(?:[-;:.+_]+(?:x-)?(?:gzip|gz|deflate|df|br|brotli|zstd|zst|compress|bzip2|bz2|xz|lz4|dcb|dcz))*`

var (
	// taggedVersion matches one of our tags, with or without the marks of proxies: nginx,
	// HAProxy, Varnish, Envoy, Cloudflare and CloudFront add W/, and old versions of
	// Apache append to the tag after its quotes.
	taggedVersion = regexp.MustCompile(`^(?i)(?:W/)?"([1-9][0-9]*)` + codingMarks + `"` + codingMarks + `$`)
	// anyTag matches an entity tag (RFC 9110 section 8.8.3) at the start of a list, and
	// any text that follows it without a space.
	anyTag = regexp.MustCompile(`^(?:[Ww]/)?"[^\x00-\x20"\x7f]*"([^ \t,]*)`)
)

// versionOf returns the version in one of our entity tags. Our tags are never weak, so W/
// can only be a proxy's mark.
func versionOf(tag string) (int64, bool) {
	match := taggedVersion.FindStringSubmatch(tag)
	if match == nil {
		return 0, false
	}
	version, err := strconv.ParseInt(match[1], 10, 64)
	if err != nil {
		return 0, false
	}
	return version, true
}

// cutTag returns the entity tag at the start of a list. Characters after its closing
// quote are an error, unless they are a proxy's marks on one of our tags.
func cutTag(list string) (string, bool) {
	match := anyTag.FindStringSubmatch(list)
	if match == nil {
		return "", false
	}
	if _, ours := versionOf(match[0]); match[1] != "" && !ours {
		return "", false
	}
	return match[0], true
}
