package site

import (
	"bytes"
	"compress/gzip"
	"embed"
	"fmt"
	"io"
	"path"
	"strings"
)

// files has the templates and the files that pages use. The viewer of the API reference
// is not ours: see assets/README.md.
//
//go:embed templates assets
var files embed.FS

// assetTypes lists the files that pages use, with their types. A name that ends in .gz is
// that of a file that is stored compressed.
var assetTypes = map[string]string{
	"site.css":                "text/css; charset=utf-8",
	"icon.svg":                "image/svg+xml",
	"reference.js":            "text/javascript; charset=utf-8",
	"swagger-ui-bundle.js.gz": "text/javascript; charset=utf-8",
	"swagger-ui.css.gz":       "text/css; charset=utf-8",
}

// addAssets adds the files under paths that contain the digest of their contents.
// Browsers may therefore keep them for ever.
func (s *Site) addAssets(pages map[string]Page) error {
	for file, contentType := range assetTypes {
		body, err := files.ReadFile("assets/" + file)
		if err != nil {
			return err
		}
		name, isCompressed := strings.CutSuffix(file, ".gz")
		var p Page
		if isCompressed {
			p, err = decompressed(contentType, body)
		} else {
			p, err = newPage(contentType, textPolicy, body)
		}
		if err != nil {
			return fmt.Errorf("%s: %w", file, err)
		}
		p.IsFixed = true
		extension := path.Ext(name)
		s.assets[name] = AssetsPath + "/" + strings.TrimSuffix(name, extension) + "-" + strings.Trim(p.ETag, `"`) + extension
		pages[s.assets[name]] = p
	}
	return nil
}

func decompressed(contentType string, compressed []byte) (Page, error) {
	unzip, err := gzip.NewReader(bytes.NewReader(compressed))
	if err != nil {
		return Page{}, err
	}
	body, err := io.ReadAll(unzip)
	if err != nil {
		return Page{}, err
	}
	return Page{ContentType: contentType, Policy: textPolicy, ETag: `"` + digest(body) + `"`, body: body, compressed: compressed}, nil
}

func compress(body []byte) ([]byte, error) {
	var buffer bytes.Buffer
	zip, err := gzip.NewWriterLevel(&buffer, gzip.BestCompression)
	if err != nil {
		return nil, err
	}
	if _, err := zip.Write(body); err != nil {
		return nil, err
	}
	if err := zip.Close(); err != nil {
		return nil, err
	}
	return buffer.Bytes(), nil
}
