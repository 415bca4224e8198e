package http_test

import (
	"fmt"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"sync"
)

// shapes are the shapes of the exchanges that were checked against the API description.
// Compiling its schemas for each exchange takes nine tenths of the model test's time, and
// an exchange that differs from an earlier one only in ids, times, texts and numbers
// tests nothing new. The model compares those values.
type shapes struct{ sync.Map }

func (s *shapes) isNew(r *http.Request, got answer) bool {
	shape := fmt.Sprintln(r.Method, anyID.ReplaceAllString(r.URL.Path, "/_"), sortedKeys(r.URL.Query()), sortedKeys(r.Header),
		got.status, anyValue.ReplaceAllString(string(got.body), ":_"), fixedHeaders(got.header))
	_, seen := s.LoadOrStore(shape, true)
	return !seen
}

var (
	anyID    = regexp.MustCompile(`/org_[0-9a-f]{32}`)
	anyValue = regexp.MustCompile(`:("(\\.|[^"\\])*"|[0-9]+)`)
)

// fixedHeaders are the headers, with those values that do not vary.
func fixedHeaders(h http.Header) string {
	var all []string
	for _, name := range sortedKeys(h) {
		switch name {
		case "Date", "X-Request-Id", "Etag", "Location", "Link", "Content-Length":
			all = append(all, name)
		default:
			all = append(all, name+": "+strings.Join(h[name], ", "))
		}
	}
	return strings.Join(all, "\n")
}

func sortedKeys[M ~map[string][]string](m M) []string { return slices.Sorted(maps.Keys(m)) }
