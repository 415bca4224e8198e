package site

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"html/template"
	"maps"
	"net/http"
	"slices"
)

// problem has the content of an error's page.
type problem struct {
	Problem
	Explanation template.HTML
	Example     string
}

// StatusText returns the name of the status (RFC 9110 section 15).
func (p Problem) StatusText() string { return http.StatusText(p.Status) }

// readExamples returns an example of each error, from the description of the API.
func readExamples(openAPI []byte) (map[string]string, error) {
	var described struct {
		Components struct {
			Responses map[string]struct {
				Content map[string]struct {
					Example  json.RawMessage
					Examples map[string]struct{ Value json.RawMessage }
				}
			}
		}
	}
	if err := json.Unmarshal(openAPI, &described); err != nil {
		return nil, fmt.Errorf("read the description of the API: %w", err)
	}
	examples := map[string]string{}
	responses := described.Components.Responses
	for _, name := range slices.Sorted(maps.Keys(responses)) {
		media := responses[name].Content["application/problem+json"]
		all := []json.RawMessage{media.Example}
		for _, key := range slices.Sorted(maps.Keys(media.Examples)) {
			all = append(all, media.Examples[key].Value)
		}
		for _, example := range all {
			if len(example) == 0 {
				continue
			}
			code, body, err := readExample(example)
			if err != nil {
				return nil, fmt.Errorf("read an example of %s: %w", name, err)
			}
			if examples[code] == "" {
				examples[code] = body
			}
		}
	}
	return examples, nil
}

// readExample returns the body of an error, indented.
func readExample(example []byte) (code, body string, err error) {
	var shown struct{ Code string }
	if err := json.Unmarshal(example, &shown); err != nil {
		return "", "", err
	}
	if shown.Code == "" {
		return "", "", errors.New("the example has no code")
	}
	var indented bytes.Buffer
	err = json.Indent(&indented, example, "", "  ")
	return shown.Code, indented.String(), err
}
