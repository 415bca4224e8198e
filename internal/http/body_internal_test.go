package http

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/labstack/echo/v4"
)

// The handlers that read bodies are tested over HTTP. Here each rule is tested alone,
// behind the production middleware.
func newBodyServer(t testing.TB, handler echo.HandlerFunc) *echo.Echo {
	t.Helper()
	s := New(Config{
		Logger:   slog.New(slog.DiscardHandler),
		Observer: Unobserved{},
	})
	for _, method := range []string{http.MethodPost, http.MethodPatch, http.MethodDelete} {
		s.echo.Add(method, "/body", handler, asNobody, s.charge, s.receive(orgAnswer))
	}
	return s.echo
}

// asNobody replaces authentication.
func asNobody(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		c.Set(callerKey, caller{})
		return next(c)
	}
}

// echoObject answers with what was read.
func echoObject(required bool) echo.HandlerFunc {
	return func(c echo.Context) error {
		o, err := readObject(c, required)
		if err != nil {
			return err
		}
		body, err := json.Marshal(o)
		if err != nil {
			return err
		}
		return writeJSON(c, http.StatusOK, body)
	}
}

func request(method, body string, headers ...string) *http.Request {
	r := httptest.NewRequest(method, "/body", strings.NewReader(body))
	for i := 0; i < len(headers); i += 2 {
		r.Header.Add(headers[i], headers[i+1])
	}
	return r
}

func jsonRequest(body string) *http.Request {
	return request(http.MethodPost, body, "Content-Type", "application/json")
}

func serve(h http.Handler, r *http.Request) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	h.ServeHTTP(withDeadlines{w}, r)
	return w
}

// withDeadlines replaces a connection, whose deadlines can be set.
type withDeadlines struct{ http.ResponseWriter }

func (withDeadlines) SetReadDeadline(time.Time) error { return nil }

// wantProblem wants a problem of this status and code, without Go types or messages.
func wantProblem(t testing.TB, w *httptest.ResponseRecorder, status int, c code) problemDocument {
	t.Helper()
	var p problemDocument
	if err := json.Unmarshal(w.Body.Bytes(), &p); err != nil {
		t.Fatalf("%v in %d %s", err, w.Code, w.Body)
	}
	if w.Code != status || p.Status != status || p.Code != c || p.Detail == "" {
		t.Errorf("answered %d %s, want %d %s", w.Code, w.Body, status, c)
	}
	for _, leak := range []string{"json:", "map[", "RawMessage", "unmarshal", "invalid character", "mime:", "http:", "EOF"} {
		if strings.Contains(w.Body.String(), leak) {
			t.Errorf("%q leaks in %s", leak, w.Body)
		}
	}
	return p
}

func manyNames(n int) string {
	names := make([]string, n)
	for i := range names {
		names[i] = fmt.Sprintf(`"%d":0`, i)
	}
	return "{" + strings.Join(names, ",") + "}"
}

func nested(depth int) string {
	return `{"a":` + strings.Repeat("[", depth-1) + strings.Repeat("]", depth-1) + "}"
}

func TestValidBodies(t *testing.T) {
	t.Parallel()
	server := newBodyServer(t, echoObject(true))
	for body, want := range map[string]string{
		"{}":                               "{}",
		" \t\r\n{ \"a\" : 1 } \r\n":        `{"a":1}`,
		`{"a":1,"A":2}`:                    `{"A":2,"a":1}`,
		`{"a":{"b":1},"c":{"b":1}}`:        `{"a":{"b":1},"c":{"b":1}}`,
		`{"a":["x","x",{"a":{}}]}`:         `{"a":["x","x",{"a":{}}]}`,
		`{"":1}`:                           `{"":1}`,
		`{"a":1e999,"b":-0,"c":null}`:      `{"a":1e999,"b":-0,"c":null}`,
		`{"a":"\ud83d\ude00"}`:             `{"a":"\ud83d\ude00"}`,
		`{"a":"\uD83D\uDE00\uD83D\uDE00"}`: `{"a":"\uD83D\uDE00\uD83D\uDE00"}`,
		`{"a":"\\ud800"}`:                  `{"a":"\\ud800"}`,
		`{"a":"\\\ud83d\ude00"}`:           `{"a":"\\\ud83d\ude00"}`,
		`{"a":"\ufffd�"}`:                  `{"a":"\ufffd�"}`,
		`{"a":"\u0000"}`:                   `{"a":"\u0000"}`,
		nested(16):                         nested(16),
	} {
		w := serve(server, jsonRequest(body))
		if w.Code != http.StatusOK || w.Body.String() != want {
			t.Errorf("%s: %d %s, want %s", body, w.Code, w.Body, want)
		}
	}
}

func TestInvalidBodies(t *testing.T) {
	t.Parallel()
	server := newBodyServer(t, echoObject(true))
	for _, body := range []string{
		"", " ", "null", "[]", `[{"a":1}]`, "1", `"a"`, "true",
		"{", `{"a"}`, `{"a":1,}`, `{,}`, `{a:1}`, `{'a':1}`, `{"a":01}`, `{"a":NaN}`, `{"a":tru}`, "{\"a\":\"\n\"}", `{"a":"\x"}`, `{"a":"\u12g4"}`, `{"a":"\u12`,
		`{"a":1}{"b":2}`, `{} {}`, `{}]`, `{}x`, "{}\x00", "\x00{}", `{/**/}`, `{}//`,
		"\ufeff{}", "{}\ufeff", "\xff\xfe{\x00}\x00",
		"{\"a\":\"\xff\"}", "{\"\xc0\x80\":1}", "{\"a\":\"\xed\xa0\x80\"}",
		`{"a":"\ud800"}`, `{"a":"\udc00"}`, `{"a":"\ud83dx\ude00"}`, `{"a":"\ude00\ud83d"}`, `{"a":"\ud83d\ud83d"}`, `{"a":"\ud83d\n"}`,
		`{"a":"\ud83d\u0041"}`, `{"a":"\uD83D\uDE00\uDBFF"}`, `{"\ud800":1}`, `{"a":"\\\ud800"}`, `{"a":[{"b":"\ud800"}]}`,
		`{"a":1,"a":1}`, `{"a":1,"\u0061":2}`, `{"a":{"b":1,"b":2}}`, `{"a":[{"b":1,"c":{},"b":2}]}`, `{"":1,"":2}`, `{"a":1,"b":{"a":1},"a":2}`,
		manyNames(1001), `{"a":` + manyNames(1001) + `}`,
		nested(17), `{"a":` + nested(16) + `}`, strings.Repeat(`{"a":`, 20_000) + "1" + strings.Repeat("}", 20_000), strings.Repeat("[", 200_000),
	} {
		t.Run(fmt.Sprintf("%.60q", body), func(t *testing.T) {
			wantProblem(t, serve(server, jsonRequest(body)), http.StatusBadRequest, codeInvalidBody)
		})
	}
}

func TestLongDuplicateNameIsCut(t *testing.T) {
	t.Parallel()
	name := strings.Repeat("é", 1000)
	w := serve(newBodyServer(t, echoObject(true)), jsonRequest(`{"`+name+`":1,"`+name+`":2}`))
	p := wantProblem(t, w, http.StatusBadRequest, codeInvalidBody)
	if !strings.Contains(p.Detail, strings.Repeat("é", 99)+"…") || len(p.Detail) > 300 {
		t.Errorf("detail %q", p.Detail)
	}
}

func TestOptionalBody(t *testing.T) {
	t.Parallel()
	server := newBodyServer(t, echoObject(false))
	for name, r := range map[string]*http.Request{
		"none":                    request(http.MethodPost, ""),
		"none, of another type":   request(http.MethodPost, "", "Content-Type", "text/plain"),
		"none, of unknown length": unknownLength(jsonRequest("")),
	} {
		if w := serve(server, r); w.Code != http.StatusOK || w.Body.String() != "null" {
			t.Errorf("%s: %d %s", name, w.Code, w.Body)
		}
	}
	if w := serve(server, jsonRequest("{}")); w.Body.String() != "{}" {
		t.Errorf("{}: %d %s", w.Code, w.Body)
	}
	wantProblem(t, serve(server, jsonRequest("null")), http.StatusBadRequest, codeInvalidBody)
	wantProblem(t, serve(server, request(http.MethodPost, "{}")), http.StatusUnsupportedMediaType, codeUnsupportedMediaType)
	wantProblem(t, serve(newBodyServer(t, echoObject(true)), unknownLength(jsonRequest(""))), http.StatusBadRequest, codeInvalidBody)
}

func unknownLength(r *http.Request) *http.Request {
	r.ContentLength = -1
	return r
}

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

func TestBodySize(t *testing.T) {
	t.Parallel()
	server := newBodyServer(t, echoObject(true))
	largest := "{}" + strings.Repeat(" ", maxBodyBytes-2)
	for _, lengthen := range []func(*http.Request) *http.Request{
		func(r *http.Request) *http.Request { return r },
		unknownLength,
	} {
		if w := serve(server, lengthen(jsonRequest(largest))); w.Code != http.StatusOK {
			t.Errorf("1 MiB: %d %s", w.Code, w.Body)
		}
		wantProblem(t, serve(server, lengthen(jsonRequest(largest+" "))), http.StatusRequestEntityTooLarge, codeBodyTooLarge)
	}
}

type brokenReader struct{ err error }

func (b brokenReader) Read([]byte) (int, error) { return 0, b.err }

// A truncated body is the client's fault, not an internal error.
func TestTruncatedBody(t *testing.T) {
	t.Parallel()
	r := jsonRequest("{}")
	r.Body = io.NopCloser(brokenReader{errors.New("read tcp 10.0.0.1: connection reset")})
	w := serve(newBodyServer(t, echoObject(true)), r)
	wantProblem(t, w, http.StatusBadRequest, codeInvalidBody)
	if strings.Contains(w.Body.String(), "10.0.0.1") {
		t.Errorf("the cause leaks in %s", w.Body)
	}
}

// A client that withholds its body is rejected by its headers, without asking for the
// body first.
func TestHeadersAreCheckedBeforeTheBody(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(newBodyServer(t, echoObject(true)))
	t.Cleanup(server.Close)
	for headers, want := range map[string]string{
		"Content-Type: text/plain\r\nContent-Length: 2\r\n":                                 "HTTP/1.1 415",
		"Content-Type: text/plain\r\nTransfer-Encoding: chunked\r\n":                        "HTTP/1.1 415",
		"Content-Type: application/json\r\nContent-Encoding: gzip\r\nContent-Length: 2\r\n": "HTTP/1.1 415",
		"Content-Type: application/json\r\nContent-Length: 1048577\r\n":                     "HTTP/1.1 413",
		"Content-Type: application/json\r\nContent-Length: 2\r\n":                           "HTTP/1.1 100",
	} {
		if got := firstLine(t, server.Listener.Addr(), "POST /body HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\n"+headers+"\r\n"); !strings.HasPrefix(got, want) {
			t.Errorf("%q: answered %q, want %s", headers, got, want)
		}
	}
}

func firstLine(t *testing.T, addr net.Addr, request string) string {
	t.Helper()
	conn, err := net.Dial(addr.Network(), addr.String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(conn, request); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(conn).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	return line
}

// The result equals that of encoding/json, survives encoding and decoding, and has no
// character that the client did not send.
func FuzzReadObject(f *testing.F) {
	for _, body := range []string{
		"{}", ` {"a" : 1} `, `{"a":{"b":[1,"x",null,true,1e999]}}`, `{"a":1,"\u0061":2}`, `{"a":"\ud83d\ude00\\ud800\n"}`, `{"a":"\ud800"}`,
		"{\"\xff\":1}", `{"�":"\uFFFD"}`, `{"a":1}{}`, "\ufeff{}", "null", nested(16), nested(17), `{"<>&":"` + "\u2028" + `"}`,
	} {
		f.Add([]byte(body))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		first, err := readBytes(body)
		if err != nil {
			if c := asAPIError(err).code; c != codeInvalidBody {
				t.Fatalf("rejected as %s: %v", c, err)
			}
			return
		}
		if len(body) == 0 {
			if first != nil {
				t.Fatalf("read %v out of nothing", first)
			}
			return
		}
		content := decodeAny(t, body)
		if sent, got := replacementsIn(body), countReplacements(content); got > sent {
			t.Errorf("U+FFFD was sent %d times and read %d times", sent, got)
		}
		again, err := json.Marshal(first)
		if err != nil {
			t.Fatal(err)
		}
		second, err := readBytes(again)
		if err != nil {
			t.Fatalf("%s was read, but not %s: %v", body, again, err)
		}
		if len(first) != len(second) || !reflect.DeepEqual(content, decodeAny(t, again)) {
			t.Errorf("%s became %s", body, again)
		}
	})
}

func readBytes(body []byte) (object, error) {
	c := echo.New().NewContext(httptest.NewRequest(http.MethodPost, "/", nil), httptest.NewRecorder())
	c.Set(receivedKey, received{body: body})
	return readObject(c, false)
}

func decodeAny(t *testing.T, body []byte) map[string]any {
	t.Helper()
	decoder := json.NewDecoder(bytes.NewReader(body))
	decoder.UseNumber() // 1e999 is a number in JSON
	var content map[string]any
	if err := decoder.Decode(&content); err != nil {
		t.Fatalf("encoding/json does not read %s: %v", body, err)
	}
	return content
}

// replacementsIn is an upper bound for how often a body contains U+FFFD, plain or
// escaped.
func replacementsIn(body []byte) int {
	return bytes.Count(body, []byte("\uFFFD")) + bytes.Count(bytes.ToLower(body), []byte(`\ufffd`))
}

func countReplacements(v any) int {
	n := 0
	switch v := v.(type) {
	case string:
		n = strings.Count(v, "\uFFFD")
	case []any:
		for _, element := range v {
			n += countReplacements(element)
		}
	case map[string]any:
		for name, value := range v {
			n += strings.Count(name, "\uFFFD") + countReplacements(value)
		}
	}
	return n
}
