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

// shapes are the shapes of the exchanges that were already checked against openapi.yaml.
// The check of each exchange compiles schemas, which would take 90% of the model test's
// time. An exchange that differs from an earlier one only in ids, times, texts and
// numbers needs no check: the model compares these values.
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

// fixedHeaders returns the names of the headers, with the values of those that do not
// depend on the data.
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
