package http_test

import (
	"compress/gzip"
	"io"
	"net/http"
	"regexp"
	"strings"
	"testing"

	"orgd"
	"orgd/internal/dbtest"
	orgdhttp "orgd/internal/http"
	"orgd/internal/site"
)

func newAPIWithPages(t *testing.T) *api {
	t.Helper()
	return newAPIWithSite(t, true, true)
}

func newAPIWithSite(t *testing.T, hasDocs, hasDashboard bool) *api {
	t.Helper()
	return newAPIWith(t, dbtest.New(t), func(c *orgdhttp.Config) {
		c.Site = site.New(site.Config{HasDocs: hasDocs, HasDashboard: hasDashboard, Version: "1.2.3", Guides: orgd.Guides, OpenAPI: orgd.OpenAPIJSON, Problems: orgdhttp.Problems()})
	})
}

// fetch sends a request for a page as a browser does, without a key.
func (a *api) fetch(t *testing.T, method, path string, headers ...string) *http.Response {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), method, a.url+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Accept-Encoding", "identity")
	for i := 0; i < len(headers); i += 2 {
		request.Header.Set(headers[i], headers[i+1])
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { response.Body.Close() })
	return response
}

func bodyOf(t *testing.T, r io.Reader) string {
	t.Helper()
	body, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}

func TestPages(t *testing.T) {
	t.Parallel()
	a := newAPIWithPages(t)
	for path, want := range map[string]string{
		"/": "1.2.3", "/docs": "swagger-ui-bundle", "/docs/guides": "/docs/guides/webhooks", "/docs/guides/keys": "<h1", "/problems/rate_limited": "429 Too Many Requests",
		"/?utm_source=mail": "1.2.3",
	} {
		t.Run(path, func(t *testing.T) {
			t.Parallel()
			response := a.fetch(t, http.MethodGet, path)
			if body := bodyOf(t, response.Body); response.StatusCode != http.StatusOK || !strings.Contains(body, want) {
				t.Fatalf("%d, no %q in\n%s", response.StatusCode, want, body)
			}
			for name, value := range map[string]string{
				"Content-Type": "text/html; charset=utf-8", "Cache-Control": "no-cache", "Referrer-Policy": "no-referrer", "X-Content-Type-Options": "nosniff",
			} {
				if got := response.Header.Get(name); got != value {
					t.Errorf("%s: %q, want %q", name, got, value)
				}
			}
			if policy := response.Header.Get("Content-Security-Policy"); !strings.Contains(policy, "style-src 'self'") {
				t.Errorf("policy %q", policy)
			}
			head := a.fetch(t, http.MethodHead, path)
			if body := bodyOf(t, head.Body); head.StatusCode != http.StatusOK || body != "" || head.ContentLength != response.ContentLength {
				t.Errorf("HEAD: %d, length %d, %q", head.StatusCode, head.ContentLength, body)
			}
			again := a.fetch(t, http.MethodGet, path, "If-None-Match", `"other", `+response.Header.Get("Etag"))
			if body := bodyOf(t, again.Body); again.StatusCode != http.StatusNotModified || body != "" {
				t.Errorf("with its ETag: %d, %q", again.StatusCode, body)
			}
		})
	}
	for _, path := range []string{"/docs/guides/none", "/problems/none", "/docs/assets/none.css", "/docs/assets/", "/docs/..%2f", "/problems"} {
		t.Run("no page "+path, func(t *testing.T) {
			t.Parallel()
			a.get(t, path).rejected(t, 404, "not_found")
		})
	}
	t.Run("a slash at the end", func(t *testing.T) {
		t.Parallel()
		response := a.fetch(t, http.MethodGet, "/docs/")
		if response.StatusCode != http.StatusOK || response.Request.URL.Path != "/docs" {
			t.Errorf("%d at %s", response.StatusCode, response.Request.URL.Path)
		}
	})
	t.Run("another method", func(t *testing.T) {
		t.Parallel()
		if response := a.fetch(t, http.MethodPost, "/docs"); response.StatusCode != http.StatusMethodNotAllowed || response.Header.Get("Allow") != "OPTIONS, GET, HEAD" {
			t.Errorf("%d, Allow %q", response.StatusCode, response.Header.Get("Allow"))
		}
	})
}

// Files are compressed for clients that accept gzip, and may be cached for a year.
func TestFilesOfPages(t *testing.T) {
	t.Parallel()
	a := newAPIWithPages(t)
	reference := bodyOf(t, a.fetch(t, http.MethodGet, "/docs").Body)
	viewer := regexp.MustCompile(`/docs/assets/swagger-ui-bundle[^"]*`).FindString(reference)
	if response := a.fetch(t, http.MethodGet, viewer); response.StatusCode != http.StatusOK || response.Header.Get("Content-Encoding") != "gzip" {
		t.Errorf("%s: status %d, Content-Encoding %q", viewer, response.StatusCode, response.Header.Get("Content-Encoding"))
	}
	path := regexp.MustCompile(`/docs/assets/site-[^"]*`).FindString(reference)
	plain := a.fetch(t, http.MethodGet, path)
	want := bodyOf(t, plain.Body)
	if cache := plain.Header.Get("Cache-Control"); cache != "public, max-age=31536000, immutable" || plain.Header.Get("Content-Encoding") != "" {
		t.Errorf("Cache-Control %q, Content-Encoding %q", cache, plain.Header.Get("Content-Encoding"))
	}
	for accepted, isCompressed := range map[string]bool{"br, gzip;q=0.5": true, "gzip": true, "gzip;q=0, br": false, "gzip; q=0.0": false, "br": false, "*": true, "x y": false} {
		t.Run(accepted, func(t *testing.T) {
			t.Parallel()
			response := a.fetch(t, http.MethodGet, path, "Accept-Encoding", accepted)
			if got := response.Header.Get("Content-Encoding") == "gzip"; got != isCompressed || response.Header.Get("Vary") != "Accept-Encoding" {
				t.Fatalf("compressed: %t, Vary %q", got, response.Header.Get("Vary"))
			}
			var body io.Reader = response.Body
			if isCompressed {
				var err error
				if body, err = gzip.NewReader(body); err != nil {
					t.Fatal(err)
				}
			}
			if bodyOf(t, body) != want {
				t.Error("the body differs")
			}
		})
	}
}

// Every path of the dashboard shows the same page, so that links lead into it.
func TestDashboard(t *testing.T) {
	t.Parallel()
	a := newAPIWithPages(t)
	want := bodyOf(t, a.fetch(t, http.MethodGet, "/dashboard").Body)
	if !strings.Contains(want, `data-version="1.2.3"`) {
		t.Errorf("no version in\n%s", want)
	}
	for _, path := range []string{
		"/dashboard/", "/dashboard/organizations", "/dashboard/organizations/org_00000000000000000000000000000000?tab=members", "/dashboard/keys", "/dashboard/assets",
		"/dashboard/a/b%2Fc",
	} {
		t.Run(path, func(t *testing.T) {
			t.Parallel()
			response := a.fetch(t, http.MethodGet, path)
			if body := bodyOf(t, response.Body); response.StatusCode != http.StatusOK || body != want {
				t.Errorf("%d\n%s", response.StatusCode, body)
			}
			for name, value := range map[string]string{
				"Content-Type": "text/html; charset=utf-8", "Cache-Control": "no-cache", "Referrer-Policy": "no-referrer", "Cross-Origin-Opener-Policy": "same-origin",
			} {
				if got := response.Header.Get(name); got != value {
					t.Errorf("%s: %q, want %q", name, got, value)
				}
			}
			if policy := response.Header.Get("Content-Security-Policy"); !strings.Contains(policy, "trusted-types 'none'") || strings.Contains(policy, "unsafe") {
				t.Errorf("policy %q", policy)
			}
		})
	}
	for _, file := range []string{"dashboard-[0-9a-f]{16}.js", "dashboard-[0-9a-f]{16}.css"} {
		path := regexp.MustCompile("/dashboard/assets/" + file).FindString(want)
		response := a.fetch(t, http.MethodGet, path, "Accept-Encoding", "gzip")
		if response.StatusCode != http.StatusOK || response.Header.Get("Content-Encoding") != "gzip" || response.Header.Get("Cache-Control") != "public, max-age=31536000, immutable" {
			t.Errorf("%q: status %d, %v", path, response.StatusCode, response.Header)
		}
	}
	// The page of another release gets this release's script, which browsers must not keep.
	response := a.fetch(t, http.MethodGet, "/dashboard/assets/dashboard-0000000000000000.js")
	if response.StatusCode != http.StatusOK || !strings.HasPrefix(response.Header.Get("Content-Type"), "text/javascript") || response.Header.Get("Cache-Control") != "no-cache" {
		t.Errorf("the script for another release: status %d, %v", response.StatusCode, response.Header)
	}
	// It must not get a page instead.
	for _, path := range []string{"/dashboard/assets/none-0000000000000000.js", "/dashboards"} {
		a.get(t, path).rejected(t, 404, "not_found")
	}
}

// The documentation and the dashboard can be turned off separately.
func TestDashboardAndDocsAreIndependent(t *testing.T) {
	t.Parallel()
	t.Run("no dashboard", func(t *testing.T) {
		t.Parallel()
		a := newAPIWithSite(t, true, false)
		for _, path := range []string{"/dashboard", "/dashboard/keys"} {
			a.get(t, path).rejected(t, 404, "not_found")
		}
		if body := bodyOf(t, a.fetch(t, http.MethodGet, "/").Body); !strings.Contains(body, "/docs") || strings.Contains(body, "/dashboard") {
			t.Error(body)
		}
	})
	t.Run("no docs", func(t *testing.T) {
		t.Parallel()
		a := newAPIWithSite(t, false, true)
		for _, path := range []string{"/", "/docs", "/problems/rate_limited"} {
			a.get(t, path).rejected(t, 404, "not_found")
		}
		if body := bodyOf(t, a.fetch(t, http.MethodGet, "/dashboard").Body); !strings.Contains(body, "/dashboard/assets/") || strings.Contains(body, "/docs") || strings.Contains(body, "data-docs") {
			t.Error(body)
		}
	})
}

// Without pages, their paths are unknown.
func TestNoPages(t *testing.T) {
	t.Parallel()
	a := newAPI(t)
	for _, path := range []string{"/", "/docs", "/docs/guides/api", "/problems/rate_limited", "/dashboard"} {
		a.get(t, path).rejected(t, 404, "not_found")
	}
}
