package db

import (
	"context"
	"errors"
	"runtime"
	"sync"
	"testing"
	"time"
)

// waiting returns the number of callers that wait for a turn.
func (t *turns) waiting(lockID int64) int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return len(t.lines[lockID])
}

func (t *turns) mustBeEmpty(tb testing.TB) {
	tb.Helper()
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.lines) != 0 {
		tb.Errorf("lines are left: %v", t.lines)
	}
}

func TestTurnsComeInOrder(t *testing.T) {
	t.Parallel()
	turns, ctx := newTurns(), context.Background()
	if err := turns.take(ctx, 1); err != nil {
		t.Fatal(err)
	}
	came := make(chan int)
	leaving, leave := context.WithCancel(ctx)
	for i := range 5 {
		go func() {
			if i == 2 {
				if err := turns.take(leaving, 1); !errors.Is(err, context.Canceled) {
					t.Error(err)
				}
			} else if err := turns.take(ctx, 1); err != nil {
				t.Error(err)
			}
			came <- i
		}()
		for turns.waiting(1) != i+1 {
			runtime.Gosched()
		}
	}
	if turns.try(1) {
		t.Error("two callers have the turn")
	}
	leave()
	if i := <-came; i != 2 {
		t.Errorf("caller %d returned before the canceled one", i)
	}
	if !turns.try(2) {
		t.Error("a caller of another lock has to wait")
	}
	turns.end(2)
	for _, want := range []int{0, 1, 3, 4} {
		turns.end(1)
		if i := <-came; i != want {
			t.Errorf("caller %d got the turn, want %d", i, want)
		}
	}
	turns.end(1)
	turns.mustBeEmpty(t)
}

// Under concurrent use, only one caller at a time has the turn for a lock, and no turn is
// lost.
func TestTurnsUnderLoad(t *testing.T) {
	t.Parallel()
	turns := newTurns()
	var had [3]int // the race detector finds concurrent holders
	var all sync.WaitGroup
	for i := range 50 {
		lockID := i % 3
		all.Go(func() {
			for range 50 {
				ctx, cancel := context.WithTimeout(context.Background(), time.Duration(i)*20*time.Microsecond)
				if err := turns.take(ctx, int64(lockID)); err == nil {
					had[lockID]++
					runtime.Gosched()
					turns.end(int64(lockID))
				}
				cancel()
			}
		})
	}
	all.Wait()
	turns.mustBeEmpty(t)
}
