package http

import (
	"net/http"
	"slices"
	"strconv"
	"strings"

	"orgd/internal/orgs"
)

// entityTag is the version of an organization as a strong ETag.
func entityTag(version int64) string { return `"` + strconv.FormatInt(version, 10) + `"` }

// ifMatch returns the versions that a change may be made to, nil for any. Tags
// are compared strongly (RFC 9110 section 13.1.1): a weak one, or one that was
// never ours, matches nothing.
func ifMatch(h http.Header) (orgs.Versions, error) {
	tags, err := readTags(h, "If-Match")
	if err != nil || tags == nil || tags.any {
		return nil, err
	}
	match := orgs.Versions{}
	for _, tag := range tags.list {
		version, err := strconv.ParseInt(strings.Trim(tag, `"`), 10, 64)
		if err == nil && entityTag(version) == tag {
			match = append(match, version)
		}
	}
	return match, nil
}

// isKnown says whether the client has the organization already: it is in
// If-None-Match, compared weakly (RFC 9110 section 13.1.2).
func isKnown(h http.Header, version int64) (bool, error) {
	tags, err := readTags(h, "If-None-Match")
	if err != nil || tags == nil {
		return false, err
	}
	return tags.any || slices.ContainsFunc(tags.list, func(tag string) bool {
		return strings.TrimPrefix(tag, "W/") == entityTag(version)
	}), nil
}

// tagList is the value of a conditional header.
type tagList struct {
	any  bool // *
	list []string
}

// readTags returns nil without the header. A malformed one is refused: a client
// that sets a condition does not want it passed over.
func readTags(h http.Header, name string) (*tagList, error) {
	values := h.Values(name)
	if len(values) == 0 {
		return nil, nil
	}
	rest := strings.Trim(strings.Join(values, ","), " \t")
	if rest == "*" {
		return &tagList{any: true}, nil
	}
	var tags tagList
	for rest != "" {
		if rest[0] == ',' { // an empty element is legal (RFC 9110 section 5.6.1.2)
			rest = strings.TrimLeft(rest[1:], " \t")
			continue
		}
		tag, ok := cutTag(rest)
		if !ok {
			return nil, newError(codeInvalidRequest, "Send "+name+` as * or as a list of ETags such as "7", in their quotes.`)
		}
		tags.list = append(tags.list, tag)
		rest = strings.TrimLeft(rest[len(tag):], " \t")
		if rest != "" && rest[0] != ',' {
			return nil, newError(codeInvalidRequest, "Separate the ETags in "+name+" by commas.")
		}
	}
	return &tags, nil
}

// cutTag returns the entity tag at the start of s (RFC 9110 section 8.8.3).
func cutTag(s string) (string, bool) {
	opaque := strings.TrimPrefix(s, "W/")
	if opaque == "" || opaque[0] != '"' {
		return "", false
	}
	for i := 1; i < len(opaque); i++ {
		switch c := opaque[i]; {
		case c == '"':
			return s[:len(s)-len(opaque)+i+1], true
		case c < 0x21 || c == 0x7f:
			return "", false
		}
	}
	return "", false
}
