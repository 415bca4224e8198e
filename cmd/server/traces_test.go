package main

import (
	"bufio"
	"bytes"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	otlp "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"

	"orgd/internal/dbtest"
)

// spanCollector receives traces over OTLP/HTTP.
type spanCollector struct {
	url string

	mu    sync.Mutex
	raw   bytes.Buffer
	spans []*otlp.Span
}

func newSpanCollector(t *testing.T) *spanCollector {
	t.Helper()
	c := &spanCollector{}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		var export collector.ExportTraceServiceRequest
		if err == nil {
			err = proto.Unmarshal(body, &export)
		}
		if err != nil || r.URL.Path != "/v1/traces" {
			t.Errorf("%s: %v", r.URL.Path, err)
		}
		c.mu.Lock()
		defer c.mu.Unlock()
		c.raw.Write(body)
		for _, resource := range export.ResourceSpans {
			for _, scope := range resource.ScopeSpans {
				c.spans = append(c.spans, scope.Spans...)
			}
		}
		w.Header().Set("Content-Type", "application/x-protobuf")
	}))
	t.Cleanup(server.Close)
	c.url = server.URL
	return c
}

func (c *spanCollector) named(name string) (found []*otlp.Span) {
	for _, s := range c.spans {
		if s.Name == name {
			found = append(found, s)
		}
	}
	return found
}

// traced sends a request and returns the status. The request is part of a trace unless
// traceparent is empty.
func traced(t *testing.T, method, url, key, body, traceparent string) int {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Authorization", "Bearer "+key)
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("User-Agent", "Secret agent")
	if traceparent != "" {
		request.Header.Set("Traceparent", traceparent)
		request.Header.Set("Tracestate", "vendor=Secret")
	}
	response, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if _, err := io.Copy(io.Discard, response.Body); err != nil {
		t.Fatal(err)
	}
	return response.StatusCode
}

const (
	sentTrace  = "4bf92f3577b34da6a3ce929d0e0e4736"
	sentParent = "00f067aa0ba902b7"
)

// A span continues the client's trace, is named after the route, has the statements as
// children, and contains nothing that the client sent.
func TestTraces(t *testing.T) {
	t.Parallel()
	d := dbtest.New(t)
	key := d.Key(t, d.Account(t))
	d.Exec(t, "ALTER TABLE orgs ADD CONSTRAINT not_this CHECK (org_name <> 'Secret and rejected')")
	c := newSpanCollector(t)
	r := start(t, func(cfg *serveConfig) { cfg.databaseURL, cfg.tracesURL = d.URL, c.url })
	for _, call := range []struct {
		method, path, body, traceparent string
		status                          int
	}{
		{"GET", "/v1/orgs?orgName=Secret&metadata[Secret]=Secret", "", "00-" + sentTrace + "-" + sentParent + "-01", 200},
		{"POST", "/v1/orgs", `{"orgName": "Secret", "metadata": {"Secret": "Secret"}}`, "", 201},
		{"POST", "/v1/orgs", `{"orgName": "Secret and rejected"}`, "", 500},
		{"GET", "/v1/orgs/" + key, "", "", 404},
		{"GET", "/v1/orgs?key=" + key, "", "", 400},
		{"GET", "/Secret/" + key, "", "", 404},
		{"Secret", "/v1/orgs", "", "", 501},
		{key, "/v1/orgs", "", "", 501},
		{"GET", "/livez", "", "", 200},
	} {
		if status := traced(t, call.method, r.url+call.path, key, call.body, call.traceparent); status != call.status {
			t.Errorf("%s %s: %d, want %d", call.method, call.path, status, call.status)
		}
	}
	if err := r.stop(); err != nil {
		t.Fatal(err)
	}

	var names []string
	for _, s := range c.spans {
		if s.Kind == otlp.Span_SPAN_KIND_SERVER {
			names = append(names, s.Name)
		}
		if strings.HasPrefix(s.Name, "(") {
			t.Errorf("a span has the name %q", s.Name)
		}
	}
	slices.Sort(names)
	if diff := cmp.Diff([]string{
		"GET /v1/orgs", "GET /v1/orgs", "GET /v1/orgs/:orgId", "GET unmatched", "POST /v1/orgs", "POST /v1/orgs", "other /v1/orgs", "other /v1/orgs",
	}, names); diff != "" {
		t.Errorf("spans of requests (-want +got):\n%s", diff)
	}
	for _, secret := range []string{"Secret", key, strings.TrimPrefix(key, "orgd_")} {
		if bytes.Contains(c.raw.Bytes(), []byte(secret)) {
			t.Errorf("%q is sent to the collector", secret)
		}
	}
	if strings.Contains(r.log.String(), key) {
		t.Error("the key is in the log")
	}
	c.checkContinued(t)
	c.checkFailed(t)
	if !strings.Contains(r.log.String(), `"traceId":"`+sentTrace+`"`) {
		t.Error("the client's trace id is not in the log")
	}
}

func (c *spanCollector) checkContinued(t *testing.T) {
	t.Helper()
	i := slices.IndexFunc(c.spans, func(s *otlp.Span) bool { return hex.EncodeToString(s.ParentSpanId) == sentParent })
	if i < 0 {
		t.Fatal("no span continues the client's trace")
	}
	request := c.spans[i]
	if request.Name != "GET /v1/orgs" || hex.EncodeToString(request.TraceId) != sentTrace {
		t.Errorf("the span %s of the trace %x has the client's span as its parent", request.Name, request.TraceId)
	}
	attributes := map[string]string{}
	for _, a := range request.Attributes {
		attributes[a.Key] = a.Value.String()
	}
	if !strings.Contains(attributes["http.route"], `"/v1/orgs"`) || !strings.Contains(attributes["http.response.status_code"], "200") {
		t.Errorf("attributes %v", attributes)
	}
	if !slices.ContainsFunc(c.spans, func(s *otlp.Span) bool {
		return bytes.Equal(s.TraceId, request.TraceId) && bytes.Equal(s.ParentSpanId, request.SpanId) &&
			s.Name == "SELECT" && s.Kind == otlp.Span_SPAN_KIND_CLIENT
	}) {
		t.Error("the span of the request has no statement as a child")
	}
}

func (c *spanCollector) checkFailed(t *testing.T) {
	t.Helper()
	failed := 0
	for _, s := range c.named("POST /v1/orgs") {
		if s.Status.GetCode() == otlp.Status_STATUS_CODE_ERROR {
			failed++
		}
	}
	if failed != 1 {
		t.Errorf("%d spans of creations have an error, want 1", failed)
	}
}

// Without a collector there are no spans, but the client's trace id is logged.
func TestNoTraces(t *testing.T) {
	t.Parallel()
	d := dbtest.New(t)
	key := d.Key(t, d.Account(t))
	r := start(t, func(cfg *serveConfig) { cfg.databaseURL = d.URL })
	traced(t, "GET", r.url+"/v1/orgs", key, "", "00-"+sentTrace+"-"+sentParent+"-01")
	traced(t, "GET", r.url+"/v1/orgs", key, "", "Secret")
	if err := r.stop(); err != nil {
		t.Fatal(err)
	}
	log := r.log.String()
	if strings.Count(log, `"traceId":"`+sentTrace+`"`) != 1 || strings.Contains(log, "spanId") || strings.Contains(log, "Secret") {
		t.Error(log)
	}
}

// A collector that does not answer delays neither requests nor the shutdown.
func TestCollectorHangs(t *testing.T) {
	t.Parallel()
	d := dbtest.New(t)
	key := d.Key(t, d.Account(t))
	ended := make(chan struct{})
	hanging := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-ended }))
	t.Cleanup(hanging.Close)
	t.Cleanup(func() { close(ended) })
	r := start(t, func(cfg *serveConfig) { cfg.databaseURL, cfg.tracesURL = d.URL, hanging.URL })
	for range 100 {
		if status := traced(t, "GET", r.url+"/v1/orgs", key, "", ""); status != http.StatusOK {
			t.Fatal(status)
		}
	}
	if err := r.stop(); err != nil {
		t.Error(err)
	}
	if !strings.Contains(r.log.String(), "traces are lost") {
		t.Error("the log does not report the lost traces")
	}
}

// Tracing does not make net/http wait for a body that the client withholds.
func TestTracedRequestKeepsItsBody(t *testing.T) {
	t.Parallel()
	d := dbtest.New(t)
	c := newSpanCollector(t)
	r := start(t, func(cfg *serveConfig) { cfg.databaseURL, cfg.tracesURL = d.URL, c.url })
	conn, err := net.Dial("tcp", strings.TrimPrefix(r.url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	// The response is larger than the buffer of net/http.
	if _, err := io.WriteString(conn, "GET /openapi.json HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	// The server would stop waiting for the body after 15 s.
	if err := conn.SetReadDeadline(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(conn).ReadString('\n')
	if err != nil || !strings.Contains(line, "200") {
		t.Errorf("%q, %v", line, err)
	}
}

// Warnings of the OpenTelemetry SDK about its variables are logged without the values,
// which may contain a key for the collector.
func TestSDKWarningsAreLogged(t *testing.T) {
	t.Parallel()
	p := startWith(t, []string{
		"DATABASE_URL=postgres://nobody@127.0.0.1:1/none",
		"OTEL_EXPORTER_OTLP_ENDPOINT=http://127.0.0.1:1",
		"OTEL_EXPORTER_OTLP_HEADERS=Secret,authorization=Bearer%zzSecret",
		"OTEL_TRACES_SAMPLER=none_such",
		"OTEL_RESOURCE_ATTRIBUTES=Secret",
	}, "serve", "--addr=127.0.0.1:0", "--admin-addr=127.0.0.1:0", "--log-level=info", "--public-url=")
	p.awaitServing(t)
	p.kill()
	log, errs := p.out.String(), p.errs.String()
	for _, said := range []string{"parse headers", "escape header value", "none_such", "OTEL_RESOURCE_ATTRIBUTES"} {
		if !strings.Contains(log, said) {
			t.Errorf("%q is not in the log: %s", said, log)
		}
	}
	if errs != "" || strings.Contains(log, "Secret") {
		t.Errorf("log %s, standard error %s", log, errs)
	}
}

// Log sampling omits only requests that succeeded.
func TestLogSample(t *testing.T) {
	t.Parallel()
	d := dbtest.New(t)
	key := d.Key(t, d.Account(t))
	for unlogged, want := range map[float64][]int{0: {200, 404}, 1: {404}} {
		t.Run(fmt.Sprintf("share not logged %v", unlogged), func(t *testing.T) {
			t.Parallel()
			r := start(t, func(cfg *serveConfig) { cfg.databaseURL, cfg.unlogged = d.URL, unlogged })
			for _, path := range []string{"/v1/orgs", "/v1/orgs/none"} {
				get(t, r.url+path, key)
			}
			if err := r.stop(); err != nil {
				t.Fatal(err)
			}
			var logged []int
			for line := range strings.Lines(r.log.String()) {
				var entry struct {
					Msg    string
					Status int
					Route  string
				}
				if err := json.Unmarshal([]byte(line), &entry); err != nil {
					t.Fatal(err)
				}
				if entry.Msg == "request" && !strings.HasSuffix(entry.Route, "z") {
					logged = append(logged, entry.Status)
				}
			}
			if diff := cmp.Diff(want, logged); diff != "" {
				t.Errorf("logged statuses with the share %s not logged (-want +got):\n%s", fmt.Sprint(unlogged), diff)
			}
		})
	}
}
