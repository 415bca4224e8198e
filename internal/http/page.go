package http

import (
	"net/url"
	"strconv"
	"strings"

	"github.com/labstack/echo/v4"

	"orgd/internal/orgs"
)

// links are the cursors of the pages to which a page links; empty for none.
type links struct {
	next     string
	previous string // for the parameter before
	first    bool   // to the first page
}

// beginPage records the length of a page in the metrics, and sets the header Link.
func (s *Server) beginPage(c echo.Context, entries int, to links) {
	s.cfg.Observer.ObservePage(c.Path(), entries)
	if link := s.link(c.Request().URL, to); link != "" {
		c.Response().Header().Set("Link", link)
	}
}

// addTotal sets the header with the number of entries in the list. It counts them only if
// the page is not the whole list. A plus sign means that there may be more.
func addTotal(c echo.Context, isFirst bool, entries int, next string, count func() (orgs.Total, error)) error {
	total := orgs.Total{Count: entries}
	if !isFirst || next != "" {
		var err error
		if total, err = count(); err != nil {
			return err
		}
	}
	if next != "" {
		entries++
	}
	value := strconv.Itoa(total.Count)
	if total.More {
		value = strconv.Itoa(max(total.Count, entries)) + "+"
	}
	c.Response().Header().Set("Orgd-Total", value)
	return nil
}

// maxLinkBytes is the maximum size of the header Link. Many load balancers reject a
// response whose headers together exceed 8 to 16 KiB.
const maxLinkBytes = 4096

// link returns the value of the header Link (RFC 8288): the addresses of the next, the
// previous and the first page. They repeat the query as it was sent, with a different
// position. It leaves out pages that do not exist, and links that would make the header too
// long. The addresses begin with the public URL, never with the request's Host, which a
// client can forge.
func (s *Server) link(list *url.URL, to links) string {
	var b strings.Builder
	add := func(rel, position string) {
		link := "<" + s.cfg.PublicURL + list.Path + queryAt(list.RawQuery, position) + `>; rel="` + rel + `"`
		if b.Len() > 0 {
			link = ", " + link
		}
		if b.Len()+len(link) <= maxLinkBytes {
			b.WriteString(link)
		}
	}
	if to.next != "" {
		add("next", "cursor="+to.next)
	}
	if to.previous != "" {
		add("prev", "before="+to.previous)
	}
	if to.first {
		add("first", "")
	}
	return b.String()
}

// queryAt returns a query with a different position, or without one if position is empty,
// and without total, whose header would be the same on each page. The query must be one
// that was parsed without an error. Its other parameters stay as they were sent, because
// encoding them again could triple the length.
func queryAt(query, position string) string {
	var b strings.Builder
	b.Grow(len("?") + len(query) + len("&") + len(position))
	separator := byte('?')
	for pair := range strings.SplitSeq(query, "&") {
		name, _, _ := strings.Cut(pair, "=")
		if name, err := url.QueryUnescape(name); pair == "" || err != nil || name == "cursor" || name == "before" || name == "total" {
			continue
		}
		b.WriteByte(separator)
		writeURI(&b, pair)
		separator = '&'
	}
	if position != "" {
		b.WriteByte(separator)
		b.WriteString(position)
	}
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
