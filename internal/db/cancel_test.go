package db_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"orgd/internal/db"
	"orgd/internal/dbtest"
)

// A caller that is canceled during a short statement costs no connection, and one that is
// canceled during a long statement holds it only a little longer.
func TestCanceledCallers(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		run         func(db.Share, context.Context, func(context.Context, db.Querier) error) error
		seconds     float64
		wantErr     error
		connections int64
	}{
		"a short read":        {db.Share.Read, 0.08, nil, 1},
		"a short write":       {db.Share.Write, 0.08, nil, 1},
		"a short transaction": {db.Share.WriteTx, 0.08, context.Canceled, 1},
		"a long read":         {db.Share.Read, 3600, context.Canceled, 2},
		"a long write":        {db.Share.Write, 3600, context.Canceled, 2},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			pool := poolOfOne(t)
			ctx, cancel := context.WithCancel(t.Context())
			err := c.run(pool.For([16]byte{1}), ctx, func(ctx context.Context, q db.Querier) error {
				time.AfterFunc(20*time.Millisecond, cancel) // while the statement runs
				_, err := q.Exec(ctx, "SELECT pg_sleep($1)", c.seconds)
				return err
			})
			if !errors.Is(err, c.wantErr) {
				t.Errorf("%v, want %v", err, c.wantErr)
			}
			if err := pool.Read(t.Context(), selectOne); err != nil {
				t.Error(err)
			}
			if n := pool.Stat().NewConnsCount(); n != c.connections {
				t.Errorf("%d connections were opened, want %d", n, c.connections)
			}
		})
	}
}

// poolOfOne returns a pool with one connection, which is open.
func poolOfOne(t *testing.T) *db.Pool {
	t.Helper()
	pool, err := db.Open(t.Context(), dbtest.NewURL(t), db.Options{MaxConns: 1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	if err := pool.Read(t.Context(), selectOne); err != nil {
		t.Fatal(err)
	}
	return pool
}
