package http

import (
	"net/http"
	"net/url"

	"github.com/labstack/echo/v4"

	"orgd/internal/orgs"
)

func (s *Server) listOrgs(c echo.Context) error {
	params, err := listParams(c.Request().URL.RawQuery)
	if err != nil {
		return err
	}
	page, err := s.cfg.Orgs.List(c.Request().Context(), tenant(c).AccountID, params)
	if err != nil {
		return err
	}
	if page.Cursor != "" {
		c.Response().Header().Set("Link", s.nextLink(c.Request().URL, page))
	}
	body := bodies.get()
	defer bodies.put(body)
	*body = appendPage(*body, page)
	return writeJSON(c, http.StatusOK, *body)
}

// nextLink is the same list with the next cursor (RFC 8288), under the public
// URL and never under the request's Host, which a client may forge.
func (s *Server) nextLink(list *url.URL, page orgs.Page) string {
	query := list.Query() // listParams has found no fault in it
	query.Set("cursor", page.Cursor)
	return "<" + s.cfg.PublicURL + list.Path + "?" + query.Encode() + `>; rel="next"`
}
