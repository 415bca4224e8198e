package db_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"orgd/internal/db"
	"orgd/internal/dbtest"
)

func TestMain(m *testing.M) { dbtest.Main(m) }

// Each SQLSTATE has the class in the table, even if a function in the database raises it.
func TestClassesOfErrors(t *testing.T) {
	t.Parallel()
	d := dbtest.New(t)
	for state, want := range map[string]error{
		"23505": db.ErrConflict,
		"23503": db.ErrReference,
		"23514": db.ErrRejected,
		"22001": db.ErrRejected,
		"08006": db.ErrUnavailable,
		"25006": db.ErrUnavailable,
		"40001": db.ErrUnavailable,
		"40P01": db.ErrDeadlock,
		"53100": db.ErrUnavailable,
		"53300": db.ErrUnavailable,
		"55P03": db.ErrUnavailable,
		"57014": db.ErrUnavailable,
		"57P01": db.ErrUnavailable,
		"57P03": db.ErrUnavailable,
		"22P02": nil,
		"42P01": nil,
		"42703": nil,
	} {
		t.Run(state, func(t *testing.T) {
			t.Parallel()
			err := d.Conns.Write(context.Background(), func(ctx context.Context, q db.Querier) error {
				_, err := q.Exec(ctx, fmt.Sprintf(`DO $$ BEGIN RAISE EXCEPTION 'from the test' USING ERRCODE = '%s'; END $$`, state))
				return err
			})
			if err == nil {
				t.Fatalf("%s: no error", state)
			}
			for _, class := range []error{db.ErrConflict, db.ErrReference, db.ErrRejected, db.ErrUnavailable, db.ErrDeadlock, db.ErrNoRows} {
				if errors.Is(err, class) != errors.Is(want, class) {
					t.Errorf("%s is %v, want %v", state, err, want)
				}
			}
		})
	}
}

// A read is not retried after an error in its own statement.
func TestReadIsNotRepeatedForEveryError(t *testing.T) {
	t.Parallel()
	d := dbtest.New(t)
	tries := 0
	err := d.Conns.Read(context.Background(), func(ctx context.Context, q db.Querier) error {
		tries++
		_, err := q.Exec(ctx, "SELECT 1/0")
		return err
	})
	if err == nil || tries != 1 {
		t.Errorf("after %d tries: %v", tries, err)
	}
}

func TestNoRows(t *testing.T) {
	t.Parallel()
	d := dbtest.New(t)
	err := d.Conns.Read(context.Background(), func(ctx context.Context, q db.Querier) error {
		var n int
		return q.QueryRow(ctx, "SELECT 1 WHERE false").Scan(&n)
	})
	if !errors.Is(err, db.ErrNoRows) {
		t.Errorf("%v, want ErrNoRows", err)
	}
}

// A read is retried if its connection breaks.
func TestReadSurvivesALostConnection(t *testing.T) {
	t.Parallel()
	d := dbtest.New(t)
	tries := 0
	err := d.Conns.Read(context.Background(), func(ctx context.Context, q db.Querier) error {
		if tries++; tries == 1 {
			_, err := q.Exec(ctx, "SELECT pg_terminate_backend(pg_backend_pid())")
			return err
		}
		_, err := q.Exec(ctx, "SELECT 1")
		return err
	})
	if err != nil || tries != 2 {
		t.Errorf("after %d tries: %v", tries, err)
	}
}

// A write is not retried if its connection breaks.
func TestWriteIsNotRepeated(t *testing.T) {
	t.Parallel()
	d := dbtest.New(t)
	tries := 0
	err := d.Conns.Write(context.Background(), func(ctx context.Context, q db.Querier) error {
		tries++
		_, err := q.Exec(ctx, "SELECT pg_terminate_backend(pg_backend_pid())")
		return err
	})
	if !errors.Is(err, db.ErrUnavailable) || tries != 1 {
		t.Errorf("after %d tries: %v", tries, err)
	}
}

// A read succeeds even if a migration has invalidated its prepared statement.
func TestReadSurvivesAMigration(t *testing.T) {
	t.Parallel()
	d := dbtest.New(t)
	d.Exec(t, "CREATE TABLE changing (a int)")
	d.Exec(t, "INSERT INTO changing VALUES (1)")
	read := func() error {
		return d.Conns.Read(context.Background(), func(ctx context.Context, q db.Querier) error {
			rows, err := q.Query(ctx, "SELECT * FROM changing")
			if err != nil {
				return err
			}
			rows.Close()
			return rows.Err()
		})
	}
	for range 3 {
		if err := read(); err != nil {
			t.Fatal(err)
		}
	}
	d.Exec(t, "ALTER TABLE changing ADD COLUMN b int")
	if err := read(); err != nil {
		t.Errorf("after the migration: %v", err)
	}
}

func TestFullPoolIsUnavailable(t *testing.T) {
	t.Parallel()
	d := dbtest.New(t)
	pool, err := db.Open(context.Background(), d.URL, db.Options{MaxConns: 1, AcquireTimeout: 50 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Close()
	err = pool.Read(context.Background(), func(ctx context.Context, _ db.Querier) error {
		return ping(ctx, pool)
	})
	if !errors.Is(err, db.ErrUnavailable) {
		t.Errorf("%v, want ErrUnavailable", err)
	}
}

// A statement that waits too long for a lock fails with ErrUnavailable.
func TestLockTimeoutIsUnavailable(t *testing.T) {
	t.Parallel()
	d := dbtest.New(t)
	pool, err := db.Open(context.Background(), d.URL, db.Options{LockTimeout: 50 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Close()
	const lock = "SELECT pg_advisory_xact_lock(1)"
	err = d.Conns.WriteTx(context.Background(), func(ctx context.Context, q db.Querier) error {
		if _, err := q.Exec(ctx, lock); err != nil {
			return err
		}
		return pool.Write(ctx, func(ctx context.Context, q db.Querier) error {
			_, err := q.Exec(ctx, lock)
			return err
		})
	})
	if !errors.Is(err, db.ErrUnavailable) {
		t.Errorf("%v, want ErrUnavailable", err)
	}
}

// PostgreSQL releases the locks of a vanished client after a timeout.
func TestIdleTransactionsEnd(t *testing.T) {
	t.Parallel()
	d := things(t)
	pool, err := db.Open(context.Background(), d.URL, db.Options{IdleTxTimeout: 50 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Close()
	err = pool.WriteTx(context.Background(), func(ctx context.Context, q db.Querier) error {
		if _, err := q.Exec(ctx, "SELECT pg_advisory_xact_lock(1)"); err != nil {
			return err
		}
		// Waits until PostgreSQL ends the idle transaction and releases the lock.
		return d.Conns.WriteTx(ctx, func(ctx context.Context, other db.Querier) error {
			if _, err := other.Exec(ctx, "SELECT pg_advisory_xact_lock(1)"); err != nil {
				return err
			}
			return insert(ctx, q, 1)
		})
	})
	if n := count(t, d); !errors.Is(err, db.ErrUnavailable) || n != 0 {
		t.Errorf("%v, %d rows, want ErrUnavailable and none", err, n)
	}
}

func TestStatementTimeoutIsUnavailable(t *testing.T) {
	t.Parallel()
	d := dbtest.New(t)
	pool, err := db.Open(context.Background(), d.URL, db.Options{StatementTimeout: 50 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Close()
	err = pool.Read(context.Background(), func(ctx context.Context, q db.Querier) error {
		_, err := q.Exec(ctx, "SELECT pg_sleep(60)")
		return err
	})
	if !errors.Is(err, db.ErrUnavailable) {
		t.Errorf("%v, want ErrUnavailable", err)
	}
}

func TestCanceledCaller(t *testing.T) {
	t.Parallel()
	d := dbtest.New(t)
	ctx, cancel := context.WithCancel(context.Background())
	err := d.Conns.Read(ctx, func(ctx context.Context, q db.Querier) error {
		cancel()
		_, err := q.Exec(ctx, "SELECT 1")
		return err
	})
	if !errors.Is(err, context.Canceled) || errors.Is(err, db.ErrUnavailable) {
		t.Errorf("%v, want only Canceled", err)
	}
	if err := ping(context.Background(), d.Conns); err != nil {
		t.Errorf("the pool afterwards: %v", err)
	}
}

// The error names each host that was tried, in one line.
func TestNothingListens(t *testing.T) {
	t.Parallel()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	u := url.URL{Scheme: "postgres", User: url.UserPassword("u", "secret"), Host: ln.Addr().String() + ",localhost:1", Path: "/d"}
	ln.Close()
	pool, err := db.Open(context.Background(), u.String(), db.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Close()
	_, migrateErr := db.MigrateUp(context.Background(), u.String(), fstest.MapFS{"00001_one.sql": {Data: []byte("-- +goose Up\nSELECT 1;")}})
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	var listenErr error
	listener := db.Listener{URL: u.String(), Lost: func(err error) { listenErr = err; cancel() }}
	if err := listener.Run(ctx); err != nil {
		t.Fatal(err)
	}
	for what, err := range map[string]error{"pool": ping(context.Background(), pool), "migration": migrateErr, "listener": listenErr} {
		if refused := (*pgconn.ConnectError)(nil); !errors.As(err, &refused) || !errors.Is(err, db.ErrUnavailable) {
			t.Errorf("%s: %v", what, err)
		}
		text := fmt.Sprint(err)
		if strings.Contains(text, "\n") || strings.Contains(text, "secret") || strings.Count(text, ln.Addr().String()+" (") != 1 || !strings.Contains(text, "; ") {
			t.Errorf("%s: %q, want one line, and each host once", what, text)
		}
	}
}
