package http_test

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"orgd/internal/dbtest"
	orgdhttp "orgd/internal/http"
	"orgd/internal/orgs"
	"orgd/internal/uuid"
)

// If an account has used its share of the memory, its next request waits and is then
// rejected. Other accounts are served.
func TestMemoryPerAccount(t *testing.T) {
	t.Parallel()
	d := dbtest.New(t)
	h := &held{Repository: orgs.NewRepository(d.Conns), begun: make(chan struct{}), release: make(chan struct{})}
	seen := &counted{limited: map[string]int{}}
	a := newAPIWith(t, d, func(c *orgdhttp.Config) {
		c.Orgs, c.Observer = h, seen
		c.Limits = orgdhttp.Limits{Memory: 4 << 20} // enough for one page per account at a time
	})
	other := a.Key(t, a.Account(t))
	var all sync.WaitGroup
	for _, key := range []string{a.key, other} {
		all.Go(func() {
			if got := a.call(t, http.MethodGet, "/v1/orgs", "Authorization", "Bearer "+key); got.status != 200 {
				t.Errorf("%d %s", got.status, got.body)
			}
		})
		<-h.begun
	}
	got := a.get(t, "/v1/orgs")
	got.rejected(t, http.StatusServiceUnavailable, "unavailable")
	if got.header.Get("Retry-After") == "" {
		t.Errorf("%v", got.header)
	}
	if got := a.get(t, "/v1/orgs/org_00000000000000000000000000000000"); got.status != http.StatusNotFound {
		t.Errorf("a small answer: %d %s", got.status, got.body)
	}
	if seen.limited["memory"] != 1 {
		t.Errorf("counted %v", seen.limited)
	}
	close(h.release)
	all.Wait()
	go func() { <-h.begun }()
	if got := a.get(t, "/v1/orgs"); got.status != http.StatusOK {
		t.Errorf("after all requests have ended: %d %s", got.status, got.body)
	}
}

// If a client does not read its answer, the server closes the connection after a few
// seconds.
func TestClientThatDoesNotRead(t *testing.T) {
	t.Parallel()
	large := orgs.Page{Bytes: 32 << 20, Orgs: []orgs.Org{{Metadata: orgs.Metadata(`{"a":"` + strings.Repeat("x", 32<<20) + `"}`)}}}
	a := newAPIThatLists(t, func(context.Context) (orgs.Page, error) { return large, nil })
	conn, err := net.Dial("tcp", strings.TrimPrefix(a.url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	begun := time.Now()
	if _, err := fmt.Fprintf(conn, "GET /v1/orgs HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\n\r\n", a.key); err != nil {
		t.Fatal(err)
	}
	a.awaitLog(t, "i/o timeout")
	if took := time.Since(begun); took < 4*time.Second {
		t.Errorf("the server gave up after %s, want at least 4 s", took)
	}
	if got := a.get(t, "/v1/orgs/"+orgID(uuid.NewV7()), "Accept", "text/plain"); got.status != http.StatusNotAcceptable {
		t.Errorf("the next request: %d %s", got.status, got.body)
	}
}
