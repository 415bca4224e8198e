package http_test

import (
	"bufio"
	"context"
	"fmt"
	"maps"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"

	"orgd/internal/dbtest"
	orgdhttp "orgd/internal/http"
	"orgd/internal/orgs"
	"orgd/internal/uuid"
)

// held is a repository whose List blocks until release is closed. Each call of List sends
// to begun.
type held struct {
	*orgs.Repository
	begun   chan struct{}
	release chan struct{}
}

func (h *held) List(context.Context, uuid.UUID, orgs.ListParams) (orgs.Page, error) {
	h.begun <- struct{}{}
	<-h.release
	return orgs.Page{}, nil
}

// Requests above the limit are rejected immediately, and those in flight continue.
func TestRequestsInFlight(t *testing.T) {
	t.Parallel()
	d := dbtest.New(t)
	h := &held{Repository: orgs.NewRepository(d.Conns), begun: make(chan struct{}), release: make(chan struct{})}
	seen := &counted{limited: map[string]int{}}
	a := newAPIWith(t, d, func(c *orgdhttp.Config) {
		c.Orgs = h
		c.Observer = seen
		c.Limits = orgdhttp.Limits{InFlight: 3, InFlightPerKey: 2}
	})
	another := a.Key(t, a.Account(t))
	var all sync.WaitGroup
	begin := func(key string) {
		all.Go(func() {
			if got := a.call(t, http.MethodGet, "/v1/orgs", "Authorization", "Bearer "+key); got.status != 200 {
				t.Errorf("%d %s", got.status, got.body)
			}
		})
		<-h.begun
	}
	begin(a.key)
	begin(a.key)
	got := a.get(t, "/v1/orgs")
	got.rejected(t, 429, "rate_limited")
	if after, err := strconv.Atoi(got.header.Get("Retry-After")); err != nil || after < 1 || after > 60 {
		t.Errorf("%v", got.header)
	}
	begin(another)
	got = a.call(t, http.MethodGet, "/v1/orgs", "Authorization", "Bearer "+a.Key(t, a.Account(t)))
	got.rejected(t, 503, "unavailable")
	if got.header.Get("Retry-After") == "" {
		t.Errorf("%v", got.header)
	}
	if got := a.call(t, http.MethodGet, "/readyz"); got.status != 200 {
		t.Errorf("a probe: %d", got.status)
	}
	close(h.release)
	all.Wait()
	for range 10 {
		if got := a.get(t, "/v1/orgs/org_1"); got.status != 404 {
			t.Errorf("after all requests have ended: %d %s", got.status, got.body)
		}
	}
	if want := map[string]int{"in_flight_key": 1, "in_flight": 1}; !maps.Equal(seen.limited, want) {
		t.Errorf("counted %v, want %v", seen.limited, want)
	}
}

// No matter how many requests some accounts have in flight, slots are left for other
// accounts.
func TestRequestsInFlightPerAccount(t *testing.T) {
	t.Parallel()
	d := dbtest.New(t)
	h := &held{Repository: orgs.NewRepository(d.Conns), begun: make(chan struct{}), release: make(chan struct{})}
	seen := &counted{limited: map[string]int{}}
	a := newAPIWith(t, d, func(c *orgdhttp.Config) {
		c.Orgs, c.Observer, c.Limits = h, seen, orgdhttp.Limits{InFlight: 10}
	})
	var all sync.WaitGroup
	rejected := 0
	for _, most := range []int{5, 3, 1, 1} { // each account can take half of the free slots
		account := a.Account(t)
		for range most {
			key := a.Key(t, account) // a limit per key would not stop an account with many keys
			all.Go(func() {
				if got := a.call(t, http.MethodGet, "/v1/orgs", "Authorization", "Bearer "+key); got.status != 200 {
					t.Errorf("%d %s", got.status, got.body)
				}
			})
			<-h.begun
		}
		if most == 1 {
			continue
		}
		a.call(t, http.MethodGet, "/v1/orgs", "Authorization", "Bearer "+a.Key(t, account)).rejected(t, 429, "rate_limited")
		rejected++
	}
	close(h.release)
	all.Wait()
	if want := map[string]int{"in_flight_account": rejected}; !maps.Equal(seen.limited, want) {
		t.Errorf("counted %v, want %v", seen.limited, want)
	}
}

// beginSlowBody sends the headers of a call with a body, and returns when the call holds
// a slot. The server sends 100 Continue only then.
func (a *api) beginSlowBody(t *testing.T) {
	t.Helper()
	conn, err := net.Dial("tcp", strings.TrimPrefix(a.url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	_, err = fmt.Fprintf(conn, "POST /v1/orgs HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\nContent-Type: application/json\r\nContent-Length: 1000\r\nExpect: 100-continue\r\n\r\n", a.key)
	if err != nil {
		t.Fatal(err)
	}
	if line, err := bufio.NewReader(conn).ReadString('\n'); line != "HTTP/1.1 100 Continue\r\n" {
		t.Fatalf("%q, %v", line, err)
	}
}

// While a body arrives, its call holds a separate kind of slot. Slow bodies therefore do
// not block the account's other calls, or other accounts.
func TestSlowBodiesHoldSeparateSlots(t *testing.T) {
	t.Parallel()
	a := newAPIWith(t, dbtest.New(t), func(c *orgdhttp.Config) {
		c.Limits = orgdhttp.Limits{InFlight: 8, InFlightPerKey: 3}
	})
	// One account can hold half of the eight slots.
	own := a.key
	for _, key := range []string{a.Key(t, a.account), a.Key(t, a.account)} {
		a.key = key
		for range 2 {
			a.beginSlowBody(t)
		}
	}
	a.key = own
	a.do(t, http.MethodPost, "/v1/orgs", `{"orgName":"x"}`).rejected(t, 429, "rate_limited")
	for range 20 {
		if got := a.get(t, "/v1/orgs"); got.status != 200 {
			t.Fatalf("the account's other calls: %d %s", got.status, got.body)
		}
	}
	a.key = a.Key(t, a.Account(t))
	for range 20 {
		if got := a.do(t, http.MethodPost, "/v1/orgs", `{"orgName":"x"}`); got.status != 201 {
			t.Fatalf("another account: %d %s", got.status, got.body)
		}
	}
}
