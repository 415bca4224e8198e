package main

import (
	"context"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"orgd/internal/dbtest"
)

// If a commit's wait for the standby is canceled, a failover may lose the change. The
// change is therefore not acknowledged, and neither is a repeat of the call, until the
// standby has the change.
func TestCanceledSynchronousWait(t *testing.T) {
	t.Parallel()
	p := startPostgres(t)
	d := p.database(t, "orgd")
	d.Exec(t, "ALTER DATABASE orgd SET client_min_messages = error") // hides the warning about a canceled wait, unless the server overrides the setting
	key := d.Key(t, d.Account(t))
	r := start(t, remembering(d.URL))
	r.awaitLog(t, hearing, 1)
	if !r.opens(t, key) {
		t.Fatal("the key does not work")
	}
	org := prepare(t, r.url, key, creation("deleted", true)).OrgID
	prepare(t, r.url, key, call{path: "/v1/orgs/" + org + "/users", field: "userId", value: "erased"})
	prepare(t, r.url, key, call{path: "/v1/orgs/" + org + "/deactivate"})
	d.Exec(t, "ALTER SYSTEM SET synchronous_standby_names = 'absent'")
	d.Exec(t, "SELECT pg_reload_conf()")
	awaitSyncWaits(t, d)
	for name, c := range map[string]struct {
		call
		times int
	}{
		"a key":          {creation("keyed", true), 2},
		"no key":         {creation("bare", false), 1}, // a repeat without a key may create another organization
		"an external id": {call{path: "/v1/orgs/external/1", field: "orgName", value: "external", method: http.MethodPut}, 2},
		"a deletion":     {call{path: "/v1/orgs/" + org, method: http.MethodDelete}, 2},
		"an erasure":     {call{path: "/v1/users/erased", method: http.MethodDelete}, 2},
	} {
		t.Run(name, func(t *testing.T) {
			for range c.times {
				if a := canceledInSyncWait(t, d, r.url, key, c.call); a.status != http.StatusServiceUnavailable || !a.mayBeRepeated() {
					t.Errorf("%s: %d %s", name, a.status, a.text)
				}
			}
		})
	}
	d.Exec(t, "ALTER SYSTEM RESET synchronous_standby_names")
	d.Exec(t, "SELECT pg_reload_conf()")
	again, err := creation("keyed", true).send(r.url, key, 1)
	if err != nil || again.status != http.StatusCreated || !again.replayed {
		t.Errorf("the repeat: %+v, %v", again, err)
	}
	if n := count(t, d, "SELECT count(*) FROM orgs WHERE org_name = 'keyed'"); n != 1 {
		t.Errorf("%d organizations, want 1", n)
	}
}

// An import reports organizations that already exist only when the standby has them, because
// an earlier run may have stopped before the standby had them.
func TestImportWaitsForTheStandby(t *testing.T) {
	t.Parallel()
	p := startPostgres(t)
	d := p.database(t, "orgd")
	account := d.Account(t)
	file := filepath.Join(t.TempDir(), "two.ndjson")
	if err := os.WriteFile(file, []byte(`{"orgName":"One"}`+"\n"+`{"orgName":"Two"}`+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	args := []string{"import", "--account=" + account.String(), file}
	if first := startCommand(t, d.URL, args...); first.wait() != nil {
		t.Fatal(first.errs.String())
	}
	d.Exec(t, "ALTER SYSTEM SET synchronous_standby_names = 'absent'")
	d.Exec(t, "SELECT pg_reload_conf()")
	awaitSyncWaits(t, d)
	again := startCommand(t, d.URL, args...)
	await(t, "the import does not wait", func() bool {
		return count(t, d, "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'SyncRep'") > 0
	})
	if out := again.out.String(); out != "" {
		t.Errorf("printed before the standby has the organizations: %s", out)
	}
	d.Exec(t, "ALTER SYSTEM RESET synchronous_standby_names")
	d.Exec(t, "SELECT pg_reload_conf()")
	if err := again.wait(); err != nil || !strings.HasPrefix(again.out.String(), "imported: 0, already there: 2, ") {
		t.Errorf("%v: %s%s", err, again.out.String(), again.errs.String())
	}
}

// prepare sends a call that must succeed and returns the answer.
func prepare(t *testing.T, server, key string, c call) answer {
	t.Helper()
	a, err := c.send(server, key, 0)
	if err != nil || !a.succeeded() {
		t.Fatalf("%s: %d %s, %v", c.path, a.status, a.text, err)
	}
	return a
}

// awaitSyncWaits waits until commits wait for the standby, because the sessions apply the
// new configuration some time after the reload.
func awaitSyncWaits(t *testing.T, d *dbtest.DB) {
	t.Helper()
	await(t, "commits do not wait for the standby", func() bool {
		committed := make(chan struct{})
		go func() {
			defer close(committed)
			if _, err := d.Pool.Exec(context.Background(), "SELECT pg_logical_emit_message(true, 'orgd', '')"); err != nil {
				t.Error(err)
			}
		}()
		for {
			select {
			case <-committed:
				return false
			default:
			}
			if count(t, d, cancelSyncWaits) > 0 {
				<-committed
				return true
			}
		}
	})
}

const cancelSyncWaits = "SELECT count(pg_cancel_backend(pid)) FROM pg_stat_activity WHERE wait_event = 'SyncRep'"

// canceledInSyncWait sends a call, and cancels all waits for the standby until the call
// is answered.
func canceledInSyncWait(t *testing.T, d *dbtest.DB, server, key string, c call) answer {
	t.Helper()
	answered := make(chan answer, 1)
	go func() {
		a, err := c.send(server, key, 0)
		if err != nil {
			t.Error(err)
		}
		answered <- a
	}()
	var got answer
	await(t, "the call is not answered", func() bool {
		select {
		case got = <-answered:
			return true
		default:
			count(t, d, cancelSyncWaits) // background work of the server may wait too
			return false
		}
	})
	return got
}
