package http_test

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"

	"orgd/internal/db"
	"orgd/internal/dbtest"
	orgdhttp "orgd/internal/http"
)

// Changes of an organization run one after the other, even on several replicas. A change
// that had to wait is applied to the result of the changes before it, not to the state in
// which its call arrived.
func TestChangesThatWaitForTheirTurn(t *testing.T) {
	t.Parallel()
	a := newAPI(t)
	type step struct{ method, suffix, body string }
	for name, test := range map[string]struct {
		before, at []step // the steps of at are concurrent, and arrive in this order
		name       string
		active     bool
		tag        string
	}{
		"deactivate after reactivate": {
			before: []step{{http.MethodPost, "/deactivate", ""}},
			at:     []step{{http.MethodPost, "/reactivate", ""}, {http.MethodPost, "/deactivate", ""}},
			name:   "Acme", active: false, tag: `"4"`,
		},
		"rename back": {
			at:   []step{{http.MethodPatch, "", `{"orgName":"Other"}`}, {http.MethodPatch, "", `{"orgName":"Acme"}`}},
			name: "Acme", active: true, tag: `"3"`,
		},
		"add again after deactivate": {
			at:   []step{{http.MethodPost, "/users", member(userOne)}, {http.MethodPost, "/deactivate", ""}, {http.MethodPost, "/users", member(userOne)}},
			name: "Acme", active: false, tag: `"3"`,
		},
	} {
		path := a.create(t, "Acme")
		for _, s := range test.before {
			a.do(t, s.method, path+s.suffix, s.body)
		}
		release := a.holdTurn(t, path)
		answers := make(chan answer, len(test.at))
		for i, s := range test.at {
			replica := a.replica(t)
			go func() { answers <- replica.do(t, s.method, path+s.suffix, s.body) }()
			a.awaitWaiting(t, i+1)
		}
		release()
		for range test.at {
			if got := <-answers; got.status != 200 {
				t.Errorf("%s: %d %s", name, got.status, got.body)
			}
		}
		got := a.get(t, path)
		if o := got.organization(t, 200); o.OrgName != test.name || o.IsActive != test.active || got.header.Get("ETag") != test.tag {
			t.Errorf("%s: in the end, ETag %s %s", name, got.header.Get("ETag"), got.body)
		}
	}
}

// replica starts another server on the same database.
func (a *api) replica(t *testing.T) *api {
	t.Helper()
	conns, err := db.Open(context.Background(), a.URL, db.Options{MaxConns: 2})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(conns.Close)
	b := newAPIWith(t, &dbtest.DB{URL: a.URL, Conns: conns, Pool: conns.Pgx()}, func(*orgdhttp.Config) {})
	b.account, b.key = a.account, a.key
	return b
}

// All calls that wait for their turn to change an organization, or the account's keys,
// use one connection in total. The account's other calls continue.
func TestWaitingForATurnHoldsNoConnection(t *testing.T) {
	t.Parallel()
	const callers = 20
	keyed := func(i int) []string { return []string{"Idempotency-Key", fmt.Sprint("key-", i)} }
	for name, test := range map[string]struct {
		lock string
		call func(a *api, path string, i int) answer
	}{
		"update": {lockOrg, func(a *api, path string, i int) answer {
			return a.do(t, http.MethodPatch, path, fmt.Sprintf(`{"orgName":"Acme %d"}`, i))
		}},
		"update with a key": {lockOrg, func(a *api, path string, i int) answer {
			return a.do(t, http.MethodPatch, path, `{"orgName":"Acme 2"}`, keyed(i)...)
		}},
		"deactivate": {lockOrg, func(a *api, path string, i int) answer {
			return a.do(t, http.MethodPost, path+"/deactivate", "")
		}},
		"add a member": {lockOrg, func(a *api, path string, i int) answer {
			return a.do(t, http.MethodPost, path+"/users", member(userOne))
		}},
		"remove a member": {lockOrg, func(a *api, path string, i int) answer {
			return a.do(t, http.MethodDelete, path+"/users", member(userOne))
		}},
		"create an API key": {lockAccount, func(a *api, path string, i int) answer {
			return a.do(t, http.MethodPost, "/v1/api-keys", `{"description":"x","scopes":["orgs:read"]}`)
		}},
		"create an API key with a key": {lockAccount, func(a *api, path string, i int) answer {
			return a.do(t, http.MethodPost, "/v1/api-keys", `{"description":"x","scopes":["orgs:read"]}`, keyed(i)...)
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := newAPI(t)
			path := a.create(t, "Acme")
			release := a.lockRow(t, test.lock, path)
			var all sync.WaitGroup
			for i := range callers {
				all.Go(func() {
					if got := test.call(a, path, i); got.status >= 300 {
						t.Errorf("%d %s", got.status, got.body)
					}
				})
			}
			a.awaitWaiting(t, 1)
			for range 20 {
				if got := a.get(t, path); got.status != 200 {
					t.Fatalf("a read while the calls wait: %d %s", got.status, got.body)
				}
			}
			if n := a.Pool.Stat().AcquiredConns(); n > 2 { // one for the waiting calls, and one that holds the lock for the test
				t.Errorf("%d connections are in use, want at most 2", n)
			}
			release()
			all.Wait()
		})
	}
}

const (
	lockOrg     = "SELECT FROM orgs WHERE account_id = $1 AND org_id = $2::text::uuid FOR UPDATE"
	lockAccount = "SELECT FROM accounts WHERE id = $1 AND $2::text <> '' FOR NO KEY UPDATE"
)

// holdTurn blocks the organization's changes until release is called. The first change
// waits for the row, and the others wait for their turn.
func (a *api) holdTurn(t *testing.T, path string) (release func()) {
	t.Helper()
	return a.lockRow(t, lockOrg, path)
}

// lockRow locks a row until release is called.
func (a *api) lockRow(t *testing.T, lock, path string) (release func()) {
	t.Helper()
	ctx := context.Background()
	tx, err := a.Pool.Begin(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tx.Exec(ctx, lock, a.account, strings.TrimPrefix(path, "/v1/orgs/org_")); err != nil {
		t.Fatal(err)
	}
	release = func() { _ = tx.Rollback(ctx) } // a second call does nothing
	t.Cleanup(release)                        // without this, closing the pool would block forever
	return release
}

// awaitWaiting waits until the given number of changes wait for a lock.
func (a *api) awaitWaiting(t *testing.T, want int) {
	t.Helper()
	waiting := 0
	await(t, func() bool {
		if err := a.Pool.QueryRow(context.Background(), `
SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`).Scan(&waiting); err != nil {
			t.Fatal(err)
		}
		return waiting == want
	}, func() string { return fmt.Sprintf("%d changes wait for a lock, want %d", waiting, want) })
}
