package http_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/getkin/kin-openapi/openapi3filter"

	"orgd"
	"orgd/internal/apikeys"
	"orgd/internal/dbtest"
	"orgd/internal/events"
	orgdhttp "orgd/internal/http"
	"orgd/internal/orgs"
	"orgd/internal/uuid"
	"orgd/internal/webhooks"
)

func TestMain(m *testing.M) {
	// openapi.yaml describes an export only as text.
	openapi3filter.RegisterBodyDecoder("application/x-ndjson", openapi3filter.PlainBodyDecoder)
	dbtest.Main(m)
}

const publicURL = "https://orgs.example.com"

// api is a server with its own database, one account and a key of that account.
type api struct {
	*dbtest.DB
	server  *orgdhttp.Server
	orgs    *orgs.Repository
	hub     *events.Hub
	hooks   *webhooks.Repository
	url     string
	account uuid.UUID
	key     string
	log     *logBuffer
	shapes  *shapes // if not nil, only exchanges of a new shape are checked against openapi.yaml
}

func newAPI(t testing.TB) *api {
	t.Helper()
	d := dbtest.New(t)
	return newAPIWith(t, d, func(*orgdhttp.Config) {})
}

// newAPIWith is newAPI with a changed server configuration.
func newAPIWith(t testing.TB, d *dbtest.DB, change func(*orgdhttp.Config)) *api {
	t.Helper()
	a := &api{DB: d, account: d.Account(t), log: &logBuffer{}}
	a.key = d.Key(t, a.account)
	a.orgs, a.hub = orgs.NewRepository(d.Conns), events.NewHub(d.Conns)
	keys := apikeys.NewRepository(d.Conns)
	a.hooks = webhooks.NewRepository(d.Conns, events.NewRepository(d.Conns), webhooks.NewSender(webhooks.SenderConfig{Targets: webhooks.Targets{PlainLoopback: true}}))
	a.hooks.OnChange(a.hub.Changed)
	a.orgs.OnChange(a.hub.Changed)
	keys.OnChange(a.hub.Changed)
	cfg := orgdhttp.Config{
		Orgs:        a.orgs,
		Keys:        keys,
		Events:      events.NewRepository(d.Conns),
		Hub:         a.hub,
		Webhooks:    a.hooks,
		Auth:        apikeys.NewVerifier(apikeys.NewRepository(d.Conns), 0, nil),
		Ready:       d.Pool.Ping,
		PublicURL:   publicURL,
		Logger:      slog.New(slog.NewJSONHandler(a.log, &slog.HandlerOptions{Level: slog.LevelDebug})),
		Observer:    orgdhttp.Unobserved{},
		OpenAPIYAML: orgd.OpenAPIYAML,
		OpenAPIJSON: orgd.OpenAPIJSON,
	}
	change(&cfg)
	a.server = orgdhttp.New(cfg)
	listener := httptest.NewServer(a.server.Handler())
	t.Cleanup(listener.Close)
	a.url = listener.URL
	return a
}

// logBuffer is the server's log: one JSON object per line.
type logBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

func (l *logBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

// answer is the response to a call.
type answer struct {
	status int
	header http.Header
	body   []byte
}

// get sends a GET with the account's key.
func (a *api) get(t testing.TB, target string, headers ...string) answer {
	t.Helper()
	return a.call(t, http.MethodGet, target, append([]string{"Authorization", "Bearer " + a.key}, headers...)...)
}

// call sends a request and checks the answer against openapi.yaml. headers are pairs of a
// name and a value.
func (a *api) call(t testing.TB, method, target string, headers ...string) answer {
	t.Helper()
	return a.send(t, a.request(t, method, target, nil, headers...))
}

func (a *api) request(t testing.TB, method, target string, body io.Reader, headers ...string) *http.Request {
	t.Helper()
	request, err := http.NewRequestWithContext(context.Background(), method, a.url+target, body)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(headers); i += 2 {
		request.Header.Add(headers[i], headers[i+1])
	}
	return request
}

func (a *api) send(t testing.TB, request *http.Request) answer {
	t.Helper()
	response, err := http.DefaultTransport.RoundTrip(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	got := answer{status: response.StatusCode, header: response.Header, body: body}
	if a.shapes == nil || a.shapes.isNew(request, got) {
		// The transport may still be reading the request body when the answer arrives, so
		// check a copy.
		sent := *request
		if request.GetBody != nil {
			if sent.Body, err = request.GetBody(); err != nil {
				t.Fatal(err)
			}
		}
		checkExchange(t, &sent, got)
	}
	return got
}

// problem is the body of an error response.
type problem struct {
	Type, Title, Detail, Code, Message string
	RequestID                          string `json:"requestId"`
	OrgID                              string `json:"orgId"`
	Status                             int
	Errors                             []fieldProblem
}

// fieldProblem is an element of errors.
type fieldProblem struct {
	Field, Code, Detail string
	OrgID               string `json:"orgId"`
}

func (g answer) problem(t testing.TB) problem {
	t.Helper()
	var p problem
	g.decode(t, &p)
	return p
}

// page is the body of a list.
type page struct {
	HasMore              bool
	Cursor               string
	Organizations, Users []map[string]any
}

func (g answer) page(t testing.TB) page {
	t.Helper()
	if g.status != http.StatusOK {
		t.Fatalf("status %d: %s", g.status, g.body)
	}
	var p page
	g.decode(t, &p)
	return p
}

// read checks the status of an answer and decodes the body.
func read[T any](t testing.TB, g answer, status int) (object T) {
	t.Helper()
	if g.status != status {
		t.Fatalf("status %d, want %d: %s", g.status, status, g.body)
	}
	g.decode(t, &object)
	return object
}

var linkForm = regexp.MustCompile(`^<([^<>]*)>; rel="([a-z]+)"$`)

// linked returns the query of a link in the header Link, or nil if there is none.
func (g answer) linked(t testing.TB, rel string) url.Values {
	t.Helper()
	for link := range strings.SplitSeq(g.header.Get("Link"), ", <") {
		if link == "" {
			continue
		}
		parts := linkForm.FindStringSubmatch("<" + strings.TrimPrefix(link, "<"))
		if parts == nil {
			t.Fatalf("Link %q", g.header.Get("Link"))
		}
		target, err := url.Parse(parts[1])
		if err != nil {
			t.Fatal(err)
		}
		if parts[2] == rel {
			return target.Query()
		}
	}
	return nil
}

func (g answer) decode(t testing.TB, v any) {
	t.Helper()
	if err := json.Unmarshal(g.body, v); err != nil {
		t.Fatalf("%v in %s", err, g.body)
	}
}

// rejected checks that the answer is a problem with this status and code.
func (g answer) rejected(t testing.TB, status int, code string) problem {
	t.Helper()
	if g.status != status {
		t.Fatalf("status %d, want %d %s: %s", g.status, status, code, g.body)
	}
	p := g.problem(t)
	if p.Code != code {
		t.Errorf("code %s, want %s: %s", p.Code, code, g.body)
	}
	return p
}

func joined(values []string) string { return strings.Join(values, ", ") }

// awaitLog waits until the log contains the text, because a request is logged after its
// answer is sent.
func (a *api) awaitLog(t testing.TB, text string) {
	t.Helper()
	await(t, func() bool { return strings.Contains(a.log.String(), text) }, func() string {
		return text + " is not in the log: " + a.log.String()
	})
}

// await polls until the condition is met. It fails with the complaint after a time that is
// long enough even on a busy machine.
func await(t testing.TB, met func() bool, complaint func() string) {
	t.Helper()
	for deadline := time.Now().Add(2 * time.Minute); !met(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal(complaint())
		}
	}
}

// raw sends a request as bytes and returns the status line and the headers of the answer.
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

// fakeLister replaces List with a function.
type fakeLister struct {
	orgdhttp.Organizations
	list func(context.Context) (orgs.Page, error)
}

func (f fakeLister) List(ctx context.Context, _ uuid.UUID, _ orgs.ListParams) (orgs.Page, error) {
	return f.list(ctx)
}

func newAPIThatLists(t *testing.T, list func(context.Context) (orgs.Page, error)) *api {
	t.Helper()
	return newAPIWith(t, dbtest.New(t), func(cfg *orgdhttp.Config) { cfg.Orgs = fakeLister{list: list} })
}

// do sends a request with the account's key, the headers, and a body unless it is empty.
func (a *api) do(t testing.TB, method, target, body string, headers ...string) answer {
	t.Helper()
	headers = append([]string{"Authorization", "Bearer " + a.key}, headers...)
	return a.doAs(t, method, target, body, headers...)
}

func (a *api) doAs(t testing.TB, method, target, body string, headers ...string) answer {
	t.Helper()
	if body == "" {
		return a.send(t, a.request(t, method, target, nil, headers...))
	}
	headers = append(headers, "Content-Type", "application/json")
	return a.send(t, a.request(t, method, target, strings.NewReader(body), headers...))
}

// organization is an organization object in an answer.
type organization struct {
	CreatedAt         string            `json:"createdAt"`
	IsActive          bool              `json:"isActive"`
	OrgID             string            `json:"orgId"`
	OrgName           string            `json:"orgName"`
	UpdatedAt         string            `json:"updatedAt"`
	UserCount         int               `json:"userCount"`
	CreatedByAPIKeyID string            `json:"createdByApiKeyId"`
	CreatedByUserID   string            `json:"createdByUserId"`
	Metadata          map[string]string `json:"metadata"`
	ExternalID        string            `json:"externalId"`
	Revision          int               `json:"revision"`
	Membership        *membership       `json:"membership"`
}

// membership is the membership object of an organization in a list. It belongs to the
// user that the query names.
type membership struct {
	Roles   []string `json:"roles"`
	AddedAt string   `json:"addedAt"`
}

// organization checks the status of an answer and decodes the organization in it.
func (g answer) organization(t testing.TB, status int) organization {
	t.Helper()
	return read[organization](t, g, status)
}

// create creates an organization over HTTP and returns its path.
func (a *api) create(t testing.TB, name string) string {
	t.Helper()
	body, err := json.Marshal(map[string]string{"orgName": name})
	if err != nil {
		t.Fatal(err)
	}
	return "/v1/orgs/" + a.do(t, http.MethodPost, "/v1/orgs", string(body)).organization(t, http.StatusCreated).OrgID
}

// ok checks that the answer is the success object.
func (g answer) ok(t testing.TB) {
	t.Helper()
	if g.status != http.StatusOK || string(g.body) != `{"success":true}` {
		t.Fatalf("%d %s", g.status, g.body)
	}
}

const (
	userOne = "auth0|0197f3a1"
	userTwo = "user_2NNEqL2nrIRdJ194ndJqAHwEfxC"
)

func member(user string) string { return `{"userId":"` + user + `"}` }

func orgID(id uuid.UUID) string { return "org_" + strings.ReplaceAll(id.String(), "-", "") }
