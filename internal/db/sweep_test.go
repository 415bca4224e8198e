package db_test

import (
	"context"
	"testing"

	"orgd/internal/db"
)

const sweepThings = "DELETE FROM things WHERE n IN (SELECT n FROM things WHERE n > 0 ORDER BY n LIMIT $1)"

func TestSweep(t *testing.T) {
	t.Parallel()
	d := things(t)
	d.Exec(t, "INSERT INTO things SELECT generate_series(0, 2000)")
	swept, err := d.Conns.Sweep(context.Background(), 1, sweepThings)
	if err != nil || swept != 2000 || count(t, d) != 1 {
		t.Errorf("swept %d, %v, %d left", swept, err, count(t, d))
	}
}

// Only one replica sweeps at a time.
func TestOnlyOneSweeps(t *testing.T) {
	t.Parallel()
	d := things(t)
	d.Exec(t, "INSERT INTO things VALUES (1)")
	ctx := context.Background()
	err := d.Conns.WriteTx(ctx, func(ctx context.Context, q db.Querier) error {
		if locked, err := db.TryLock(ctx, q, 1); err != nil || !locked {
			t.Errorf("locked %v, %v", locked, err)
		}
		swept, err := d.Conns.Sweep(ctx, 1, sweepThings)
		if swept != 0 {
			t.Errorf("swept %d rows during another sweep", swept)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
	if swept, err := d.Conns.Sweep(ctx, 1, sweepThings); err != nil || swept != 1 {
		t.Errorf("swept %d rows after the other sweep, %v", swept, err)
	}
}
