package http

import (
	"net/http"
	"slices"
	"strings"
	"testing"
)

func TestMediaTypes(t *testing.T) {
	t.Parallel()
	server := newBodyServer(t, echoObject(true))
	const name, coding = "Content-Type", "Content-Encoding"
	for _, headers := range [][]string{
		{name, "application/json"},
		{name, `Application/JSON; Charset="UTF-8"`},
		{name, "application/json;charset=utf-8"},
		{name, " application/json ; charset=Utf-8 "},
		{name, "application/json", coding, "identity"},
		{name, "application/json", coding, "Identity"},
	} {
		if w := serve(server, request(http.MethodPost, "{}", headers...)); w.Code != http.StatusOK {
			t.Errorf("%q: %d %s", headers, w.Code, w.Body)
		}
	}
	const one, asJSON = "Send exactly one Content-Type header: application/json.", "Send the body as Content-Type: application/json."
	const notJSON = "Send the body as Content-Type: application/json, not "
	const notUTF8 = " is not supported. Send the body in UTF-8, with charset=utf-8 or without a charset."
	const without, plain = "Send Content-Type: application/json without the parameter foo.", " is not supported. Send the body without a Content-Encoding."
	for _, c := range []struct {
		headers []string
		detail  string
	}{
		{nil, one},
		{[]string{name, ""}, asJSON},
		{[]string{name, "json"}, notJSON + "json."},
		{[]string{name, "text/json"}, notJSON + "text/json."},
		{[]string{name, "text/plain; charset=utf-16"}, notJSON + "text/plain."},
		{[]string{name, "application/*"}, notJSON + "application/*."},
		{[]string{name, "application/problem+json"}, notJSON + "application/problem+json."},
		{[]string{name, "application/merge-patch+json"}, notJSON + "application/merge-patch+json."},
		{[]string{name, "application/x-www-form-urlencoded"}, notJSON + "application/x-www-form-urlencoded."},
		{[]string{name, "application/json; charset=UTF-16"}, "The charset UTF-16" + notUTF8},
		{[]string{name, "application/json; charset=utf8"}, "The charset utf8" + notUTF8},
		{[]string{name, "application/json; charset="}, asJSON},
		{[]string{name, "application/json; charset=utf-8; charset=utf-16"}, asJSON},
		{[]string{name, "application/json; charset=utf-8; foo=bar"}, without},
		{[]string{name, "application/json; foo=bar; x=y"}, without},
		{[]string{name, "application/json, application/json"}, asJSON},
		{[]string{name, "application/json", name, "application/json"}, one},
		{[]string{name, "application/json", name, "text/plain"}, one},
		{[]string{name, "application/json", coding, "gzip"}, "The Content-Encoding gzip" + plain},
		{[]string{name, "application/json", coding, "identity, gzip"}, "The Content-Encoding identity, gzip" + plain},
		{[]string{name, "application/json", coding, "identity", coding, "br"}, "The Content-Encoding br" + plain},
		{[]string{name, strings.Repeat("x", 200)}, notJSON + strings.Repeat("x", 99) + "…."},
	} {
		headers := c.headers
		for _, method := range []string{http.MethodPost, http.MethodPatch, http.MethodDelete} {
			w := serve(server, request(method, "{}", headers...))
			if p := wantProblem(t, w, http.StatusUnsupportedMediaType, codeUnsupportedMediaType); p.Detail != c.detail || p.Message != c.detail {
				t.Errorf("%q: %s, want %s", headers, p.Detail, c.detail)
			}
			if got := w.Header().Get("Accept-Encoding"); (got == "identity") != slices.Contains(headers, coding) {
				t.Errorf("%q: Accept-Encoding %q", headers, got)
			}
			wantPatch := map[bool]string{true: "application/json"}[method == http.MethodPatch]
			if h := w.Header(); h.Get("Accept") != "application/json" || h.Get("Accept-Patch") != wantPatch {
				t.Errorf("%s %q: %v", method, headers, h)
			}
		}
	}
}
