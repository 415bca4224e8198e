package db_test

import (
	"context"
	"errors"
	"testing"

	"orgd/internal/db"
	"orgd/internal/dbtest"
)

const countThings = "SELECT count(*) FROM things"

// things returns a database with a table to write to.
func things(t *testing.T) *dbtest.DB {
	t.Helper()
	d := dbtest.New(t)
	d.Exec(t, "CREATE TABLE things (n integer PRIMARY KEY)")
	return d
}

func count(t *testing.T, d *dbtest.DB) (n int) {
	t.Helper()
	if err := d.Pool.QueryRow(context.Background(), countThings).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

func insert(ctx context.Context, q db.Querier, n int) error {
	_, err := q.Exec(ctx, "INSERT INTO things VALUES ($1)", n)
	return err
}

func TestWriteTxCommits(t *testing.T) {
	t.Parallel()
	d := things(t)
	err := d.Conns.WriteTx(context.Background(), func(ctx context.Context, q db.Querier) error {
		return errors.Join(insert(ctx, q, 1), insert(ctx, q, 2))
	})
	if n := count(t, d); err != nil || n != 2 {
		t.Errorf("%v, %d rows", err, n)
	}
}

// A failed transaction is rolled back, and its connection can be used again.
func TestWriteTxRollsBack(t *testing.T) {
	t.Parallel()
	d := things(t)
	broken := errors.New("broken")
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	for name, c := range map[string]struct {
		fn   func(context.Context, db.Querier) error
		want error
	}{
		"an error": {func(ctx context.Context, q db.Querier) error { return errors.Join(insert(ctx, q, 1), broken) }, broken},
		"a conflict": {func(ctx context.Context, q db.Querier) error {
			return errors.Join(insert(ctx, q, 1), insert(ctx, q, 1))
		}, db.ErrConflict},
		"a canceled caller": {func(ctx context.Context, q db.Querier) error {
			err := insert(ctx, q, 1)
			cancel()
			return errors.Join(err, ctx.Err())
		}, context.Canceled},
	} {
		t.Run(name, func(t *testing.T) {
			if err := d.Conns.WriteTx(ctx, c.fn); !errors.Is(err, c.want) {
				t.Errorf("%s: %v", name, err)
			}
			if n := count(t, d); n != 0 {
				t.Errorf("%s: %d rows", name, n)
			}
		})
		ctx, cancel = context.WithCancel(context.Background())
		defer cancel()
	}
	func() {
		defer func() { _ = recover() }()
		_ = d.Conns.WriteTx(context.Background(), func(ctx context.Context, q db.Querier) error {
			if err := insert(ctx, q, 1); err != nil {
				t.Error(err)
			}
			panic("a panic")
		})
	}()
	if n := count(t, d); n != 0 {
		t.Errorf("a panic: %d rows", n)
	}
	awaitGivenBack(t, d.Conns)
}

// awaitGivenBack waits until no connection is in use, because the pool closes unusable
// connections in the background.
func awaitGivenBack(t *testing.T, pool *db.Pool) {
	t.Helper()
	await(t, "connections were not returned to the pool", func() bool { return pool.Stat().AcquiredConns() == 0 })
}
