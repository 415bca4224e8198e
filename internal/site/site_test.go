package site_test

import (
	"bytes"
	"compress/gzip"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"orgd"
	orgdhttp "orgd/internal/http"
	"orgd/internal/site"
)

var s = site.New(site.Config{HasDocs: true, HasDashboard: true, Version: "1.2.3", Guides: orgd.Guides, OpenAPI: orgd.OpenAPIJSON, Problems: orgdhttp.Problems()})

// pages returns all pages that can be reached by links from the start page and from the
// errors, with their bodies.
func pages(t *testing.T) map[string]string {
	t.Helper()
	found := map[string]string{}
	waiting := []string{site.HomePath}
	for _, p := range orgdhttp.Problems() {
		waiting = append(waiting, site.ProblemsPath+"/"+p.Code)
	}
	for len(waiting) > 0 {
		path := waiting[0]
		waiting = waiting[1:]
		if _, known := found[path]; known || isAPI[path] {
			continue
		}
		page, ok, err := s.Page(path)
		if err != nil || !ok {
			t.Fatalf("%s: %t, %v", path, ok, err)
		}
		compressed, _ := page.Body(true)
		found[path] = unzip(t, compressed)
		if body, isCompressed := page.Body(false); !isCompressed && string(body) != found[path] {
			t.Errorf("%s: the compressed body differs", path)
		}
		if !strings.HasPrefix(page.ContentType, "text/html") {
			continue
		}
		for _, m := range reference.FindAllStringSubmatch(found[path], -1) {
			if target, _, _ := strings.Cut(m[1], "#"); strings.HasPrefix(target, "/") {
				waiting = append(waiting, target)
			}
		}
	}
	return found
}

var (
	reference = regexp.MustCompile(`(?:href|src|data-description)="([^"]*)"`)
	anchor    = regexp.MustCompile(`\bid="([^"]*)"`)
	// isAPI lists the paths that pages link to but the site does not serve.
	isAPI = map[string]bool{"/openapi.json": true, "/openapi.yaml": true, "/readyz": true}
)

func unzip(t *testing.T, compressed []byte) string {
	t.Helper()
	r, err := gzip.NewReader(bytes.NewReader(compressed))
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}

// During a rolling upgrade, the page of one release gets the assets of another.
func TestAssetsOfAnotherRelease(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		path, like string // like is another path of the same asset; empty if there is none
	}{
		{site.AssetsPath + "/reference-0123456789abcdef.js", site.AssetsPath + "/reference.js"},
		{site.AssetsPath + "/swagger-ui-bundle-0123456789abcdef.js", site.AssetsPath + "/swagger-ui-bundle.js"},
		{site.DashboardAssetsPath + "/dashboard-0123456789abcdef.css", site.DashboardAssetsPath + "/dashboard.css"},
		{site.AssetsPath + "/dashboard-0123456789abcdef.css", ""},
		{site.AssetsPath + "/reference-0123456789abcde.js", ""},
		{site.AssetsPath + "/other-0123456789abcdef.js", ""},
		{site.DocsPath + "-0123456789abcdef.js", ""},
	} {
		page, ok, err := s.Page(tc.path)
		if err != nil || ok != (tc.like != "") {
			t.Errorf("%s: %t, %v", tc.path, ok, err)
			continue
		}
		if !ok {
			continue
		}
		if page.IsFixed {
			t.Errorf("%s: browsers would keep it", tc.path)
		}
		like, _, err := s.Page(tc.like)
		if err != nil || page.ETag != like.ETag || page.ETag == "" {
			t.Errorf("%s has the tag %s, and %s %s, %v", tc.path, page.ETag, tc.like, like.ETag, err)
		}
	}
}

// Every link leads to a page and a heading that exist, and every guide can be reached.
func TestLinksOfPages(t *testing.T) {
	t.Parallel()
	all := pages(t)
	ids := map[string]bool{}
	for path, body := range all {
		for _, m := range anchor.FindAllStringSubmatch(body, -1) {
			if ids[path+"#"+m[1]] {
				t.Errorf("%s: two elements have the id %s", path, m[1])
			}
			ids[path+"#"+m[1]] = true
		}
	}
	for path, body := range all {
		if !strings.HasPrefix(body, "<!doctype html>") {
			continue
		}
		for _, m := range reference.FindAllStringSubmatch(body, -1) {
			target := m[1]
			switch {
			case strings.HasPrefix(target, "https://"):
				continue
			case strings.HasPrefix(target, "#"):
				target = path + target
			}
			if strings.Contains(target, "#") && !ids[target] {
				t.Errorf("%s: no heading at %s", path, target)
			}
			if target == "" && path == site.DashboardPath {
				continue // reloads the page
			}
			if strings.Contains(target, ".md") || !strings.HasPrefix(target, "/") {
				t.Errorf("%s: the link %s leads to no page", path, target)
			}
		}
	}
	documents, err := filepath.Glob("../../docs/*.md")
	if err != nil || len(documents) < 10 {
		t.Fatal(documents, err)
	}
	for _, file := range documents {
		name := strings.TrimSuffix(filepath.Base(file), ".md")
		if _, ok := all[site.GuidesPath+"/"+name]; !ok {
			t.Errorf("no page has a link to the guide %s", name)
		}
	}
}

// The page of each error has its code, its status, the explanation of the guide and an
// example with the same code.
func TestPagesOfErrors(t *testing.T) {
	t.Parallel()
	all := pages(t)
	if len(orgdhttp.Problems()) < 30 {
		t.Fatal("there are too few errors")
	}
	for _, p := range orgdhttp.Problems() {
		t.Run(p.Code, func(t *testing.T) {
			t.Parallel()
			body := all[site.ProblemsPath+"/"+p.Code]
			for _, want := range []string{"<h1>" + p.Title + "</h1>", "<code>" + p.Code + "</code>", "<p>Status ", "&#34;code&#34;: &#34;" + p.Code + "&#34;"} {
				if !strings.Contains(body, want) {
					t.Errorf("no %q in\n%s", want, body)
				}
			}
		})
	}
}

// A guide's page has the tables, the code and the heading ids that GitHub shows. HTML in a
// document is omitted.
func TestGuides(t *testing.T) {
	t.Parallel()
	body := pages(t)[site.GuidesPath+"/api"]
	for _, want := range []string{"<h1", `id="invalid_cursor"`, "<table>", "<pre tabindex=\"0\"><code class=\"language-json\">", `<a href="/docs/guides/webhooks#rotate-the-secret">`, `<a href="/openapi.yaml">`} {
		if !strings.Contains(body, want) {
			t.Errorf("no %q", want)
		}
	}
	if reliability := pages(t)[site.GuidesPath+"/reliability"]; strings.Contains(reliability, "Written by") {
		t.Error("a comment of the document is shown")
	}
}

// No page has inline scripts or scripts from other servers, and only the API reference and
// the dashboard have scripts at all.
func TestPolicies(t *testing.T) {
	t.Parallel()
	for path, body := range pages(t) {
		page, _, err := s.Page(path)
		if err != nil {
			t.Fatal(err)
		}
		for _, want := range []string{"default-src 'none'", "frame-ancestors 'none'", "base-uri 'none'"} {
			if !strings.Contains(page.Policy, want) {
				t.Errorf("%s: no %s in %q", path, want, page.Policy)
			}
		}
		if hasScript := strings.Contains(page.Policy, "script-src 'self';"); hasScript != (path == site.DocsPath || path == site.DashboardPath) {
			t.Errorf("%s: the policy allows scripts: %t", path, hasScript)
		}
		if strings.HasPrefix(body, "<!doctype html>") && regexp.MustCompile(`<script>|<script [^>]*src="http|<style|\bstyle="| on[a-z]+="`).MatchString(body) {
			t.Errorf("%s has inline code or code from another server", path)
		}
	}
}

// The dashboard allows no inline styles either, and cannot turn text into HTML or code.
func TestPolicyOfDashboard(t *testing.T) {
	t.Parallel()
	page, ok, err := s.Page(site.DashboardPath)
	if err != nil || !ok {
		t.Fatal(ok, err)
	}
	const want = "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; " +
		"img-src 'self'; script-src 'self'; style-src 'self'; connect-src 'self'; require-trusted-types-for 'script'; trusted-types 'none'"
	if page.Policy != want {
		t.Errorf("policy %q, want %q", page.Policy, want)
	}
}

// The dashboard and everything that it loads have less than 120 KiB together. It loads
// only its own files, so it works without the documentation.
func TestSizeOfDashboard(t *testing.T) {
	t.Parallel()
	alone := site.New(site.Config{HasDashboard: true})
	waiting := []string{site.DashboardPath}
	size := 0
	for seen := map[string]bool{}; len(waiting) > 0; waiting = waiting[1:] {
		page, ok, err := alone.Page(waiting[0])
		if err != nil || !ok {
			t.Fatalf("%s: %t, %v", waiting[0], ok, err)
		}
		compressed, _ := page.Body(true)
		size += len(compressed)
		if !strings.HasPrefix(page.ContentType, "text/html") {
			continue
		}
		for _, m := range reference.FindAllStringSubmatch(unzip(t, compressed), -1) {
			if m[1] != "" && !seen[m[1]] {
				seen[m[1]] = true
				waiting = append(waiting, m[1])
			}
		}
	}
	if t.Logf("%d bytes", size); size < 1000 || size > 120<<10 {
		t.Errorf("%d bytes", size)
	}
	if _, ok, err := alone.Page(site.HomePath); ok || err != nil {
		t.Errorf("the documentation is served: %t, %v", ok, err)
	}
}

// Without the dashboard, no page links to it.
func TestNoDashboard(t *testing.T) {
	t.Parallel()
	docs := site.New(site.Config{HasDocs: true, Guides: orgd.Guides, OpenAPI: orgd.OpenAPIJSON, Problems: orgdhttp.Problems()})
	if _, ok, err := docs.Page(site.DashboardPath); ok || err != nil {
		t.Errorf("the dashboard is served: %t, %v", ok, err)
	}
	for _, path := range []string{site.HomePath, site.GuidesPath} {
		page, _, err := docs.Page(path)
		if err != nil {
			t.Fatal(err)
		}
		if body, _ := page.Body(false); strings.Contains(string(body), `href="`+site.DashboardPath+`"`) {
			t.Errorf("%s has a link to the dashboard", path)
		}
	}
}

// The viewer has the version that assets/README.md names.
func TestViewer(t *testing.T) {
	t.Parallel()
	readme, err := os.ReadFile("assets/README.md")
	if err != nil {
		t.Fatal(err)
	}
	version := regexp.MustCompile(`(?m)^\| version \| (.*) \|$`).FindSubmatch(readme)
	if version == nil {
		t.Fatal("assets/README.md has no version")
	}
	viewer, err := os.ReadFile("assets/swagger-ui-bundle.js.gz")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(unzip(t, viewer), string(version[1])) {
		t.Errorf("the viewer is not version %s", version[1])
	}
}
