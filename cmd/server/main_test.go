package main

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"testing"

	"orgd/internal/dbtest"
	"orgd/internal/telemetry"
)

func TestMain(m *testing.M) {
	if os.Getenv(serverVariable) != "" {
		beServer()
	}
	if signal.Ignored(syscall.SIGHUP) { // by nohup
		// Programs that a process starts inherit a signal that it ignores, but not one that it
		// handles. The servers of the tests must not ignore it.
		signal.Notify(make(chan os.Signal, 1), syscall.SIGHUP)
	}
	dbtest.Main(m)
}

// running is a server with the production wiring, on its own ports.
type running struct {
	url, adminURL string
	log           *safeBuffer
	stop          func() error // stops the server and returns the result of serve
}

func start(t *testing.T, change func(*serveConfig)) *running {
	t.Helper()
	r := &running{log: &safeBuffer{}}
	bound, err := listen(t.Context(), "127.0.0.1:0", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	r.url, r.adminURL = "http://"+bound.public.Addr().String(), "http://"+bound.admin.Addr().String()
	cfg := serveConfig{listen: func() (listeners, error) { return bound, nil }, maxConns: 4, logger: telemetry.NewLogger(r.log, 0), linesLost: func() int64 { return 0 }}
	change(&cfg)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- serve(ctx, cfg) }()
	r.stop = sync.OnceValue(func() error { cancel(); return <-ended })
	// The listener accepts connections already. This request is answered when the server
	// has started.
	get(t, r.url+"/livez", "")
	t.Cleanup(func() {
		if err := r.stop(); err != nil {
			t.Errorf("serve: %v", err)
		}
	})
	return r
}

func get(t *testing.T, url, key string) (int, http.Header, []byte) {
	t.Helper()
	request, err := http.NewRequestWithContext(context.Background(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	if key != "" {
		request.Header.Set("Authorization", "Bearer "+key)
	}
	// One connection per call, so no pooled connection outlives a stopped server.
	transport := &http.Transport{DisableKeepAlives: true}
	response, err := transport.RoundTrip(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, response.Header, body
}

// walk follows the cursors and returns the ids of the organizations. No id may come
// twice.
func walk(t *testing.T, url, key string) map[string]bool {
	t.Helper()
	seen := map[string]bool{}
	for cursor := ""; ; {
		status, _, body := get(t, url+"/v1/orgs?limit=100"+cursor, key)
		var page struct {
			HasMore       bool
			Cursor        string
			Organizations []struct{ OrgID string }
		}
		if err := json.Unmarshal(body, &page); err != nil || status != http.StatusOK {
			t.Fatalf("%d %s: %v", status, body, err)
		}
		for _, o := range page.Organizations {
			if seen[o.OrgID] {
				t.Fatalf("%s came twice", o.OrgID)
			}
			seen[o.OrgID] = true
		}
		if !page.HasMore {
			return seen
		}
		cursor = "&cursor=" + page.Cursor
	}
}

type safeBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *safeBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *safeBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}
