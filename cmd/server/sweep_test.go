package main

import (
	"context"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	"orgd/internal/dbtest"
	"orgd/internal/telemetry"
)

// oldRecords is the number of expired records of each kind. It is more than a sweep
// deletes in one batch.
const oldRecords = 2500

// recorded returns a database with idempotency keys and unanswered creations: oldRecords
// expired ones and a fresh one of each kind.
func recorded(t *testing.T) *dbtest.DB {
	t.Helper()
	d := dbtest.New(t)
	account := d.Account(t)
	d.Exec(t, `INSERT INTO idempotency_keys (account_id, key_digest, call_digest, result, created_at)
		SELECT $1, sha256(n::text::bytea), sha256(''), '{}', now() - CASE WHEN n = 0 THEN interval '23 hours' ELSE interval '24 hours' END
		FROM generate_series(0, $2::int) AS n`, account, oldRecords)
	d.Exec(t, `INSERT INTO unanswered_creations (account_id, call_digest, call_id, org_id, owner, created_at)
		SELECT $1, sha256(n::text::bytea), gen_random_uuid(), gen_random_uuid(), 1, now() - CASE WHEN n = 0 THEN interval '9 minutes' ELSE interval '10 minutes' END
		FROM generate_series(0, $2::int) AS n`, account, oldRecords)
	return d
}

func sweeping(d *dbtest.DB) func(*serveConfig) {
	return func(c *serveConfig) { c.databaseURL, c.sweepEvery = d.URL, 10*time.Millisecond }
}

// awaitSwept waits until the expired records are deleted.
func awaitSwept(t *testing.T, d *dbtest.DB) {
	t.Helper()
	await(t, "old records are not swept", func() bool {
		return count(t, d, "SELECT count(*) FROM idempotency_keys") <= 1 && count(t, d, "SELECT count(*) FROM unanswered_creations") <= 1
	})
}

func count(t *testing.T, d *dbtest.DB, sql string, args ...any) (n int) {
	t.Helper()
	if err := d.Pool.QueryRow(context.Background(), sql, args...).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

func TestServerSweeps(t *testing.T) {
	t.Parallel()
	d := recorded(t)
	var log safeBuffer
	r := start(t, func(c *serveConfig) {
		sweeping(d)(c)
		c.logger = telemetry.NewLogger(&log, slog.LevelDebug)
	})
	awaitSwept(t, d)
	for _, records := range []string{"idempotency keys", "unanswered creations"} {
		await(t, "the log does not report "+records, func() bool {
			return strings.Contains(log.String(), `"msg":"deleted expired records","records":"`+records+`","deleted":2500`)
		})
		// The next sweep finds nothing.
		await(t, "no sweep follows", func() bool {
			return strings.Contains(log.String(), `"msg":"deleted expired records","records":"`+records+`","deleted":0`)
		})
	}
	if err := r.stop(); err != nil {
		t.Errorf("stop: %v", err)
	}
	young := count(t, d, `SELECT count(*) FROM idempotency_keys, unanswered_creations
		WHERE idempotency_keys.key_digest = sha256('0') AND unanswered_creations.call_digest = sha256('0')`)
	if young != 1 {
		t.Error("a fresh record is gone")
	}
}

func TestServersSweepTogether(t *testing.T) {
	t.Parallel()
	d := recorded(t)
	servers := []*running{start(t, sweeping(d)), start(t, sweeping(d))}
	awaitSwept(t, d)
	for _, r := range servers {
		if err := r.stop(); err != nil {
			t.Errorf("stop: %v", err)
		}
		if strings.Contains(r.log.String(), `"WARN"`) {
			t.Errorf("a sweep failed: %s", r.log)
		}
	}
}

// If a sweep fails because the database is unreachable, only the failure is logged, and
// a later sweep deletes the records.
func TestSweepsContinueAfterAnOutage(t *testing.T) {
	t.Parallel()
	d := recorded(t)
	cut := newProxy(t, d.URL)
	cut.cut()
	var log safeBuffer
	r := start(t, func(c *serveConfig) {
		sweeping(d)(c)
		c.databaseURL, c.logger = cut.url, telemetry.NewLogger(&log, slog.LevelDebug)
	})
	await(t, "no sweep fails", func() bool {
		return strings.Count(log.String(), "a sweep failed; the next one will delete the expired records") >= 4
	})
	if strings.Contains(log.String(), "deleted expired records") {
		t.Errorf("a failed sweep is logged as a success: %s", log.String())
	}
	if status, _, _ := get(t, r.url+"/livez", ""); status != http.StatusOK {
		t.Errorf("livez: %d", status)
	}
	cut.restore(t)
	awaitSwept(t, d)
}

// Stopping the server ends a sweep at once.
func TestStopEndsASweep(t *testing.T) {
	t.Parallel()
	d := recorded(t)
	release := lock(t, d, "LOCK TABLE idempotency_keys IN ACCESS EXCLUSIVE MODE")
	r := start(t, sweeping(d))
	awaitWaiter(t, d)
	if err := r.stop(); err != nil {
		t.Errorf("stop: %v", err)
	}
	if strings.Contains(r.log.String(), `"WARN"`) {
		t.Errorf("the interrupted sweep logged a warning: %s", r.log)
	}
	release()
	if n := count(t, d, "SELECT count(*) FROM unanswered_creations"); n != oldRecords+1 {
		t.Errorf("the sweep continued: %d creations are left", n)
	}
}

// lock runs a statement that takes a lock, and returns a function that releases the lock.
func lock(t *testing.T, d *dbtest.DB, sql string) (release func()) {
	t.Helper()
	tx, err := d.Pool.Begin(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tx.Exec(context.Background(), sql); err != nil {
		t.Fatal(err)
	}
	release = func() { _ = tx.Rollback(context.Background()) } // a second call does nothing
	t.Cleanup(release)
	return release
}
