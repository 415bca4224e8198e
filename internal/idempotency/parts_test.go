package idempotency_test

import (
	"context"
	"errors"
	"slices"
	"testing"

	"orgd/internal/db"
	"orgd/internal/idempotency"
	"orgd/internal/uuid"
)

// each runs an effect with three parts, about the organizations 1 to 3.
func (c counter) each(key idempotency.Key, failure error) ([]int, bool, error) {
	return idempotency.OnceEach(context.Background(), c.Conns.For(c.account), key, func(ctx context.Context, q db.Querier) (parts []idempotency.Part[int], err error) {
		var n int
		err = q.QueryRow(ctx, "INSERT INTO effects DEFAULT VALUES RETURNING n").Scan(&n)
		for i := range 3 {
			parts = append(parts, idempotency.Part[int]{OrgID: uuid.UUID{15: byte(i + 1)}, Result: 10*n + i})
		}
		return parts, errors.Join(err, failure)
	})
}

func TestOnceEach(t *testing.T) {
	t.Parallel()
	c := setup(t)
	for i := range 3 {
		results, replayed, err := c.each(c.key("k", "call"), nil)
		if err != nil || replayed != (i > 0) || !slices.Equal(results, []int{10, 11, 12}) {
			t.Errorf("%d: %v %v %v", i, results, replayed, err)
		}
	}
	if _, _, err := c.each(c.key("k", "another call"), nil); !errors.Is(err, idempotency.ErrReused) {
		t.Errorf("another call: %v", err)
	}
	if results, replayed, err := c.each(c.key("k2", "call"), nil); err != nil || replayed || !slices.Equal(results, []int{20, 21, 22}) {
		t.Errorf("another key: %v %v %v", results, replayed, err)
	}
	c.Exec(t, "DELETE FROM idempotency_keys WHERE org_id = $1", uuid.UUID{15: 2})
	for _, key := range []string{"k", "k2"} {
		if results, replayed, err := c.each(c.key(key, "call"), nil); !errors.Is(err, idempotency.ErrIncomplete) || replayed || results != nil {
			t.Errorf("without a part: %v %v %v", results, replayed, err)
		}
	}
	if n := c.effects(t); n != 2 {
		t.Errorf("%d effects", n)
	}
	// After 24 hours, the key can be used again, even if some rows have not been swept.
	c.Exec(t, "UPDATE idempotency_keys SET created_at = created_at - interval '24 hours'")
	if results, replayed, err := c.each(c.key("k", "another call"), nil); err != nil || replayed || !slices.Equal(results, []int{30, 31, 32}) {
		t.Errorf("expired: %v %v %v", results, replayed, err)
	}
	if results, replayed, err := c.each(c.key("k", "another call"), nil); err != nil || !replayed || !slices.Equal(results, []int{30, 31, 32}) {
		t.Errorf("expired, again: %v %v %v", results, replayed, err)
	}
}

// A failed call stores nothing. After an UnstoredError its transaction is committed.
func TestOnceEachThatFails(t *testing.T) {
	t.Parallel()
	c := setup(t)
	broken := errors.New("broken")
	for n, failure := range []error{broken, idempotency.UnstoredError{Err: broken}} {
		if results, replayed, err := c.each(c.key("k", "call"), failure); !errors.Is(err, broken) || replayed || results != nil || c.effects(t) != n {
			t.Errorf("%T: %v %v %v, %d effects", failure, results, replayed, err, c.effects(t))
		}
	}
	if _, replayed, err := c.each(c.key("k", "another call"), nil); err != nil || replayed {
		t.Errorf("another call: %v %v", replayed, err)
	}
}
