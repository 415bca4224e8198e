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

// An account that has used its share waits and is rejected; another account is served.
func TestMemoryPerAccount(t *testing.T) {
	t.Parallel()
	d := dbtest.New(t)
	h := &held{Repository: orgs.NewRepository(d.Conns), begun: make(chan struct{}), release: make(chan struct{})}
	seen := &counted{limited: map[string]int{}}
	a := newAPIWith(t, d, func(c *orgdhttp.Config) {
		c.Orgs, c.Observer = h, seen
		c.Limits = orgdhttp.Limits{Memory: 4 << 20} // one page is read for each account
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
		t.Errorf("after all: %d %s", got.status, got.body)
	}
}

// An answer that a client does not read is not held for long.
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
		t.Errorf("cut off after %s", took)
	}
	if got := a.get(t, "/v1/orgs/"+orgID(uuid.NewV7()), "Accept", "text/plain"); got.status != http.StatusNotAcceptable {
		t.Errorf("afterwards: %d %s", got.status, got.body)
	}
}
