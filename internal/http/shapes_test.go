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

// shapes are those of the exchanges that were held to the API's description. To
// compile its schemas anew for each is nine tenths of what the model check costs,
// and an exchange that differs from an earlier one in its ids, times, texts and
// numbers alone is nothing new to them. These are what the model compares.
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

// fixedHeaders are the headers with their values, where these do not vary.
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
