package http_test

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"
)

// Changes of one organization take turns. One that waited for its turn is made to
// what the others left, not to what was there when it came.
func TestChangesThatWaitForTheirTurn(t *testing.T) {
	t.Parallel()
	a := newAPI(t)
	type step struct{ method, suffix, body string }
	for name, test := range map[string]struct {
		before, at []step // at: at the same time, in this order
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
			go func() { answers <- a.do(t, s.method, path+s.suffix, s.body) }()
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
			t.Errorf("%s: in the end %s %s", name, got.header.Get("ETag"), got.body)
		}
	}
}

// holdTurn makes the organization's changes wait until release is called: the
// first for its row, the others for their turn.
func (a *api) holdTurn(t *testing.T, path string) (release func()) {
	t.Helper()
	ctx := context.Background()
	tx, err := a.Pool.Begin(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tx.Exec(ctx, "SELECT FROM orgs WHERE account_id = $1 AND org_id = $2::text::uuid FOR UPDATE",
		a.account, strings.TrimPrefix(path, "/v1/orgs/org_")); err != nil {
		t.Fatal(err)
	}
	release = func() { _ = tx.Rollback(ctx) } // a second one finds it done
	t.Cleanup(release)                        // or the pool waits for ever for its end
	return release
}

// awaitWaiting waits until so many changes wait.
func (a *api) awaitWaiting(t *testing.T, want int) {
	t.Helper()
	waiting := 0
	for deadline := time.Now().Add(10 * time.Second); waiting != want; time.Sleep(time.Millisecond) {
		err := a.Pool.QueryRow(context.Background(), `
SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`).Scan(&waiting)
		if err != nil || time.Now().After(deadline) {
			t.Fatalf("%d wait, want %d (%v)", waiting, want, err)
		}
	}
}
