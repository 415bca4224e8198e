package db_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"orgd/internal/db"
	"orgd/internal/dbtest"
)

// While PostgreSQL rejects connections, the pool dials rarely, however many callers wait.
func TestFewDialsWhileConnectionsFail(t *testing.T) {
	t.Parallel()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	var dials atomic.Int64
	go func() {
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			dials.Add(1)
			conn.Close()
		}
	}()
	pool, err := db.Open(context.Background(), "postgres://u@"+ln.Addr().String()+"/d?sslmode=disable", db.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Close()
	callers(16, 4*time.Second, func() {
		if err := ping(context.Background(), pool); !errors.Is(err, db.ErrUnavailable) {
			t.Errorf("%v, want ErrUnavailable", err)
		}
		time.Sleep(time.Millisecond)
	})
	t.Logf("%d dials in 4 s", dials.Load())
	// The pool tries twelve connections before the first one fails, and then about three
	// per second. pgx dials twice for each.
	if n := dials.Load(); n > 80 {
		t.Errorf("%d dials in 4 s, want at most 80", n)
	}
}

// callers calls do repeatedly in n goroutines, for the given time.
func callers(n int, during time.Duration, do func()) {
	var calling sync.WaitGroup
	end := time.Now().Add(during)
	for range n {
		calling.Go(func() {
			for time.Now().Before(end) {
				do()
			}
		})
	}
	calling.Wait()
}

// If PostgreSQL has no connection left, a caller waits for an existing one.
func TestRejectedConnectionsFailNoCaller(t *testing.T) {
	t.Parallel()
	d := dbtest.New(t)
	role := roleName(t, d)
	d.Exec(t, fmt.Sprintf("CREATE ROLE %s LOGIN PASSWORD 'secret' CONNECTION LIMIT 3", role))
	t.Cleanup(func() { d.Exec(t, "DROP ROLE "+role) })
	pool, err := db.Open(context.Background(), changeURL(t, d.URL, func(u *url.URL, _ url.Values) { u.User = url.UserPassword(role, "secret") }), db.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Close()
	if err := ping(context.Background(), pool); err != nil {
		t.Fatal(err)
	}
	var calls, failed atomic.Int64
	callers(16, 2*time.Second, func() {
		err := pool.Read(context.Background(), func(ctx context.Context, q db.Querier) error {
			_, err := q.Exec(ctx, "SELECT pg_sleep(0.01)")
			return err
		})
		calls.Add(1)
		if err != nil {
			failed.Add(1)
			t.Log(err)
		}
	})
	t.Logf("%d calls, %d failed", calls.Load(), failed.Load())
	if failed.Load() > 0 || calls.Load() < 50 {
		t.Errorf("%d calls, %d failed", calls.Load(), failed.Load())
	}
	d.Exec(t, fmt.Sprintf("ALTER ROLE %s CONNECTION LIMIT 30", role))
	await(t, "the pool does not grow again", func() bool {
		callers(16, 100*time.Millisecond, func() {
			if err := ping(context.Background(), pool); err != nil {
				t.Error(err)
			}
		})
		return pool.Stat().TotalConns() > 3
	})
}

// A caller whose attempt to connect failed waits for a connection if a later attempt
// succeeded before the caller could look: PostgreSQL is back.
func TestRecoveryDuringAFailedAttempt(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	d := dbtest.New(t)
	role := roleName(t, d)
	limit := func(n int) { d.Exec(t, fmt.Sprintf("ALTER ROLE %s CONNECTION LIMIT %d", role, n)) }
	d.Exec(t, fmt.Sprintf("CREATE ROLE %s LOGIN PASSWORD 'secret'", role))
	t.Cleanup(func() { d.Exec(t, "DROP ROLE "+role) })
	var pool *db.Pool
	var attempts atomic.Int64
	tracer := afterFailure(func(ctx context.Context) {
		if ctx.Value(tracedCall{}) == nil {
			return
		}
		attempts.Add(1)
		limit(-1)
		await(t, "the pool does not connect again", func() bool { return !pool.IsFailing() })
	})
	pool, err := db.Open(ctx, changeURL(t, d.URL, func(u *url.URL, _ url.Values) { u.User = url.UserPassword(role, "secret") }), db.Options{MaxConns: 3, MaxConnsPerOwner: 3, Tracer: tracer})
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Close()
	await(t, "the pool does not open its idle connections", func() bool { return pool.Stat().IdleConns() == 2 })

	// With both idle connections in use, the next call must connect.
	hold := func(ctx context.Context, then func() error) error {
		return pool.Read(ctx, func(context.Context, db.Querier) error { return then() })
	}
	err = hold(ctx, func() error {
		return hold(ctx, func() error {
			limit(2)
			return ping(context.WithValue(ctx, tracedCall{}, true), pool)
		})
	})
	if err != nil {
		t.Error(err)
	}
	if attempts.Load() == 0 {
		t.Error("no attempt failed")
	}
}

type tracedCall struct{}

// afterFailure is a tracer that is called after each failed attempt to connect.
type afterFailure func(context.Context)

func (afterFailure) TraceQueryStart(ctx context.Context, _ *pgx.Conn, _ pgx.TraceQueryStartData) context.Context {
	return ctx
}
func (afterFailure) TraceQueryEnd(context.Context, *pgx.Conn, pgx.TraceQueryEndData) {}
func (afterFailure) TraceConnectStart(ctx context.Context, _ pgx.TraceConnectStartData) context.Context {
	return ctx
}

func (f afterFailure) TraceConnectEnd(ctx context.Context, data pgx.TraceConnectEndData) {
	if data.Err != nil {
		f(ctx)
	}
}
