package db_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

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
	for deadline := time.Now().Add(2 * time.Minute); !met(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal(complaint)
		}
	}
}

// pgx may read from a connection in the background until its next statement. Such a Read
// waits for no answer, however long the transaction pauses.
func TestPausedTransactionsAreNotCut(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	conn, err := dbtest.New(t).Conns.Pgx().Acquire(ctx)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Release()
	tx, err := conn.Begin(ctx)
	if err != nil {
		t.Fatal(err)
	}
	stop := db.ReadInBackground(conn.Conn())
	time.Sleep(4 * time.Second) // longer than suspectAfter, so the watchdog looks several times
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	if err := tx.Commit(ctx); err != nil {
		t.Error(err)
	}
}

// A connection is busy from the start of a statement until its answer is read to the end.
func TestBusyConnections(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	d := dbtest.New(t)
	d.Exec(t, "CREATE TABLE things (n integer)")
	for name, run := range map[string]func(conn *pgx.Conn, during func()) error{
		"query": func(conn *pgx.Conn, during func()) error {
			rows, err := conn.Query(ctx, "SELECT 1")
			if err != nil {
				return err
			}
			during()
			rows.Close()
			return rows.Err()
		},
		"failed query": func(conn *pgx.Conn, during func()) error {
			rows, err := conn.Query(ctx, "SELECT 1 / $1::integer", 0)
			if err != nil {
				return err
			}
			during()
			rows.Close()
			if rows.Err() == nil {
				return errors.New("the query succeeded")
			}
			return nil
		},
		"batch": func(conn *pgx.Conn, during func()) error {
			var b pgx.Batch
			b.Queue("SELECT 1")
			b.Queue("SELECT 2")
			results := conn.SendBatch(ctx, &b)
			_, err := results.Exec()
			during()
			return errors.Join(err, results.Close())
		},
		"copy": func(conn *pgx.Conn, during func()) error {
			_, err := conn.CopyFrom(ctx, pgx.Identifier{"things"}, []string{"n"}, pgx.CopyFromSlice(1, func(i int) ([]any, error) {
				during()
				return []any{i}, nil
			}))
			return err
		},
	} {
		for traced, tracer := range map[string]db.Tracer{"": nil, " with a tracer": noTracer{}} {
			t.Run(name+traced, func(t *testing.T) {
				t.Parallel()
				pool, err := db.Open(ctx, d.URL, db.Options{Tracer: tracer})
				if err != nil {
					t.Fatal(err)
				}
				defer pool.Close()
				conn, err := pool.Pgx().Acquire(ctx)
				if err != nil {
					t.Fatal(err)
				}
				defer conn.Release()
				var calls int
				if err := run(conn.Conn(), func() {
					calls++
					if !db.IsBusy(conn.Conn()) {
						t.Error("not busy before the answer is read")
					}
				}); err != nil {
					t.Fatal(err)
				}
				if calls != 1 {
					t.Errorf("%d calls, want 1", calls)
				}
				if db.IsBusy(conn.Conn()) {
					t.Error("still busy after the answer was read")
				}
			})
		}
	}
}

// noTracer is a tracer that does nothing.
type noTracer struct{}

func (noTracer) TraceQueryStart(ctx context.Context, _ *pgx.Conn, _ pgx.TraceQueryStartData) context.Context {
	return ctx
}
func (noTracer) TraceQueryEnd(context.Context, *pgx.Conn, pgx.TraceQueryEndData) {}
