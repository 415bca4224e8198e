package http

import (
	"net/url"
	"strings"

	"github.com/labstack/echo/v4"
)

// beginPage counts a page and links to the next one.
func (s *Server) beginPage(c echo.Context, entries int, cursor string) {
	s.cfg.Observer.ObservePage(c.Path(), entries)
	if link := s.nextLink(c.Request().URL, cursor); link != "" {
		c.Response().Header().Set("Link", link)
	}
}

// maxLinkBytes limits the header Link. Load balancers allow some 8 to 16 KiB for all
// headers of an answer, and reject more.
const maxLinkBytes = 4096

// nextLink is the address of the next page (RFC 8288), or "" if there is none or
// it is too long: the query as it was sent, with the next cursor. It is under the
// public URL and never under the request's Host, which a client may forge.
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

// withCursor replaces the cursor of a query that was parsed without an error, or
// appends one. Everything else stays as it was sent: encoding it again could triple its
// length.
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

// writeURI escapes the bytes that net/http accepts in a query but that no URI may
// contain (RFC 3986); > would end the link.
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
