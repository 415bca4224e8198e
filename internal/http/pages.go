package http

import (
	"maps"
	"mime"
	"net/http"
	"slices"
	"strings"

	"github.com/labstack/echo/v4"

	"orgd/internal/site"
)

// Problems returns every error of the API, in the order of the codes.
func Problems() []site.Problem {
	all := make([]site.Problem, 0, len(problems))
	for _, c := range slices.Sorted(maps.Keys(problems)) {
		all = append(all, site.Problem{Code: string(c), Title: problems[c].title, Status: problems[c].status})
	}
	return all
}

// pages lists the routes of the pages. They are not part of the API, need no key, and
// ignore the query.
func (s *Server) pages() []route {
	if s.cfg.Site == nil {
		return nil
	}
	var all []route
	if s.cfg.Site.HasDashboard() {
		for _, path := range []string{site.DashboardPath, site.DashboardPath + "/*"} {
			all = append(all, route{http.MethodGet, path, open, 0, s.showDashboard, false})
		}
		all = append(all, route{http.MethodGet, site.DashboardAssetsPath + "/:file", open, 0, s.showPage, false})
	}
	if !s.cfg.Site.HasDocs() {
		return all
	}
	for _, path := range []string{
		site.HomePath, site.DocsPath, site.GuidesPath, site.GuidesPath + "/:guide", site.AssetsPath + "/:file", site.ProblemsPath + "/:code",
	} {
		all = append(all, route{http.MethodGet, path, open, 0, s.showPage, false})
	}
	for _, path := range []string{site.DocsPath, site.GuidesPath} {
		redirect := func(c echo.Context) error { return c.Redirect(http.StatusPermanentRedirect, path) }
		all = append(all, route{http.MethodGet, path + "/", open, 0, redirect, false})
	}
	return all
}

// fixedFor is the Cache-Control of a page whose body never changes.
const fixedFor = "public, max-age=31536000, immutable"

func (s *Server) showPage(c echo.Context) error { return s.show(c, c.Request().URL.Path) }

// showDashboard shows the same page at every path of the dashboard. The page's script
// reads the path.
func (s *Server) showDashboard(c echo.Context) error { return s.show(c, site.DashboardPath) }

func (s *Server) show(c echo.Context, path string) error {
	page, ok, err := s.cfg.Site.Page(path)
	if err != nil {
		return err
	}
	if !ok {
		return echo.ErrNotFound
	}
	isKnown, err := hasTag(c.Request().Header, page.ETag)
	if err != nil {
		return err
	}
	h := c.Response().Header()
	h.Set("Content-Security-Policy", page.Policy)
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Etag", "W/"+page.ETag) // weak, because it does not depend on the content coding
	h.Set("Vary", "Accept-Encoding")
	h.Set("Cache-Control", "no-cache")
	if page.IsFixed {
		h.Set("Cache-Control", fixedFor)
	}
	if isKnown {
		return c.NoContent(http.StatusNotModified)
	}
	body, isCompressed := page.Body(acceptsGzip(c.Request().Header))
	if isCompressed {
		h.Set("Content-Encoding", "gzip")
	}
	return writeBody(c, http.StatusOK, page.ContentType, body)
}

// hasTag reports whether If-None-Match lists the tag, compared weakly (RFC 9110 section
// 13.1.2).
func hasTag(h http.Header, tag string) (bool, error) {
	tags, err := readTags(h, "If-None-Match")
	if err != nil || tags == nil {
		return false, err
	}
	return tags.any || slices.ContainsFunc(tags.list, func(listed string) bool { return strings.TrimPrefix(listed, "W/") == tag }), nil
}

// acceptsGzip reports whether Accept-Encoding names gzip, or every coding, with a quality
// above zero (RFC 9110 section 12.5.3).
func acceptsGzip(h http.Header) bool {
	for element := range strings.SplitSeq(strings.Join(h.Values(echo.HeaderAcceptEncoding), ","), ",") {
		coding, params, err := mime.ParseMediaType(element)
		if err == nil && (coding == "gzip" || coding == "*") {
			quality, given := params["q"]
			return !given || strings.Trim(quality, "0.") != ""
		}
	}
	return false
}
