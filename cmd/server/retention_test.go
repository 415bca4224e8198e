package main

import (
	"context"
	"strings"
	"testing"
	"time"

	"orgd/internal/dbtest"
)

// aged returns a database in which an account has 2,500 events that are 11 days old, and
// one that is 9 days old.
func aged(t *testing.T) *dbtest.DB {
	t.Helper()
	d := dbtest.New(t)
	d.Exec(t, `
INSERT INTO events (account_id, type, request_id, occurred_at)
SELECT $1, 'user.erased', 'r', now() - make_interval(days => CASE WHEN n = 2501 THEN 9 ELSE 11 END)
FROM generate_series(1, 2501) AS n`, d.Account(t))
	return d
}

func keepingTenDays(d *dbtest.DB) func(*serveConfig) {
	return func(c *serveConfig) {
		c.databaseURL, c.eventsKeep, c.removeEvery = d.URL, 10*day, 10*time.Millisecond
	}
}

func TestServersDeleteOldEvents(t *testing.T) {
	t.Parallel()
	d := aged(t)
	servers := []*running{start(t, keepingTenDays(d)), start(t, keepingTenDays(d))}
	await(t, "old events are not deleted", func() bool { return count(t, d, "SELECT count(*) FROM events") == 1 })
	await(t, "the metrics do not report the deletions", func() bool {
		removed := 0
		for _, r := range servers {
			_, _, metrics := get(t, r.adminURL+"/metrics", "")
			for _, line := range []string{"orgd_events_removed_total 2500", "orgd_events_keep_seconds 864000", "orgd_events_oldest_age_seconds 7776"} {
				if strings.Contains(string(metrics), "\n"+line) {
					removed++
				}
			}
		}
		return removed == 5 || removed == 4 // the two may have shared the work
	})
	for _, r := range servers {
		if err := r.stop(); err != nil {
			t.Error(err)
		}
		if strings.Contains(r.log.String(), `"WARN"`) {
			t.Errorf("a run failed: %s", r.log)
		}
	}
}

// With ORGD_EVENTS_KEEP=0, events are kept forever.
func TestServerKeepsEvents(t *testing.T) {
	t.Parallel()
	d := aged(t)
	r := start(t, func(c *serveConfig) {
		keepingTenDays(d)(c)
		c.eventsKeep = 0
	})
	time.Sleep(100 * time.Millisecond) // ten times removeEvery
	if err := r.stop(); err != nil {
		t.Error(err)
	}
	if n := count(t, d, "SELECT count(*) FROM events"); n != 2501 {
		t.Errorf("%d events are left", n)
	}
}

// A run that cannot delete events is logged, and a later run deletes them.
func TestRetentionContinuesAfterAnOutage(t *testing.T) {
	t.Parallel()
	d := aged(t)
	cut := newProxy(t, d.URL)
	cut.cut()
	r := start(t, func(c *serveConfig) {
		keepingTenDays(d)(c)
		c.databaseURL = cut.url
	})
	r.awaitLog(t, "could not delete all old events; the next run will continue", 2)
	cut.restore(t)
	await(t, "old events are not deleted", func() bool { return count(t, d, "SELECT count(*) FROM events") == 1 })
}

// A run does not delay the server when it stops.
func TestStopEndsTheDeletionOfEvents(t *testing.T) {
	t.Parallel()
	d := aged(t)
	tx, err := d.Pool.Begin(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = tx.Rollback(context.Background()) }()
	if _, err := tx.Exec(context.Background(), "LOCK TABLE events IN ACCESS EXCLUSIVE MODE"); err != nil {
		t.Fatal(err)
	}
	r := start(t, keepingTenDays(d))
	awaitWaiter(t, d)
	if err := r.stop(); err != nil {
		t.Errorf("stop: %v", err)
	}
	if strings.Contains(r.log.String(), `"WARN"`) {
		t.Errorf("the interrupted run logged a warning: %s", r.log)
	}
}

// A webhook that had not received deleted events is counted once, however many it misses.
func TestWebhooksMissDeletedEvents(t *testing.T) {
	t.Parallel()
	d := aged(t)
	for _, position := range []int{0, 1, 1500, 2500} { // the last needs only the event that is kept
		d.Exec(t, `
INSERT INTO webhooks (account_id, id, url, description, types, secret, position, mark)
SELECT id, gen_random_uuid(), 'https://example.com', 'Test', '{}', decode(repeat('ab', 32), 'hex'), $1, decode(repeat('cd', 16), 'hex') FROM accounts`, position)
	}
	r := start(t, keepingTenDays(d))
	await(t, "the webhooks are not counted", func() bool {
		_, _, metrics := get(t, r.adminURL+"/metrics", "")
		return strings.Contains(string(metrics), "\norgd_events_removed_total 2500\n") &&
			strings.Contains(string(metrics), "\norgd_webhooks_missing_deleted_events_total 3\n")
	})
}
