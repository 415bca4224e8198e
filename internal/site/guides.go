package site

import (
	"bytes"
	"fmt"
	"html/template"
	"io/fs"
	"path"
	"strconv"
	"strings"

	"github.com/yuin/goldmark"
	"github.com/yuin/goldmark/ast"
	"github.com/yuin/goldmark/extension"
	"github.com/yuin/goldmark/parser"
	"github.com/yuin/goldmark/text"
)

// apiGuide is the guide whose sections explain the errors.
const apiGuide = "api"

// guideNames lists the guides in the order in which pages show them.
var guideNames = []string{
	"clients", apiGuide, "dashboard", "keys", "identity-providers", "keep-in-step", "webhooks", "import",
	"configuration", "operating", "security", "reliability", "performance", "what-orgd-is-not",
}

// guide is a rendered document.
type guide struct {
	Name     string // the file name without its extension
	Title    string
	Lead     string // the first paragraph, as text
	Body     template.HTML
	Sections []section

	// The document itself, for explanations.
	source []byte
	root   ast.Node
}

// section is a heading of the second level.
type section struct{ ID, Title string }

var markdown = goldmark.New(goldmark.WithExtensions(extension.Table), goldmark.WithParserOptions(parser.WithAutoHeadingID()))

func readGuides(documents fs.FS) ([]guide, error) {
	guides := make([]guide, 0, len(guideNames))
	for _, name := range guideNames {
		source, err := fs.ReadFile(documents, "docs/"+name+".md")
		if err != nil {
			return nil, err
		}
		g, err := newGuide(name, source)
		if err != nil {
			return nil, fmt.Errorf("docs/%s.md: %w", name, err)
		}
		guides = append(guides, g)
	}
	return guides, nil
}

func newGuide(name string, source []byte) (guide, error) {
	context := parser.NewContext(parser.WithIDs(&anchors{used: map[string]int{}}))
	g := guide{Name: name, source: source, root: markdown.Parser().Parse(text.NewReader(source), parser.WithContext(context))}
	if err := g.rewriteLinks(); err != nil {
		return guide{}, err
	}
	for node := g.root.FirstChild(); node != nil; node = node.NextSibling() {
		switch node := node.(type) {
		case *ast.Heading:
			switch title := plain(node, source); node.Level {
			case 1:
				g.Title = title
			case 2:
				g.Sections = append(g.Sections, section{idOf(node), title})
			}
		case *ast.Paragraph:
			if g.Lead == "" {
				g.Lead = plain(node, source)
			}
		}
	}
	var err error
	g.Body, err = g.html(g.root)
	return g, err
}

func (g guide) html(node ast.Node) (template.HTML, error) {
	var body bytes.Buffer
	if err := markdown.Renderer().Render(&body, g.source, node); err != nil {
		return "", err
	}
	return template.HTML(scrollable.Replace(body.String())), nil //nolint:gosec // the renderer omits the HTML of the document
}

// scrollable lets readers scroll wide code and tables with the keyboard (WCAG 2.1.1). All
// these tags come from the renderer, which escapes or omits the HTML of a document.
var scrollable = strings.NewReplacer(
	"<pre>", `<pre tabindex="0">`,
	"<table>", `<div class="wide" role="region" aria-label="Table" tabindex="0"><table>`,
	"</table>", "</table></div>",
)

// rewriteLinks makes links between documents lead to pages. A link to a file that has no
// page is replaced by its text.
func (g guide) rewriteLinks() error {
	var dead []*ast.Link
	err := ast.Walk(g.root, func(node ast.Node, entering bool) (ast.WalkStatus, error) {
		link, isLink := node.(*ast.Link)
		if !isLink || !entering {
			return ast.WalkContinue, nil
		}
		target, isPage := g.target(string(link.Destination))
		if !isPage {
			dead = append(dead, link)
		}
		link.Destination = []byte(target)
		return ast.WalkContinue, nil
	})
	for _, link := range dead {
		for child := link.FirstChild(); child != nil; child = link.FirstChild() {
			link.Parent().InsertBefore(link.Parent(), link, child)
		}
		link.Parent().RemoveChild(link.Parent(), link)
	}
	return err
}

// target returns where a link of the guide leads.
func (g guide) target(destination string) (target string, isPage bool) {
	if strings.Contains(destination, "://") {
		return destination, true
	}
	file, anchor, hasAnchor := strings.Cut(destination, "#")
	switch name, isGuide := strings.CutSuffix(file, ".md"); {
	case file == "":
		target = GuidesPath + "/" + g.Name
	case isGuide && path.Base(name) == name:
		target = GuidesPath + "/" + name
	case file == "../openapi.yaml":
		target = "/openapi.yaml"
	default:
		return "", false
	}
	if hasAnchor {
		target += "#" + anchor
	}
	return target, true
}

// explanations returns what the API guide says about each error: the section whose heading
// is the error's code.
func explanations(guides []guide) (map[string]template.HTML, error) {
	found := map[string]template.HTML{}
	for _, g := range guides {
		if g.Name != apiGuide {
			continue
		}
		for node := g.root.FirstChild(); node != nil; node = node.NextSibling() {
			heading, isHeading := node.(*ast.Heading)
			if !isHeading || heading.Level != 3 {
				continue
			}
			for below := heading.NextSibling(); below != nil && below.Kind() != ast.KindHeading; below = below.NextSibling() {
				html, err := g.html(below)
				if err != nil {
					return nil, err
				}
				found[idOf(heading)] += html
			}
		}
	}
	return found, nil
}

// anchors makes the ids of headings as GitHub does, so that the links in the documents
// work in both places.
type anchors struct{ used map[string]int }

// Generate returns the id for a heading.
func (a *anchors) Generate(value []byte, _ ast.NodeKind) []byte {
	var id strings.Builder
	for _, r := range strings.ToLower(strings.TrimSpace(string(value))) {
		switch {
		case 'a' <= r && r <= 'z', '0' <= r && r <= '9', r == '-', r == '_':
			id.WriteRune(r)
		case r == ' ':
			id.WriteByte('-')
		}
	}
	name := id.String()
	before := a.used[name]
	a.used[name]++
	if before > 0 {
		name += "-" + strconv.Itoa(before)
	}
	return []byte(name)
}

// Put does nothing, because no heading sets its own id.
func (a *anchors) Put([]byte) {}

func idOf(heading *ast.Heading) string {
	id, _ := heading.AttributeString("id")
	name, _ := id.([]byte)
	return string(name)
}

// plain returns the text of a node without its markup.
func plain(node ast.Node, source []byte) string {
	var b strings.Builder
	for child := node.FirstChild(); child != nil; child = child.NextSibling() {
		if t, ok := child.(*ast.Text); ok {
			b.Write(t.Segment.Value(source))
			if t.SoftLineBreak() {
				b.WriteByte(' ')
			}
			continue
		}
		b.WriteString(plain(child, source))
	}
	return b.String()
}
