package db_test

import (
	"context"
	"errors"
	"testing"

	"github.com/jackc/pgx/v5"

	"orgd/internal/db"
)

// A function inside Write gets translated errors, so it can check their class.
func TestQuerierTranslatesErrors(t *testing.T) {
	t.Parallel()
	d := things(t)
	d.Exec(t, "INSERT INTO things VALUES (1)")
	for name, c := range map[string]struct {
		run  func(context.Context, db.Querier) error
		want error
	}{
		"Exec": {func(ctx context.Context, q db.Querier) error { return insert(ctx, q, 1) }, db.ErrConflict},
		"QueryRow": {func(ctx context.Context, q db.Querier) error {
			var n int
			return q.QueryRow(ctx, "SELECT n FROM things WHERE n = 2").Scan(&n)
		}, db.ErrNoRows},
		"QueryRow of a write": {func(ctx context.Context, q db.Querier) error {
			var n int
			return q.QueryRow(ctx, "INSERT INTO things VALUES (1) RETURNING n").Scan(&n)
		}, db.ErrConflict},
		"One without a row": {func(ctx context.Context, q db.Querier) error {
			rows, err := q.Query(ctx, "SELECT n FROM things WHERE n = 2")
			if err != nil {
				return err
			}
			_, err = db.One(rows, pgx.RowTo[int])
			return err
		}, db.ErrNoRows},
		"One of a write": {func(ctx context.Context, q db.Querier) error {
			rows, err := q.Query(ctx, "INSERT INTO things VALUES (1) RETURNING n")
			if err != nil {
				return err
			}
			_, err = db.One(rows, pgx.RowTo[int])
			return err
		}, db.ErrConflict},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var inside error
			err := d.Conns.Write(context.Background(), func(ctx context.Context, q db.Querier) error {
				inside = c.run(ctx, q)
				return inside
			})
			if !errors.Is(inside, c.want) {
				t.Errorf("inside: %v, want %v", inside, c.want)
			}
			// Write translates the error again, which must not change it.
			if err == nil || err.Error() != inside.Error() {
				t.Errorf("outside: %v, inside: %v", err, inside)
			}
		})
	}
}
