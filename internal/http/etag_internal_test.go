package http

import "testing"

// The tags that real proxies make of "12" have version 12. Tags that orgd did not make have
// no version.
func TestVersionOf(t *testing.T) {
	t.Parallel()
	for tag, version := range map[string]int64{
		`"12"`:                  12,
		`W/"12"`:                12, // nginx, HAProxy, Varnish, Envoy, Cloudflare, CloudFront
		`w/"12"`:                12,
		`"12-gzip"`:             12, // Apache, Caddy, lighttpd
		`"12-br"`:               12,
		`"12-zstd"`:             12,
		`"12-deflate"`:          12,
		`"12-bzip2"`:            12,
		`"12-df"`:               12, // Traffic Server
		`"12--gzip"`:            12, // Jetty
		`"12--gzip--br"`:        12,
		`"12;gzip"`:             12, // Django before 1.11
		`"12;gz"`:               12,
		`"12:gzip"`:             12,
		`"12.gz"`:               12,
		`"12-x-gzip"`:           12,
		`"12"-gzip`:             12, // old versions of Apache
		`W/"12-gzip"`:           12, // two proxies in a row
		`W/"12-br-gzip"`:        12,
		`W/"12"-gzip`:           12,
		`W/"12-GZIP"`:           12,
		`"9223372036854775807"`: 9223372036854775807,

		`"12-1"`:                 0, // a suffix that starts with a digit could be a version
		`"12-3gzip"`:             0,
		`"12gzip"`:               0,
		`"12-gzip1"`:             0,
		`"12-"`:                  0,
		`"12-unknown"`:           0,
		`W/"12-Xb2fK9"`:          0, // Express appends the length and the digest of the body
		`"12-5f3a9c01b2d40"`:     0, // Apache appends the size and the time of a file
		`"gzip-12"`:              0,
		`"012"`:                  0,
		`"0"`:                    0,
		`"-12"`:                  0,
		`"+12"`:                  0,
		`"12 "`:                  0,
		`" 12"`:                  0,
		`"1"2"`:                  0,
		`12`:                     0,
		`"9223372036854775808"`:  0,
		`"12"x`:                  0,
		`"12\n"`:                 0,
		"\"12\"\n":               0,
		`W/W/"12"`:               0,
		`"\u0661\u0662"`:         0,
		"\"\u0661\u0662\"":       0,
		`"12-\u212a"`:            0,
		`"99999999999999999999"`: 0,
		`"12-gzip", "13"`:        0,
		`"12-gzip-13"`:           0,
		`"12-gzip-13-gzip"`:      0,
		`"12--13--gzip"`:         0,
		`"a12-gzip"`:             0,
		`"12-identity"`:          0,
		`"1e1"`:                  0,
		`"0x12"`:                 0,
		`"12.0"`:                 0,
		`"1_2"`:                  0,
		`"12_3"`:                 0,
		`"12.gzip.3"`:            0,
	} {
		got, ours := versionOf(tag)
		if got != version || ours != (version != 0) {
			t.Errorf("%s: %d, %t, want %d", tag, got, ours, version)
		}
	}
}
