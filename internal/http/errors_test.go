package http_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"

	"orgd/internal/apikeys"
	"orgd/internal/dbtest"
	orgdhttp "orgd/internal/http"
	"orgd/internal/orgs"
	"orgd/internal/uuid"
)

// Fakes that fail as configured.
type fakeLister struct {
	orgdhttp.Organizations
	list func(context.Context) (orgs.Page, error)
}

func (f fakeLister) List(ctx context.Context, _ uuid.UUID, _ orgs.ListParams) (orgs.Page, error) {
	return f.list(ctx)
}

type fakeAuthenticator struct{ err error }

func (f fakeAuthenticator) Authenticate(context.Context, string) (apikeys.Principal, error) {
	return apikeys.Principal{}, f.err
}

func newAPIThatLists(t *testing.T, list func(context.Context) (orgs.Page, error)) *api {
	t.Helper()
	return newAPIWith(t, dbtest.New(t), func(cfg *orgdhttp.Config) { cfg.Orgs = fakeLister{list: list} })
}

var methods = []string{
	http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch,
	http.MethodDelete, http.MethodOptions, http.MethodTrace, "FOO",
}

func TestEveryMethodOfEveryPath(t *testing.T) {
	t.Parallel()
	a := newAPI(t)
	org := orgID(a.Org(t, a.account, orgs.Org{}).ID)
	served := map[string][]string{}
	for _, r := range a.server.Routes() {
		served[r.Path] = append(served[r.Path], r.Method)
		if r.Method == http.MethodGet {
			served[r.Path] = append(served[r.Path], http.MethodHead)
		}
	}
	for path, allowed := range served {
		key := a.do(t, http.MethodPost, "/v1/api-keys", managing).apiKey(t, 201).APIKeyID
		target := strings.NewReplacer(":orgId", org, ":apiKeyId", key).Replace(path)
		for _, method := range methods {
			want := http.StatusMethodNotAllowed
			switch {
			case method == http.MethodGet && slices.Contains(allowed, method), method == http.MethodHead && slices.Contains(allowed, method):
				want = http.StatusOK
			case (strings.HasSuffix(path, "activate") || strings.HasSuffix(path, "/revoke")) && method == http.MethodPost:
				want = http.StatusOK
			case strings.HasSuffix(path, "/rotate") && method == http.MethodPost:
				want = http.StatusCreated
			case slices.Contains(allowed, method):
				want = http.StatusBadRequest // the body is missing
			case method == http.MethodOptions:
				want = http.StatusNoContent
			case method == "FOO":
				want = http.StatusNotImplemented
			}
			got := a.call(t, method, target, "Authorization", "Bearer "+a.key)
			if got.status != want {
				t.Errorf("%s %s: %d, want %d", method, path, got.status, want)
			}
			if got.status != http.StatusMethodNotAllowed && got.status != http.StatusNoContent {
				continue
			}
			listed := strings.Split(got.header.Get("Allow"), ", ")
			for _, allowed := range append(allowed, http.MethodOptions) {
				if !slices.Contains(listed, allowed) {
					t.Errorf("%s %s: Allow %q lacks %s", method, path, listed, allowed)
				}
			}
		}
	}
}

// The text names everything that is wrong, up to a limit: some clients show nothing
// else of an answer.
func TestDetailNamesEveryWrongField(t *testing.T) {
	t.Parallel()
	a := newAPI(t)
	for body, want := range map[string]string{
		`{"orgName":7}`: "orgName: Must be a string.",
		`{"orgName":"","metadata":{"a":1},"isActive":true}`: "isActive: Unknown field. This call takes metadata and orgName. " +
			"metadata.a: Must be a string. orgName: Must not be empty or only white space.",
	} {
		t.Run(body, func(t *testing.T) {
			if p := a.do(t, http.MethodPost, "/v1/orgs", body).refused(t, 422, "invalid_field"); p.Detail != want {
				t.Errorf("%s: %s, want %s", body, p.Detail, want)
			}
		})
	}
	p := a.do(t, http.MethodPost, a.create(t, "Acme")+"/deactivate", `{"b":1,"a":1}`).refused(t, 422, "invalid_field")
	if want := "a: Unknown field. This call takes none. b: Unknown field. This call takes none."; p.Detail != want {
		t.Errorf("%s, want %s", p.Detail, want)
	}
	p = a.get(t, "/v1/orgs?limit=0&isActive=x").refused(t, 400, "invalid_parameter")
	if want := "isActive: Must be true or false. limit: Must be a whole number from 1 to 100."; p.Detail != want {
		t.Errorf("%s, want %s", p.Detail, want)
	}
	p = a.get(t, "/v1/orgs?x=0&limit=1&limit=2").refused(t, 400, "repeated_parameter")
	if want := "limit: Repeated parameter. Send it once. x: Unknown parameter. This call takes cursor, isActive, limit, orgName, userId and metadata[key]."; p.Detail != want {
		t.Errorf("%s, want %s", p.Detail, want)
	}

	many := make([]string, 150)
	for i := range many {
		many[i] = fmt.Sprintf(`"%03d%s":1`, i, strings.Repeat("é", 200))
	}
	p = a.do(t, http.MethodPost, "/v1/orgs", "{"+strings.Join(many, ",")+"}").refused(t, 422, "invalid_field")
	if len(p.Errors) != 100 || len(p.Detail) > 1100 || !strings.HasSuffix(p.Detail, " And 148 more.") {
		t.Errorf("%d errors, %d bytes: %s", len(p.Errors), len(p.Detail), p.Detail)
	}
}

func TestUnknownPaths(t *testing.T) {
	t.Parallel()
	a := newAPI(t)
	for _, path := range []string{"/", "/v1", "/v1/", "/v1/orgs/org_00000000000000000000000000000000/members", "/V1/orgs", "/v1//orgs", "/v2/orgs", "/v1/orgs%2f", "/metrics", "/debug/pprof/"} {
		t.Run(path, func(t *testing.T) {
			a.get(t, path).refused(t, http.StatusNotFound, "not_found")
			// A client without a key learns no more.
			a.call(t, http.MethodGet, path).refused(t, http.StatusNotFound, "not_found")
		})
	}
	a.get(t, "/v1/orgs/").refused(t, http.StatusNotFound, "not_found")
}

func TestRequestIDs(t *testing.T) {
	t.Parallel()
	a := newAPI(t)
	for _, good := range []string{"a", "A-z_09", strings.Repeat("x", 64)} {
		if got := a.call(t, http.MethodGet, "/livez", "X-Request-Id", good).header.Get("X-Request-Id"); got != good {
			t.Errorf("the id %q came back as %q", good, got)
		}
	}
	for _, bad := range []string{"", strings.Repeat("x", 65), "a b", "a,b", "é", `"`} {
		if got := a.call(t, http.MethodGet, "/livez", "X-Request-Id", bad).header.Get("X-Request-Id"); got == bad || len(got) != 32 {
			t.Errorf("the id %q came back as %q", bad, got)
		}
	}
}

func TestPanicIsAProblem(t *testing.T) {
	t.Parallel()
	a := newAPIThatLists(t, func(context.Context) (orgs.Page, error) { panic("a secret of the program") })
	got := a.get(t, "/v1/orgs")
	got.refused(t, http.StatusInternalServerError, "internal")
	if bytes.Contains(got.body, []byte("secret")) {
		t.Errorf("the panic is in the answer: %s", got.body)
	}
	if log := a.log.String(); !strings.Contains(log, "a secret of the program") || !strings.Contains(log, "errors_test.go") {
		t.Errorf("the panic and its stack are not in the log: %s", log)
	}
	// The server keeps working.
	if got := a.call(t, http.MethodGet, "/livez"); got.status != http.StatusOK {
		t.Errorf("after a panic: %d", got.status)
	}
}

func TestDomainErrors(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		err    error
		status int
		code   string
	}{
		{fmt.Errorf("list: %w", orgs.ErrInvalidCursor), 400, "invalid_cursor"},
		{fmt.Errorf("list: %w: dial 127.0.0.1", orgs.ErrUnavailable), 503, "unavailable"},
		{fmt.Errorf("list: %w", context.DeadlineExceeded), 503, "unavailable"},
		{errors.New("SQLSTATE 42P01"), 500, "internal"},
	} {
		t.Run(c.err.Error(), func(t *testing.T) {
			a := newAPIThatLists(t, func(context.Context) (orgs.Page, error) { return orgs.Page{}, c.err })
			a.get(t, "/v1/orgs").refused(t, c.status, c.code)
			if !strings.Contains(a.log.String(), c.err.Error()) {
				t.Errorf("the cause %q is not in the log: %s", c.err, a.log.String())
			}
		})
	}
}

// A key that cannot be looked up may be valid: 503, never 401.
func TestUnavailableKeyStore(t *testing.T) {
	t.Parallel()
	a := newAPIWith(t, dbtest.New(t), func(cfg *orgdhttp.Config) {
		cfg.Auth = fakeAuthenticator{fmt.Errorf("authenticate: %w", apikeys.ErrUnavailable)}
	})
	got := a.get(t, "/v1/orgs")
	got.refused(t, http.StatusServiceUnavailable, "unavailable")
	if h := got.header.Get("WWW-Authenticate"); h != "" {
		t.Errorf("WWW-Authenticate %q", h)
	}
}

func TestLargeBodyIsRejected(t *testing.T) {
	t.Parallel()
	a := newAPI(t)
	request := a.request(t, http.MethodGet, "/v1/orgs", bytes.NewReader(make([]byte, 1<<20+1)), "Authorization", "Bearer "+a.key)
	a.send(t, request).refused(t, http.StatusRequestEntityTooLarge, "body_too_large")
	request = a.request(t, http.MethodGet, "/v1/orgs", bytes.NewReader(make([]byte, 1<<20)), "Authorization", "Bearer "+a.key)
	if got := a.send(t, request); got.status != http.StatusOK {
		t.Errorf("a body of 1 MiB: %d", got.status)
	}
}

func TestClientDisconnectIsNotAnError(t *testing.T) {
	t.Parallel()
	entered, left := make(chan struct{}), make(chan struct{})
	a := newAPIThatLists(t, func(ctx context.Context) (orgs.Page, error) {
		close(entered)
		<-ctx.Done()
		defer close(left)
		return orgs.Page{}, ctx.Err()
	})
	ctx, cancel := context.WithCancel(context.Background())
	request := a.request(t, http.MethodGet, "/v1/orgs", nil, "Authorization", "Bearer "+a.key).WithContext(ctx)
	go func() { <-entered; cancel() }()
	response, err := http.DefaultTransport.RoundTrip(request)
	if err == nil {
		_, err = io.Copy(io.Discard, response.Body)
		response.Body.Close()
	}
	if !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	<-left
	a.awaitLog(t, `"status":499`)
	if log := a.log.String(); strings.Contains(log, `"level":"ERROR"`) {
		t.Errorf("a client that left is logged as an error: %s", log)
	}
}

func TestReadiness(t *testing.T) {
	t.Parallel()
	a := newAPIWith(t, dbtest.New(t), func(cfg *orgdhttp.Config) {
		cfg.Ready = func(context.Context) error { return errors.New("dial 127.0.0.1: refused") }
	})
	a.call(t, http.MethodGet, "/readyz").refused(t, http.StatusServiceUnavailable, "unavailable")
	if got := a.call(t, http.MethodGet, "/livez"); got.status != http.StatusOK {
		t.Errorf("livez: %d", got.status)
	}
	b := newAPI(t)
	if got := b.call(t, http.MethodGet, "/readyz"); string(got.body) != `{"status":"ok"}` {
		t.Errorf("readyz: %d %s", got.status, got.body)
	}
}

// Each request writes one log line with the fields that operators need.
func TestAccessLog(t *testing.T) {
	t.Parallel()
	a := newAPI(t)
	a.call(t, http.MethodGet, "/v1/orgs?limit=0", "Authorization", "Bearer "+a.key, "X-Request-Id", "mine", "X-Stainless-Retry-Count", "2")
	a.awaitLog(t, "mine")
	lines := strings.Split(strings.TrimSpace(a.log.String()), "\n")
	if len(lines) != 1 {
		t.Fatalf("%d lines: %s", len(lines), a.log.String())
	}
	for _, want := range []string{
		`"requestId":"mine"`, `"method":"GET"`, `"route":"/v1/orgs"`, `"path":"/v1/orgs"`, `"status":400`,
		`"accountId":"` + a.account.String() + `"`, `"retryCount":2`, `"error":"invalid_parameter: limit`,
	} {
		if !strings.Contains(lines[0], want) {
			t.Errorf("%s is not in %s", want, lines[0])
		}
	}
}

// A client that waits for 100 Continue gets an answer without sending its body.
func TestWithheldBodyIsNotAwaited(t *testing.T) {
	t.Parallel()
	a := newAPI(t)
	head := a.raw(t, "GET /livez HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n")
	if !strings.HasPrefix(head, "HTTP/1.1 200") || !strings.Contains(head, "Connection: close") {
		t.Errorf("answered: %s", head)
	}
}

// raw sends bytes and returns the head of the answer.
func (a *api) raw(t *testing.T, request string) string {
	t.Helper()
	conn, err := net.Dial("tcp", strings.TrimPrefix(a.url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := io.WriteString(conn, request); err != nil {
		t.Fatal(err)
	}
	var head strings.Builder
	for reader := bufio.NewReader(conn); ; {
		line, err := reader.ReadString('\n')
		if head.WriteString(line); line == "\r\n" || err != nil {
			return head.String()
		}
	}
}

// Faults of the service are errors in its log; probes that succeed are noise.
func TestLogLevels(t *testing.T) {
	t.Parallel()
	a := newAPIThatLists(t, func(context.Context) (orgs.Page, error) { return orgs.Page{}, errors.New("broken") })
	for path, level := range map[string]string{"/v1/orgs": "ERROR", "/livez": "DEBUG", "/v1/orgs?limit=0": "INFO", "/nothing": "INFO"} {
		id := rand.Text()
		a.call(t, http.MethodGet, path, "Authorization", "Bearer "+a.key, "X-Request-Id", id)
		a.awaitLog(t, id)
		for line := range strings.Lines(a.log.String()) {
			if strings.Contains(line, id) && !strings.Contains(line, `"level":"`+level+`"`) {
				t.Errorf("%s is logged as %s", path, line)
			}
		}
	}
}
