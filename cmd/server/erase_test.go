package main

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"orgd/internal/dbtest"
	"orgd/internal/orgs"
)

// populated returns a database with an account, a key of the account, and the path of a
// deactivated organization. The organization has more members than one transaction
// erases.
func populated(t *testing.T) (d *dbtest.DB, key, path string) {
	t.Helper()
	d = dbtest.New(t)
	account := d.Account(t)
	o := d.Org(t, account, orgs.Org{Name: "Acme", UserCount: 2500})
	d.Exec(t, `INSERT INTO org_members (account_id, org_id, user_id, added_at, org_created_at)
		SELECT account_id, org_id, 'auth0|' || n, created_at + n * interval '1 microsecond', created_at
		FROM orgs, generate_series(1, 2500) AS n`)
	return d, d.Key(t, account), "/v1/orgs/org_" + strings.ReplaceAll(o.ID.String(), "-", "")
}

func awaitErased(t *testing.T, d *dbtest.DB) {
	t.Helper()
	await(t, "the members are not erased", func() bool {
		return count(t, d, "SELECT (SELECT count(*) FROM org_members) + (SELECT count(*) FROM org_erasures)") == 0
	})
}

// The server that deletes an organization erases its members at once, without waiting for
// the interval.
func TestServerErasesAtOnce(t *testing.T) {
	t.Parallel()
	d, key, path := populated(t)
	r := start(t, func(c *serveConfig) { c.databaseURL, c.eraseEvery = d.URL, time.Hour })
	if status, answer := r.ask(t, key, http.MethodDelete, path, ""); status != http.StatusNoContent {
		t.Fatalf("%d %s", status, answer)
	}
	awaitErased(t, d)
	await(t, "the metrics still report an erasure", func() bool {
		_, _, metrics := get(t, r.adminURL+"/metrics", "")
		return strings.Contains(string(metrics), "orgd_erasures_pending 0") && strings.Contains(string(metrics), "orgd_erasure_wait_seconds 0")
	})
}

// A server that finds another one erasing looks again soon, not after the interval.
func TestServerErasesAfterAnother(t *testing.T) {
	t.Parallel()
	d, key, path := populated(t)
	release := lock(t, d, "SELECT pg_advisory_xact_lock(x'6f7267642d657261'::bigint)") // as Erase takes it
	r := start(t, func(c *serveConfig) { c.databaseURL, c.eraseEvery = d.URL, time.Hour })
	if status, answer := r.ask(t, key, http.MethodDelete, path, ""); status != http.StatusNoContent {
		t.Fatalf("%d %s", status, answer)
	}
	await(t, "the server does not look for erasures", func() bool {
		_, _, metrics := get(t, r.adminURL+"/metrics", "")
		return strings.Contains(string(metrics), "orgd_erasures_pending 1")
	})
	release()
	awaitErased(t, d)
}

// If a server stops during an erasure, another server continues it. It retries an erasure
// that fails.
func TestServerContinuesAnErasure(t *testing.T) {
	t.Parallel()
	d, key, path := populated(t)
	release := lock(t, d, "LOCK TABLE org_members IN ACCESS EXCLUSIVE MODE")
	first := start(t, func(c *serveConfig) { c.databaseURL, c.eraseEvery = d.URL, time.Hour })
	if status, answer := first.ask(t, key, http.MethodDelete, path, ""); status != http.StatusNoContent {
		t.Fatalf("%d %s", status, answer)
	}
	awaitWaiter(t, d)
	if err := first.stop(); err != nil {
		t.Fatal(err)
	}
	second := start(t, func(c *serveConfig) { c.databaseURL, c.eraseEvery = d.URL, 10*time.Millisecond })
	await(t, "no erasure fails", func() bool { return strings.Contains(second.log.String(), "not all erasures succeeded; retrying") })
	await(t, "the metrics do not report the erasure", func() bool {
		_, _, metrics := get(t, second.adminURL+"/metrics", "")
		return strings.Contains(string(metrics), "orgd_erasures_pending 1")
	})
	release()
	awaitErased(t, d)
}
