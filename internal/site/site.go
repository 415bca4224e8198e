// Package site makes the pages that people read in a browser: the start page, the API
// reference, the guides, a page for each error code, and the dashboard. It makes all but
// the dashboard from what the server itself uses: the description of the API, the table of
// its errors, and the documents of this release.
package site

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"html/template"
	"io/fs"
	"sync"
)

// The paths of the pages. A guide, an asset or an error's page is one segment below its
// path. Below DashboardPath, every path but those of assets shows the dashboard.
const (
	HomePath     = "/"
	DocsPath     = "/docs"
	GuidesPath   = "/docs/guides"
	AssetsPath   = "/docs/assets"
	ProblemsPath = "/problems"

	DashboardPath       = "/dashboard"
	DashboardAssetsPath = "/dashboard/assets"
)

// Problem is an error of the API.
type Problem struct {
	Code   string
	Title  string
	Status int
}

// Config has the contents of the pages. Documentation is every page but the dashboard.
type Config struct {
	HasDocs      bool
	HasDashboard bool

	Version  string
	Guides   fs.FS  // the documents, as Markdown in docs/*.md
	OpenAPI  []byte // the description of the API as JSON
	Problems []Problem
}

// Page is a page, or a file that pages use.
type Page struct {
	ContentType string
	Policy      string // the Content-Security-Policy
	IsFixed     bool   // the body at this path never changes
	ETag        string

	body       []byte // nil if there is only the compressed form
	compressed []byte // with gzip
}

// Site has all pages.
type Site struct {
	cfg    Config
	pages  func() (map[string]Page, error)
	assets map[string]string // the path of each file by its name
}

// HasDocs reports whether the site has documentation.
func (s *Site) HasDocs() bool { return s.cfg.HasDocs }

// HasDashboard reports whether the site has the dashboard.
func (s *Site) HasDashboard() bool { return s.cfg.HasDashboard }

// New returns a site. It makes the pages on the first request, so that servers start
// without delay.
func New(cfg Config) *Site {
	s := &Site{cfg: cfg, assets: map[string]string{}}
	s.pages = sync.OnceValues(s.make)
	return s
}

// Page returns the page with the path. ok is false if there is none. An asset of another
// release is this release's version of it. An error means that
// the pages cannot be made, which the tests of this package rule out for the documents of
// this release.
func (s *Site) Page(path string) (p Page, ok bool, err error) {
	pages, err := s.pages()
	if err != nil {
		return Page{}, false, fmt.Errorf("make the pages: %w", err)
	}
	if p, ok = pages[path]; !ok {
		p, ok = pages[withoutDigest(path)]
	}
	return p, ok, nil
}

// Body returns the body, compressed with gzip if the client accepts that. The files of the
// viewer are always compressed: every browser that can run them accepts gzip, and other
// clients must not cause four times the traffic.
func (p Page) Body(acceptsGzip bool) (body []byte, isCompressed bool) {
	if acceptsGzip || p.body == nil {
		return p.compressed, true
	}
	return p.body, false
}

// The policies allow only what a page needs. textPolicy is for pages without a script.
const (
	commonPolicy    = "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
	textPolicy      = commonPolicy + "img-src 'self'; style-src 'self'"
	referencePolicy = commonPolicy + "img-src 'self' data:; script-src 'self'; style-src 'self' 'unsafe-inline'; connect-src 'self'"
	// The dashboard never turns text into HTML or code, so it needs no trusted type.
	dashboardPolicy = commonPolicy + "img-src 'self'; script-src 'self'; style-src 'self'; connect-src 'self'; " +
		"require-trusted-types-for 'script'; trusted-types 'none'"
)

// make makes all pages, by their paths.
func (s *Site) make() (map[string]Page, error) {
	pages := map[string]Page{}
	if s.cfg.HasDashboard {
		if err := s.addDashboard(pages); err != nil {
			return nil, err
		}
	}
	if s.cfg.HasDocs {
		if err := s.addDocs(pages); err != nil {
			return nil, err
		}
	}
	return pages, nil
}

func (s *Site) addDashboard(pages map[string]Page) error {
	if err := s.addAssets(pages, DashboardAssetsPath, dashboardAssets); err != nil {
		return err
	}
	return s.addPage(pages, DashboardPath, dashboardPolicy, content{"dashboard", "Dashboard", nil})
}

func (s *Site) addDocs(pages map[string]Page) error {
	if err := s.addAssets(pages, AssetsPath, docsAssets); err != nil {
		return err
	}
	// The reference reads this copy of the description: unlike /openapi.json, it is
	// compressed, and browsers keep it.
	description, err := newPage("application/json", textPolicy, s.cfg.OpenAPI)
	if err != nil {
		return err
	}
	s.addAsset(pages, AssetsPath, "openapi.json", description)
	guides, err := readGuides(s.cfg.Guides)
	if err != nil {
		return err
	}
	examples, err := readExamples(s.cfg.OpenAPI)
	if err != nil {
		return err
	}
	explanations, err := explanations(guides)
	if err != nil {
		return err
	}
	for path, c := range s.contents(guides, explanations, examples) {
		policy := textPolicy
		if c.template == "reference" {
			policy = referencePolicy
		}
		if err := s.addPage(pages, path, policy, c); err != nil {
			return err
		}
	}
	return nil
}

func (s *Site) addPage(pages map[string]Page, path, policy string, c content) error {
	body, err := s.render(c)
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	pages[path], err = newPage("text/html; charset=utf-8", policy, body)
	return err
}

// content is what a template shows.
type content struct {
	template string
	Title    string
	Data     any
}

func (s *Site) contents(guides []guide, explanations map[string]template.HTML, examples map[string]string) map[string]content {
	contents := map[string]content{
		HomePath:   {"home", "orgd", guides},
		DocsPath:   {"reference", "API reference", nil},
		GuidesPath: {"guides", "Guides", guides},
	}
	for _, g := range guides {
		contents[GuidesPath+"/"+g.Name] = content{"guide", g.Title, g}
	}
	for _, p := range s.cfg.Problems {
		contents[ProblemsPath+"/"+p.Code] = content{"problem", p.Title, problem{p, explanations[p.Code], examples[p.Code]}}
	}
	return contents
}

func (s *Site) render(c content) ([]byte, error) {
	var page bytes.Buffer
	err := templates.ExecuteTemplate(&page, c.template, struct {
		content
		Config
		Assets map[string]string
	}{c, s.cfg, s.assets})
	return page.Bytes(), err
}

var templates = template.Must(template.ParseFS(files, "templates/*.html"))

func newPage(contentType, policy string, body []byte) (Page, error) {
	compressed, err := compress(body)
	return Page{ContentType: contentType, Policy: policy, ETag: `"` + digest(body) + `"`, body: body, compressed: compressed}, err
}

func digest(body []byte) string {
	sum := sha256.Sum256(body)
	return hex.EncodeToString(sum[:8])
}
