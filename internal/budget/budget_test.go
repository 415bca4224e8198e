package budget_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"orgd/internal/budget"
)

const wait = 2 * time.Second

// take opens a hold of the given number of bytes, which must be free.
func take(t *testing.T, b *budget.Budget[string], owner string, bytes int64) *budget.Hold[string] {
	t.Helper()
	h := b.Open(owner)
	ctx, cancel := context.WithCancel(context.Background())
	cancel() // no wait
	if err := h.Reach(ctx, bytes); err != nil {
		t.Fatalf("%s cannot take %d bytes: %v", owner, bytes, err)
	}
	return h
}

func wantNone(t *testing.T, b *budget.Budget[string], owner string, bytes int64) {
	t.Helper()
	h := b.Open(owner)
	defer h.Close()
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := h.Reach(ctx, bytes); !errors.Is(err, context.Canceled) {
		t.Fatalf("%s can take %d bytes: %v", owner, bytes, err)
	}
}

func TestShares(t *testing.T) {
	t.Parallel()
	t.Run("one owner has half", func(t *testing.T) {
		t.Parallel()
		b := budget.New[string](100, wait)
		take(t, b, "a", 50)
		wantNone(t, b, "a", 1)
	})
	t.Run("two owners have a third each", func(t *testing.T) {
		t.Parallel()
		b := budget.New[string](99, wait)
		for range 33 {
			take(t, b, "a", 1)
			take(t, b, "b", 1)
		}
		wantNone(t, b, "a", 1)
		wantNone(t, b, "b", 1)
	})
	t.Run("a new owner always has room", func(t *testing.T) {
		t.Parallel()
		b := budget.New[string](1000, wait)
		for _, owner := range []string{"a", "b", "c", "d", "e", "f"} {
			held := 0
			for h := b.Open(owner); h.Reach(canceled(), int64(held)+1) == nil; held++ {
			}
			if held < 10 {
				t.Errorf("%s has room for only %d bytes", owner, held)
			}
		}
	})
	t.Run("no limit", func(t *testing.T) {
		t.Parallel()
		b := budget.New[string](0, wait)
		take(t, b, "a", 1<<60)
	})
}

func canceled() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return ctx
}

func TestClosedHoldsReleaseTheirBytes(t *testing.T) {
	t.Parallel()
	b := budget.New[string](100, wait)
	h := take(t, b, "a", 50)
	h.Set(20)
	another := take(t, b, "a", 30)
	another.Set(60) // an overdraft counts too
	if got := b.Held(); got != 80 {
		t.Errorf("%d bytes are held, want 80", got)
	}
	wantNone(t, b, "a", 1)
	h.Close()
	another.Close()
	if got := b.Held(); got != 0 {
		t.Errorf("%d bytes are held at the end", got)
	}
}

func TestWaitForBytes(t *testing.T) {
	t.Parallel()
	t.Run("bytes become free", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			b := budget.New[string](100, wait)
			first := take(t, b, "a", 50)
			time.AfterFunc(time.Second, first.Close)
			if err := b.Open("a").Reach(context.Background(), 50); err != nil {
				t.Error(err)
			}
		})
	})
	t.Run("no bytes become free", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			b := budget.New[string](100, wait)
			take(t, b, "a", 50)
			begun := time.Now()
			if err := b.Open("a").Reach(context.Background(), 1); !errors.Is(err, budget.ErrExhausted) {
				t.Error(err)
			}
			if waited := time.Since(begun); waited != wait {
				t.Errorf("waited %s, want %s", waited, wait)
			}
		})
	})
	t.Run("a canceled request unblocks the next", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			b := budget.New[string](100, wait)
			take(t, b, "a", 40)
			ctx, leave := context.WithCancel(context.Background())
			time.AfterFunc(time.Second, leave)
			refused := make(chan error, 1)
			go func() { refused <- b.Open("a").Reach(ctx, 20) }()
			synctest.Wait()
			if err := b.Open("a").Reach(context.Background(), 10); err != nil {
				t.Error(err)
			}
			if err := <-refused; !errors.Is(err, context.Canceled) {
				t.Error(err)
			}
		})
	})
}

// The requests of one owner are served in order, and owners take turns.
func TestOrderOfWaiters(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := budget.New[string](90, wait)
		held := map[string]*budget.Hold[string]{"a": take(t, b, "a", 30), "b": take(t, b, "b", 30)}
		var mu sync.Mutex
		var served []string
		var all sync.WaitGroup
		for _, owner := range []string{"a", "a", "b", "b"} {
			all.Go(func() {
				h := b.Open(owner)
				if err := h.Reach(context.Background(), 30); err != nil {
					t.Error(err)
				}
				mu.Lock()
				served = append(served, owner)
				mu.Unlock()
				time.Sleep(100 * time.Millisecond)
				h.Close()
			})
			synctest.Wait()
		}
		held["a"].Close()
		held["b"].Close()
		all.Wait()
		if slices.Sort(served[:2]); !slices.Equal(served[:2], []string{"a", "b"}) || b.Held() != 0 {
			t.Errorf("served %v, and %d bytes are held", served, b.Held())
		}
	})
}

func TestManyAtOnce(t *testing.T) {
	t.Parallel()
	b := budget.New[int](1000, 10*time.Millisecond)
	var all sync.WaitGroup
	for i := range 64 {
		all.Go(func() {
			for range 200 {
				h := b.Open(i % 5)
				err := h.Reach(context.Background(), rand.Int64N(100))
				if err == nil {
					err = h.Reach(context.Background(), rand.Int64N(200))
				}
				if err != nil && !errors.Is(err, budget.ErrExhausted) {
					t.Error(err)
				}
				if held := b.Held(); held < 0 || held > 1000 {
					t.Errorf("%d bytes are held", held)
				}
				h.Close()
			}
		})
	}
	all.Wait()
	if held := b.Held(); held != 0 {
		t.Errorf("%d bytes are held at the end", held)
	}
	take2(t, b)
}

// take2 checks that no request is left in a queue: each owner can take bytes without
// waiting.
func take2(t *testing.T, b *budget.Budget[int]) {
	t.Helper()
	for owner := range 5 {
		h := b.Open(owner)
		if err := h.Reach(canceled(), 500); err != nil {
			t.Errorf("owner %d: %v", owner, err)
		}
		h.Close()
	}
}

func BenchmarkHold(b *testing.B) {
	shared := budget.New[[16]byte](1<<30, wait)
	b.ReportAllocs()
	for b.Loop() {
		h := shared.Open([16]byte{1})
		if err := h.Reach(context.Background(), 1<<20); err != nil {
			b.Fatal(err)
		}
		h.Set(1 << 10)
		h.Close()
	}
}
