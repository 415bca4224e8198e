package main

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
	"orgd/internal/orgs"
	"orgd/internal/uuid"
)

// usual sets the default limits of `server serve`.
func usual(c *serveConfig) {
	c.maxConns = 10
	c.limits = limitFlags{MaxInFlight: 1000, MaxInFlightPerKey: 200}.limits(rateFlags{RateLimit: 100})
}

// tenant is an account with keys and an organization.
type tenant struct {
	url, path string
	keys      []string
}

func newTenant(t *testing.T, d *dbtest.DB, url string, keys int) (tenant, uuid.UUID, uuid.UUID) {
	t.Helper()
	account := d.Account(t)
	org := d.Org(t, account, orgs.Org{}).ID
	a := tenant{url: url, path: fmt.Sprintf("/v1/orgs/org_%x", org[:])}
	for range keys {
		a.keys = append(a.keys, d.Key(t, account))
	}
	return a, account, org
}

// send makes a call with one of the account's keys. It returns the status, or 0 if there
// is no answer.
func (a tenant) send(ctx context.Context, i int, method, target, body string) int {
	request, err := http.NewRequestWithContext(ctx, method, a.url+target, strings.NewReader(body))
	if err != nil {
		return 0
	}
	request.Header.Set("Authorization", "Bearer "+a.keys[i%len(a.keys)])
	if body != "" {
		request.Header.Set("Content-Type", "application/json")
	}
	response, err := http.DefaultTransport.RoundTrip(request)
	if err != nil {
		return 0
	}
	response.Body.Close()
	return response.StatusCode
}

// mustWork checks that all calls of the account succeed and that the server is ready.
func (a tenant) mustWork(t *testing.T) {
	t.Helper()
	for range 15 {
		for _, call := range []struct {
			method, target, body string
			status               int
		}{
			{http.MethodGet, "/v1/orgs", "", 200},
			{http.MethodGet, a.path, "", 200},
			{http.MethodPost, "/v1/orgs", `{"orgName":"New"}`, 201},
			{http.MethodPatch, a.path, `{"orgName":"Other"}`, 200},
			{http.MethodGet, "/readyz", "", 200},
		} {
			if status := a.send(t.Context(), 0, call.method, call.target, call.body); status != call.status {
				t.Fatalf("%s %s: %d", call.method, call.target, status)
			}
		}
	}
}

// flood starts callers that send requests with the account's keys until the test ends.
func (a tenant) flood(t *testing.T, callers int, method, target, body string) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	var all sync.WaitGroup
	for i := range callers {
		all.Go(func() {
			for ctx.Err() == nil {
				if a.send(ctx, i, method, target, body) != http.StatusOK {
					time.Sleep(10 * time.Millisecond) // so that the callers do not take the CPU that the server needs
				}
			}
		})
	}
	t.Cleanup(func() { cancel(); all.Wait() })
}

// holdLock runs a statement that takes locks, and holds them until the test ends.
func holdLock(t *testing.T, d *dbtest.DB, statement string, args ...any) {
	t.Helper()
	ctx := context.Background()
	tx, err := d.Pool.Begin(ctx)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = tx.Rollback(ctx) }) // if it fails, the pool closes the connection
	if _, err := tx.Exec(ctx, statement, args...); err != nil {
		t.Fatal(err)
	}
}

// stall sends the headers of a request and never sends its body.
func (a tenant) stall(t *testing.T, key string) {
	t.Helper()
	conn, err := net.Dial("tcp", strings.TrimPrefix(a.url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	if _, err := fmt.Fprintf(conn, "POST /v1/orgs HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n", key); err != nil {
		t.Fatal(err)
	}
}

// Whatever load one account causes with all its keys, the calls of another account
// succeed and the server stays ready.
func TestOneAccountDoesNotStopAnother(t *testing.T) {
	t.Parallel()
	for name, attack := range map[string]func(t *testing.T, d *dbtest.DB, greedy tenant, account, org uuid.UUID){
		"changes of one organization": func(t *testing.T, d *dbtest.DB, greedy tenant, account, org uuid.UUID) {
			holdLock(t, d, "SELECT FROM orgs WHERE account_id = $1 AND org_id = $2 FOR UPDATE", account, org)
			greedy.flood(t, 60, http.MethodPatch, greedy.path, `{"orgName":"Acme"}`)
		},
		"slow reads": func(t *testing.T, d *dbtest.DB, greedy tenant, _, _ uuid.UUID) {
			holdLock(t, d, "LOCK TABLE org_members IN ACCESS EXCLUSIVE MODE")
			greedy.flood(t, 60, http.MethodGet, greedy.path+"/users", "")
		},
		"bodies that do not arrive": func(t *testing.T, d *dbtest.DB, greedy tenant, _, _ uuid.UUID) {
			for _, key := range greedy.keys {
				for range 200 {
					greedy.stall(t, key)
				}
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := dbtest.New(t)
			r := start(t, func(c *serveConfig) { usual(c); c.databaseURL = d.URL })
			greedy, account, org := newTenant(t, d, r.url, 5)
			other, _, _ := newTenant(t, d, r.url, 1)
			attack(t, d, greedy, account, org)
			time.Sleep(100 * time.Millisecond) // until the load has started
			other.mustWork(t)
		})
	}
}
