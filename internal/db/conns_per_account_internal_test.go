package db

import (
	"context"
	"errors"
	"math/rand/v2"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

var greedy, second, third, fourth = [16]byte{1}, [16]byte{2}, [16]byte{3}, [16]byte{4}

// mustEnter fails unless each owner gets a place without waiting.
func (g *gate) mustEnter(t *testing.T, owners ...[16]byte) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	for i, owner := range owners {
		if err := g.enter(ctx, owner); err != nil {
			t.Fatalf("owner %d, caller %d of %d has to wait", owner[0], i+1, len(owners))
		}
	}
}

// mustWait fails if the owner gets a place without waiting.
func (g *gate) mustWait(t *testing.T, owner [16]byte) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := g.enter(ctx, owner); !errors.Is(err, context.Canceled) {
		t.Fatalf("owner %d did not have to wait: %v", owner[0], err)
	}
}

// enterLater waits for a place in the background, and sends the name when the gate admits
// the owner.
func (g *gate) enterLater(t *testing.T, admitted chan<- string, owner [16]byte, name string) {
	t.Helper()
	before := g.stat().Waiting
	go func() {
		if err := g.enter(context.Background(), owner); err != nil {
			t.Error(err)
		}
		admitted <- name
	}()
	for g.stat().Waiting == before {
		runtime.Gosched()
	}
}

// mustBeEmpty fails if the gate still has an owner or a waiting caller.
func (g *gate) mustBeEmpty(t *testing.T) {
	t.Helper()
	if g.held != 0 || len(g.lanes) != 0 || g.waiting.Len() != 0 || g.stat().Waiting != 0 {
		t.Errorf("%d held, %d lanes, %d owners and %d callers wait", g.held, len(g.lanes), g.waiting.Len(), g.stat().Waiting)
	}
}

func times(n int, owner [16]byte) [][16]byte {
	owners := make([][16]byte, n)
	for i := range owners {
		owners[i] = owner
	}
	return owners
}

func TestGateKeepsPlacesForOthers(t *testing.T) {
	t.Parallel()
	t.Run("from one owner", func(t *testing.T) {
		t.Parallel()
		g := newGate(10, 8)
		g.mustEnter(t, times(8, greedy)...)
		g.mustWait(t, greedy)
		g.mustEnter(t, second)
		g.mustWait(t, second) // it already holds a place, and the last one is reserved
		g.mustEnter(t, third)
		g.mustWait(t, fourth)
	})
	t.Run("from several owners", func(t *testing.T) {
		t.Parallel()
		g := newGate(10, 8)
		g.mustEnter(t, append(times(4, greedy), times(4, second)...)...)
		g.mustWait(t, greedy)
		g.mustWait(t, second)
		g.mustEnter(t, third, fourth)
	})
	t.Run("for the server", func(t *testing.T) {
		t.Parallel()
		g := newGate(10, 8)
		g.mustEnter(t, times(8, greedy)...)
		g.mustEnter(t, server, server)
		g.mustWait(t, server)
	})
	t.Run("unless there is only one place", func(t *testing.T) {
		t.Parallel()
		g := newGate(1, 1)
		g.mustEnter(t, greedy)
		g.mustWait(t, server)
		g.leave(greedy)
		g.mustEnter(t, server)
	})
	t.Run("unless one owner may hold all places", func(t *testing.T) {
		t.Parallel()
		g := newGate(10, 10)
		g.mustEnter(t, times(10, greedy)...)
	})
}

func TestGateServesOwnersInTurn(t *testing.T) {
	t.Parallel()
	g := newGate(2, 2)
	g.mustEnter(t, greedy, greedy)
	admitted := make(chan string)
	for _, name := range []string{"greedy 1", "greedy 2", "greedy 3"} {
		g.enterLater(t, admitted, greedy, name)
	}
	g.enterLater(t, admitted, second, "second 1")
	g.enterLater(t, admitted, second, "second 2")
	g.enterLater(t, admitted, third, "third 1")
	g.enterLater(t, admitted, server, "server 1")
	last := greedy
	for i, want := range []string{"server 1", "greedy 1", "second 1", "third 1", "greedy 2", "second 2", "greedy 3"} {
		g.leave(last)
		if got := <-admitted; got != want {
			t.Fatalf("admission %d is %s, want %s", i+1, got, want)
		}
		last = map[byte][16]byte{'g': greedy, 's': second, 't': third}[want[0]]
		if want == "server 1" {
			last = server
		}
	}
	g.leave(greedy)
	g.leave(greedy)
	g.mustBeEmpty(t)
	if waits := g.stat(); waits.Served != 7 || waits.Time <= 0 || waits.GivenUp != 0 {
		t.Errorf("%+v", waits)
	}
}

// Callers are admitted in order, except that a caller may overtake one whose owner must
// still wait.
func TestGateQueues(t *testing.T) {
	t.Parallel()
	g := newGate(4, 3)
	g.mustEnter(t, times(3, greedy)...)
	admitted := make(chan string)
	g.enterLater(t, admitted, greedy, "greedy")
	g.mustEnter(t, second)
	g.mustWait(t, greedy)
	g.enterLater(t, admitted, third, "third")
	g.leave(second)
	if got := <-admitted; got != "third" { // the last place is reserved for another owner
		t.Errorf("%s came first", got)
	}
	g.leave(third)
	g.leave(greedy)
	if got := <-admitted; got != "greedy" {
		t.Errorf("%s came second", got)
	}
	for range 3 {
		g.leave(greedy)
	}
	g.mustBeEmpty(t)
}

func TestGateWithAnotherCapacity(t *testing.T) {
	t.Parallel()
	g := newGate(10, 8)
	g.mustEnter(t, times(5, greedy)...)
	g.setCapacity(3)
	g.mustWait(t, second) // the 5 places in use stay in use
	for range 3 {
		g.leave(greedy)
	}
	g.mustEnter(t, second) // it takes the last of 3 places, which is reserved
	admitted := make(chan string)
	g.enterLater(t, admitted, greedy, "greedy")
	g.enterLater(t, admitted, third, "third")
	g.setCapacity(10)
	<-admitted
	<-admitted
	for _, owner := range append(times(3, greedy), second, third) {
		g.leave(owner)
	}
	g.mustBeEmpty(t)
}

// The limits also apply under concurrent use, and the gate is empty at the end.
func TestGateUnderLoad(t *testing.T) {
	t.Parallel()
	const capacity, perOwner, owners = 7, 5, 20
	g := newGate(capacity, perOwner)
	var held atomic.Int64
	var heldBy [owners]atomic.Int64
	var all sync.WaitGroup
	for i := range 100 {
		owner := [16]byte{byte(i % owners * (i % 3 / 2))} // many belong to the server or to one owner
		all.Go(func() {
			for range 50 {
				ctx, cancel := context.WithTimeout(context.Background(), rand.N(time.Millisecond))
				if err := g.enter(ctx, owner); err == nil {
					if n, of := held.Add(1), heldBy[owner[0]].Add(1); n > capacity || of > perOwner {
						t.Errorf("%d callers hold places, %d of them for owner %d", n, of, owner[0])
					}
					runtime.Gosched()
					heldBy[owner[0]].Add(-1)
					held.Add(-1)
					g.leave(owner)
				}
				cancel()
			}
		})
	}
	all.Wait()
	g.mustBeEmpty(t)
}

func TestGateCostsNoAllocation(t *testing.T) { //nolint:paralleltest // testing.AllocsPerRun must be alone
	g := newGate(10, 8)
	ctx := context.Background()
	if n := testing.AllocsPerRun(1000, func() {
		if err := g.enter(ctx, greedy); err != nil {
			t.Error(err)
		}
		g.leave(greedy)
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkGate(b *testing.B) {
	g := newGate(10, 8)
	ctx := context.Background()
	b.ReportAllocs()
	for b.Loop() {
		if err := g.enter(ctx, greedy); err != nil {
			b.Error(err)
		}
		g.leave(greedy)
	}
}
