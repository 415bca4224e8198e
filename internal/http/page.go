package http

import (
	"net/url"
	"strings"

	"github.com/labstack/echo/v4"
)

// beginPage records the length of a page in the metrics, and sets the header Link to the
// next page.
func (s *Server) beginPage(c echo.Context, entries int, cursor string) {
	s.cfg.Observer.ObservePage(c.Path(), entries)
	if link := s.nextLink(c.Request().URL, cursor); link != "" {
		c.Response().Header().Set("Link", link)
	}
}

// maxLinkBytes is the maximum size of the header Link. Many load balancers reject a
// response whose headers together exceed 8 to 16 KiB.
const maxLinkBytes = 4096

// nextLink returns the value of the header Link (RFC 8288): the address of the next page,
// which has the query as it was sent and the next cursor. It returns "" if there is no
// next page or the link is too long. The address begins with the public URL, never with
// the request's Host, which a client can forge.
func (s *Server) nextLink(list *url.URL, cursor string) string {
	if cursor == "" {
		return ""
	}
	link := "<" + s.cfg.PublicURL + list.Path + "?" + withCursor(list.RawQuery, cursor) + `>; rel="next"`
	if len(link) > maxLinkBytes {
		return ""
	}
	return link
}

// withCursor replaces the cursor of a query, or appends one. The query must be one that
// was parsed without an error. Its other parameters stay as they were sent, because
// encoding them again could triple the length.
func withCursor(query, cursor string) string {
	var b strings.Builder
	b.Grow(len(query) + len("&cursor=") + len(cursor))
	for pair := range strings.SplitSeq(query, "&") {
		name, _, _ := strings.Cut(pair, "=")
		if name, err := url.QueryUnescape(name); pair == "" || err != nil || name == "cursor" {
			continue
		}
		writeURI(&b, pair)
		b.WriteByte('&')
	}
	b.WriteString("cursor=")
	b.WriteString(cursor)
	return b.String()
}

// writeURI writes s, and escapes the bytes that net/http accepts in a query but that RFC
// 3986 does not allow in a URI. An unescaped > would end the link.
func writeURI(b *strings.Builder, s string) {
	const hexUpper = "0123456789ABCDEF"
	for i := range len(s) {
		switch c := s[i]; {
		case c <= ' ', c >= 0x7f, strings.IndexByte("\"<>\\^`{|}", c) >= 0:
			b.WriteByte('%')
			b.WriteByte(hexUpper[c>>4])
			b.WriteByte(hexUpper[c&15])
		default:
			b.WriteByte(c)
		}
	}
}
