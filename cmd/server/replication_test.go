package main

import (
	"context"
	"net/http"
	"testing"

	"orgd/internal/dbtest"
)

// A change whose wait for the standby was canceled may be gone after a failover, so it
// is not acknowledged; nor is its repeat, until the standby has it.
func TestCanceledSynchronousWait(t *testing.T) {
	t.Parallel()
	p := startPostgres(t)
	d := p.database(t, "orgd")
	d.Exec(t, "ALTER DATABASE orgd SET client_min_messages = error") // which would hide the warning
	key := d.Key(t, d.Account(t))
	r := start(t, remembering(d.URL))
	r.awaitLog(t, hearing, 1)
	if !r.opens(t, key) {
		t.Fatal("the key does not work")
	}
	d.Exec(t, "ALTER SYSTEM SET synchronous_standby_names = 'absent'")
	d.Exec(t, "SELECT pg_reload_conf()")
	awaitSyncWaits(t, d)
	for name, c := range map[string]call{"a key": creation("keyed", true), "no key": creation("bare", false)} {
		t.Run(name, func(t *testing.T) {
			for range 2 {
				if a := canceledInSyncWait(t, d, r.url, key, c); a.status != http.StatusServiceUnavailable || !a.mayBeRepeated() {
					t.Errorf("%s: %d %s", name, a.status, a.text)
				}
				if !c.keyed {
					break // each repeat may create another organization
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
		t.Errorf("%d organizations", n)
	}
}

// awaitSyncWaits waits until commits wait for the standby, some time after the reload of
// the configuration.
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

// canceledInSyncWait sends a call, and cancels its session's wait for the standby.
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
	var got *answer
	await(t, "no session waits for the standby", func() bool {
		select {
		case a := <-answered:
			got = &a
			return true
		default:
			return count(t, d, cancelSyncWaits) > 0
		}
	})
	if got != nil {
		return *got
	}
	return <-answered
}
