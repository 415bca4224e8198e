package http

import (
	"bufio"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/labstack/echo/v4"
)

// newBodyServer serves a handler behind the production middleware, to test each rule for
// bodies separately. Other tests check the real handlers over HTTP.
func newBodyServer(t testing.TB, handler echo.HandlerFunc) *echo.Echo {
	t.Helper()
	s := New(Config{
		Logger:   slog.New(slog.DiscardHandler),
		Observer: Unobserved{},
	})
	for _, method := range []string{http.MethodPost, http.MethodPatch, http.MethodDelete} {
		s.echo.Add(method, "/body", handler, asNobody, s.charge, s.receive(orgAnswer, bodyCopies))
	}
	return s.echo
}

// asNobody replaces authentication: it sets an empty caller.
func asNobody(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		c.Set(callerKey, caller{})
		return next(c)
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

// withDeadlines is a response writer that accepts read deadlines, like that of a
// connection.
type withDeadlines struct{ http.ResponseWriter }

func (withDeadlines) SetReadDeadline(time.Time) error { return nil }

// wantProblem checks that the answer is a problem with this status and code, and that it
// contains no texts of Go's packages.
func wantProblem(t testing.TB, w *httptest.ResponseRecorder, status int, c code) problemDocument {
	t.Helper()
	var p problemDocument
	if err := json.Unmarshal(w.Body.Bytes(), &p); err != nil {
		t.Fatalf("%v in %d %s", err, w.Code, w.Body)
	}
	if w.Code != status || p.Status != status || p.Code != c || p.Detail == "" {
		t.Errorf("the answer is %d %s, want %d %s", w.Code, w.Body, status, c)
	}
	for _, leak := range []string{"json:", "map[", "RawMessage", "unmarshal", "invalid character", "mime:", "http:", "EOF"} {
		if strings.Contains(w.Body.String(), leak) {
			t.Errorf("%q leaks into %s", leak, w.Body)
		}
	}
	return p
}

func unknownLength(r *http.Request) *http.Request {
	r.ContentLength = -1
	return r
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

// If a body is truncated, the error is the client's (400), not the server's (500).
func TestTruncatedBody(t *testing.T) {
	t.Parallel()
	r := jsonRequest("{}")
	r.Body = io.NopCloser(brokenReader{errors.New("read tcp 10.0.0.1: connection reset")})
	w := serve(newBodyServer(t, echoObject(true)), r)
	wantProblem(t, w, http.StatusBadRequest, codeInvalidBody)
	if strings.Contains(w.Body.String(), "10.0.0.1") {
		t.Errorf("the cause leaks into %s", w.Body)
	}
}

// If the headers of a request are wrong, it is rejected before the server asks for the
// body.
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
			t.Errorf("%q: the answer is %q, want %s", headers, got, want)
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
