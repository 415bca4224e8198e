package http_test

import (
	"context"
	"maps"
	"net/http"
	"strconv"
	"sync"
	"testing"
	"time"

	"orgd/internal/dbtest"
	orgdhttp "orgd/internal/http"
	"orgd/internal/orgs"
	"orgd/internal/uuid"
)

// held is an Organizations whose List blocks until it is released.
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

// Requests above the limit are rejected at once, and those in flight continue.
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
	got.refused(t, 429, "rate_limited")
	if after, err := strconv.Atoi(got.header.Get("Retry-After")); err != nil || after < 1 || after > 60 {
		t.Errorf("%v", got.header)
	}
	begin(another)
	got = a.call(t, http.MethodGet, "/v1/orgs", "Authorization", "Bearer "+a.Key(t, a.Account(t)))
	got.refused(t, 503, "unavailable")
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
			t.Errorf("after all: %d %s", got.status, got.body)
		}
	}
	if want := map[string]int{"in_flight_key": 1, "in_flight": 1}; !maps.Equal(seen.limited, want) {
		t.Errorf("counted %v, want %v", seen.limited, want)
	}
}

// However many requests some accounts have in flight, places are left for the others.
func TestRequestsInFlightPerAccount(t *testing.T) {
	t.Parallel()
	d := dbtest.New(t)
	h := &held{Repository: orgs.NewRepository(d.Conns), begun: make(chan struct{}), release: make(chan struct{})}
	seen := &counted{limited: map[string]int{}}
	a := newAPIWith(t, d, func(c *orgdhttp.Config) {
		c.Orgs, c.Observer, c.Limits = h, seen, orgdhttp.Limits{InFlight: 10}
	})
	var all sync.WaitGroup
	refusals := 0
	for _, most := range []int{5, 3, 1, 1} { // half of what is left each time
		account := a.Account(t)
		for range most {
			key := a.Key(t, account) // a limit for each key does not help here
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
		a.call(t, http.MethodGet, "/v1/orgs", "Authorization", "Bearer "+a.Key(t, account)).refused(t, 429, "rate_limited")
		refusals++
	}
	close(h.release)
	all.Wait()
	if want := map[string]int{"in_flight_account": refusals}; !maps.Equal(seen.limited, want) {
		t.Errorf("counted %v, want %v", seen.limited, want)
	}
}

// Bodies that do not arrive hold separate places: they do not block the account's other
// calls or other accounts.
func TestSlowBodiesHoldNoPlace(t *testing.T) {
	t.Parallel()
	a := newAPIWith(t, dbtest.New(t), func(c *orgdhttp.Config) {
		c.Limits = orgdhttp.Limits{InFlight: 8, InFlightPerKey: 3}
	})
	keys := []string{a.Key(t, a.account), a.Key(t, a.account)}
	own := a.key
	for _, key := range keys {
		a.key = key
		for range 2 {
			a.begin(t, 1000, "")
		}
	}
	a.key = own
	// One account can hold half of these places.
	for deadline := time.Now().Add(7 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		got := a.do(t, http.MethodPost, "/v1/orgs", `{"orgName":"x"}`)
		if got.status == http.StatusTooManyRequests {
			got.refused(t, 429, "rate_limited")
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("%d %s", got.status, got.body)
		}
	}
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
