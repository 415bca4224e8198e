package db_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"orgd/internal/db"
	"orgd/internal/dbtest"
)

// The watchdog does not cut a connection that runs a slow statement or waits for a lock.
func TestSlowStatementsAreNotCut(t *testing.T) {
	t.Parallel()
	d := dbtest.New(t)
	var waiting sync.WaitGroup
	err := d.Conns.WriteTx(context.Background(), func(ctx context.Context, q db.Querier) error {
		if _, err := q.Exec(ctx, "SELECT pg_advisory_xact_lock(1)"); err != nil {
			return err
		}
		for _, sql := range []string{"SELECT pg_sleep(4)", "SELECT pg_advisory_xact_lock(1)", "SELECT generate_series(1, 1000000)"} {
			waiting.Go(func() {
				if err := d.Conns.Write(context.Background(), func(ctx context.Context, q db.Querier) error {
					_, err := q.Exec(ctx, sql)
					return err
				}); err != nil {
					t.Errorf("%s: %v", sql, err)
				}
			})
		}
		time.Sleep(4 * time.Second) // idle in transaction for longer than suspectAfter: this connection must not be cut either
		_, err := q.Exec(ctx, "SELECT 1")
		return err
	})
	if err != nil {
		t.Error(err)
	}
	waiting.Wait()
}

// roleName returns a unique name: roles belong to the whole server.
func roleName(t *testing.T, d *dbtest.DB) (name string) {
	t.Helper()
	if err := d.Pool.QueryRow(context.Background(), "SELECT 'role_' || lower(current_database())").Scan(&name); err != nil {
		t.Fatal(err)
	}
	return name
}

func await(t *testing.T, complaint string, met func() bool) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); !met(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal(complaint)
		}
	}
}

// The pool marks a connection as idle when it is released.
func TestReleasedConnectionsAreIdle(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	conn, err := dbtest.New(t).Conns.Pgx().Acquire(ctx)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Release()
	if err := conn.Ping(ctx); err != nil {
		t.Fatal(err)
	}
	pgxConn := conn.Conn()
	if db.IsIdle(pgxConn) {
		t.Error("a connection in use is marked as idle")
	}
	conn.Release()
	if !db.IsIdle(pgxConn) {
		t.Error("a released connection is not marked as idle")
	}
}
