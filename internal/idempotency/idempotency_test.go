package idempotency_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"orgd/internal/db"
	"orgd/internal/dbtest"
	"orgd/internal/idempotency"
	"orgd/internal/uuid"
)

func TestMain(m *testing.M) { dbtest.Main(m) }

// counter provides an effect that a test can count: each run adds a row.
type counter struct {
	*dbtest.DB
	account uuid.UUID
}

type counted struct {
	N    int
	Time time.Time
}

func setup(t *testing.T) counter {
	t.Helper()
	d := dbtest.New(t)
	d.Exec(t, "CREATE TABLE effects (n integer GENERATED ALWAYS AS IDENTITY)")
	return counter{DB: d, account: d.Account(t)}
}

func (c counter) key(name, call string) idempotency.Key {
	return idempotency.NewKey(c.account, "count", name, []byte(call))
}

func (c counter) once(key idempotency.Key) (counted, bool, error) {
	return idempotency.Once(context.Background(), c.Conns.For(c.account), key, nil, func(ctx context.Context, q db.Querier) (counted, error) {
		r := counted{Time: time.Date(2026, 1, 1, 0, 0, 0, 1000, time.UTC)}
		err := q.QueryRow(ctx, "INSERT INTO effects DEFAULT VALUES RETURNING n").Scan(&r.N)
		return r, err
	})
}

func (c counter) effects(t *testing.T) (n int) {
	t.Helper()
	if err := c.Pool.QueryRow(context.Background(), "SELECT count(*) FROM effects").Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

func TestOnce(t *testing.T) {
	t.Parallel()
	c := setup(t)
	first, replayed, err := c.once(c.key("k", "call"))
	if err != nil || replayed {
		t.Fatalf("first: %+v %v %v", first, replayed, err)
	}
	for range 3 {
		again, replayed, err := c.once(c.key("k", "call"))
		if err != nil || !replayed || again != first {
			t.Errorf("again: %+v %v %v, want %+v", again, replayed, err, first)
		}
	}
	if _, _, err := c.once(c.key("k", "another call")); !errors.Is(err, idempotency.ErrReused) {
		t.Errorf("another call: %v", err)
	}
	others := map[string]idempotency.Key{
		"another name":      c.key("k2", "call"),
		"another operation": idempotency.NewKey(c.account, "other", "k", []byte("call")),
		"another account":   idempotency.NewKey(uuid.UUID{}, "count", "k", []byte("call")),
	}
	for name, key := range others {
		t.Run(name, func(t *testing.T) {
			if _, replayed, err := c.once(key); err != nil || replayed {
				t.Errorf("replayed %v, %v", replayed, err)
			}
		})
	}
	if n := c.effects(t); n != 1+len(others) {
		t.Errorf("%d effects", n)
	}
}

// A failed call stores nothing, and its key can be used again.
func TestFailureIsNotStored(t *testing.T) {
	t.Parallel()
	c := setup(t)
	broken := errors.New("broken")
	_, _, err := idempotency.Once(context.Background(), c.Conns.For(c.account), c.key("k", ""), nil, func(ctx context.Context, q db.Querier) (counted, error) {
		if _, err := q.Exec(ctx, "INSERT INTO effects DEFAULT VALUES"); err != nil {
			return counted{}, err
		}
		return counted{}, broken
	})
	if !errors.Is(err, broken) || c.effects(t) != 0 {
		t.Errorf("%v, %d effects", err, c.effects(t))
	}
	if _, replayed, err := c.once(c.key("k", "")); err != nil || replayed || c.effects(t) != 1 {
		t.Errorf("again: %v %v, %d effects", replayed, err, c.effects(t))
	}
}

// An UnstoredError stores nothing either, but its transaction is committed.
func TestUnstoredErrorIsCommitted(t *testing.T) {
	t.Parallel()
	c := setup(t)
	taken := errors.New("taken")
	for n := range 2 {
		result, replayed, err := idempotency.Once(context.Background(), c.Conns.For(c.account), c.key("k", ""), nil, func(ctx context.Context, q db.Querier) (r counted, err error) {
			err = q.QueryRow(ctx, "INSERT INTO effects DEFAULT VALUES RETURNING n").Scan(&r.N)
			return r, errors.Join(err, idempotency.UnstoredError{Err: taken})
		})
		if !errors.Is(err, taken) || replayed || result.N != n+1 || c.effects(t) != n+1 {
			t.Errorf("%+v %v %v, %d effects", result, replayed, err, c.effects(t))
		}
	}
	if _, replayed, err := c.once(c.key("k", "another call")); err != nil || replayed {
		t.Errorf("another call: %v %v", replayed, err)
	}
}

func TestConcurrentCallsWithOneKey(t *testing.T) {
	t.Parallel()
	c := setup(t)
	var calls sync.WaitGroup
	for range 50 {
		calls.Go(func() {
			if r, _, err := c.once(c.key("k", "")); err != nil && !errors.Is(err, idempotency.ErrInProgress) {
				t.Errorf("%+v: %v", r, err)
			}
		})
	}
	calls.Wait()
	if n := c.effects(t); n != 1 {
		t.Errorf("%d effects", n)
	}
}

// A retry that arrives during the first call fails with ErrInProgress instead of waiting.
func TestRepeatOfACallInProgress(t *testing.T) {
	t.Parallel()
	c := setup(t)
	_, _, err := idempotency.Once(context.Background(), c.Conns.For(c.account), c.key("k", ""), nil, func(context.Context, db.Querier) (counted, error) {
		if _, _, err := c.once(c.key("k", "")); !errors.Is(err, idempotency.ErrInProgress) {
			t.Errorf("the retry: %v", err)
		}
		return counted{}, nil
	})
	if err != nil || c.effects(t) != 0 {
		t.Errorf("%v, %d effects", err, c.effects(t))
	}
}

// A key can be used again after 24 hours, even if its row has not been swept.
func TestResultsExpire(t *testing.T) {
	t.Parallel()
	c := setup(t)
	for _, name := range []string{"old", "older", "young"} {
		if _, _, err := c.once(c.key(name, "call")); err != nil {
			t.Fatal(err)
		}
	}
	c.Exec(t, "UPDATE idempotency_keys SET created_at = created_at - interval '24 hours'")
	c.Exec(t, "UPDATE idempotency_keys SET created_at = created_at + interval '1 minute' WHERE key_digest = sha256('count\\000young'::bytea)")
	if _, replayed, err := c.once(c.key("old", "another call")); err != nil || replayed {
		t.Errorf("old: %v %v", replayed, err)
	}
	if _, replayed, err := c.once(c.key("old", "another call")); err != nil || !replayed {
		t.Errorf("old, used again: %v %v", replayed, err)
	}
	if swept, err := idempotency.Sweep(context.Background(), c.Conns); err != nil || swept != 1 {
		t.Errorf("swept %d, %v", swept, err)
	}
	if _, replayed, err := c.once(c.key("young", "call")); err != nil || !replayed {
		t.Errorf("young: %v %v", replayed, err)
	}
}

// During an upgrade, the other release may store a version of the result that this
// release cannot read. A retry then fails and has no effect.
func TestResultOfALaterVersion(t *testing.T) {
	t.Parallel()
	c := setup(t)
	if _, _, err := c.once(c.key("k", "call")); err != nil {
		t.Fatal(err)
	}
	c.Exec(t, `UPDATE idempotency_keys SET result = result || '{"Version": 2}'`)
	if _, _, err := c.once(c.key("k", "call")); err == nil || c.effects(t) != 1 {
		t.Errorf("%v, %d effects", err, c.effects(t))
	}
}
