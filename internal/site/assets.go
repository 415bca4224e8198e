package site

import (
	"bytes"
	"compress/gzip"
	"embed"
	"fmt"
	"path"
	"regexp"
	"strings"
)

// files has the templates and the files that pages use. assets/README.md says where the
// viewer of the API reference comes from.
//
//go:embed templates assets
var files embed.FS

// docsAssets and dashboardAssets list the files that pages use, with their types. Files
// that end in .gz are stored compressed.
var docsAssets = map[string]string{
	"site.css":                "text/css; charset=utf-8",
	"icon.svg":                "image/svg+xml",
	"reference.js":            "text/javascript; charset=utf-8",
	"swagger-ui-bundle.js.gz": "text/javascript; charset=utf-8",
	"swagger-ui.css.gz":       "text/css; charset=utf-8",
	"swagger-ui-LICENSE.txt":  "text/plain; charset=utf-8",
	"swagger-ui-NOTICE.txt":   "text/plain; charset=utf-8",
}

var dashboardAssets = map[string]string{
	"dashboard.css":   "text/css; charset=utf-8", // `make dashboard` makes this file and the next
	"dashboard.js.gz": "text/javascript; charset=utf-8",
	"icon.svg":        "image/svg+xml",
}

// addAssets adds the files below a path, under names that contain the digest of their
// contents. Browsers may therefore keep them forever.
func (s *Site) addAssets(pages map[string]Page, below string, assets map[string]string) error {
	for file, contentType := range assets {
		body, err := files.ReadFile("assets/" + file)
		if err != nil {
			return err
		}
		name, isCompressed := strings.CutSuffix(file, ".gz")
		p := Page{ContentType: contentType, Policy: textPolicy, ETag: `"` + digest(body) + `"`, compressed: body}
		if !isCompressed {
			if p, err = newPage(contentType, textPolicy, body); err != nil {
				return fmt.Errorf("%s: %w", file, err)
			}
		}
		s.addAsset(pages, below, name, p)
	}
	return nil
}

func (s *Site) addAsset(pages map[string]Page, below, name string, p Page) {
	pages[below+"/"+name] = p
	p.IsFixed = true
	extension := path.Ext(name)
	s.assets[name] = below + "/" + strings.TrimSuffix(name, extension) + "-" + strings.Trim(p.ETag, `"`) + extension
	pages[s.assets[name]] = p
}

// versioned matches the path of an asset with its digest.
var versioned = regexp.MustCompile(`^(.*)-[0-9a-f]{16}(\.[a-z]+)$`)

// withoutDigest returns the path at which the site has its own version of an asset. During
// a rolling upgrade, the page of one release asks servers of another release for its assets.
// The page then gets their version, and browsers do not keep it under the wrong digest.
func withoutDigest(path string) string { return versioned.ReplaceAllString(path, "$1$2") }

func compress(body []byte) ([]byte, error) {
	var buffer bytes.Buffer
	zip := gzip.NewWriter(&buffer)
	if _, err := zip.Write(body); err != nil {
		return nil, err
	}
	if err := zip.Close(); err != nil {
		return nil, err
	}
	return buffer.Bytes(), nil
}
