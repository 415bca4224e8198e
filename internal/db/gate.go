package db

import (
	"container/list"
	"context"
	"sync"
	"time"
)

// server is the owner of what no account asked for: key look-ups, probes, sweeps.
var server [16]byte

// gate shares the connections of a pool fairly between owners. A caller takes a
// place before it takes a connection, and gives it back afterwards.
//
// Callers of one owner are served in the order in which they came, and owners in
// turn. The last places, the reserve, go only to owners that hold no place yet, so
// an owner finds one however many the others want.
type gate struct {
	mu       sync.Mutex
	capacity int // places there are now
	reserve  int // of them, for owners that hold none
	held     int
	lanes    map[[16]byte]*lane // of the owners that hold or wait
	waiting  list.List          // of *lane: the owners that wait, the next one first
	spare    []*lane            // for reuse, so that a place costs no allocation
	waits    Waits
}

// lane is one owner at the gate.
type lane struct {
	owner   [16]byte
	held    int
	waiters list.List     // of *waiter
	turn    *list.Element // in gate.waiting; nil without waiters
}

type waiter struct{ admitted chan struct{} }

// Waits counts the callers that found no connection free for their owner.
type Waits struct {
	Waiting int           // wait now
	Served  int64         // waited, and got one
	Time    time.Duration // that the served waited, together
	GivenUp int64         // waited in vain
}

// maxSpare bounds the lanes kept for reuse.
const maxSpare = 64

// newGate returns a gate of so many places; perOwner is how many of them one owner
// may hold, from 1 to capacity.
func newGate(capacity, perOwner int) *gate {
	return &gate{capacity: capacity, reserve: capacity - perOwner, lanes: map[[16]byte]*lane{}}
}

// enter takes a place for the owner, and waits for it until ctx is done. leave is
// to follow, unless there is an error, which is that of ctx.
func (g *gate) enter(ctx context.Context, owner [16]byte) error {
	g.mu.Lock()
	l := g.lane(owner)
	if l.waiters.Len() == 0 && g.admits(l) {
		g.admit(l)
		g.mu.Unlock()
		return nil
	}
	w := &waiter{admitted: make(chan struct{})}
	place := g.queue(l, w)
	g.mu.Unlock()

	begun := time.Now()
	select {
	case <-w.admitted:
		g.mu.Lock()
		defer g.mu.Unlock()
		g.waits.Served++
		g.waits.Time += time.Since(begun)
		return nil
	case <-ctx.Done():
		g.giveUp(l, place)
		return ctx.Err()
	}
}

// leave gives back a place of the owner.
func (g *gate) leave(owner [16]byte) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.release(g.lanes[owner])
}

// setCapacity changes how many places there are. Those that are held stay so: a
// lower capacity counts as they are given back.
func (g *gate) setCapacity(capacity int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.capacity = capacity
	g.serve()
}

func (g *gate) stat() Waits {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.waits
}

// lane returns the owner's lane. All that follow hold the mutex.
func (g *gate) lane(owner [16]byte) *lane {
	l, ok := g.lanes[owner]
	if ok {
		return l
	}
	if last := len(g.spare) - 1; last >= 0 {
		l, g.spare = g.spare[last], g.spare[:last]
	} else {
		l = &lane{}
	}
	l.owner = owner
	g.lanes[owner] = l
	return l
}

// admits says whether the owner may have another place.
func (g *gate) admits(l *lane) bool {
	// With few places left of the capacity, half of them is reserve enough.
	reserve, assured := min(g.reserve, g.capacity/2), 1
	if l.owner == server {
		assured = max(1, reserve) // a sweep must not keep a key look-up waiting
	}
	free := g.capacity - g.held
	return free > reserve || free > 0 && l.held < assured
}

func (g *gate) admit(l *lane) {
	l.held++
	g.held++
}

func (g *gate) queue(l *lane, w *waiter) *list.Element {
	if l.waiters.Len() == 0 {
		g.awaitTurn(l)
	}
	g.waits.Waiting++
	return l.waiters.PushBack(w)
}

// awaitTurn puts an owner behind the others. The server, which wants little, is
// always next: what it does, all wait for.
func (g *gate) awaitTurn(l *lane) {
	if l.owner == server {
		l.turn = g.waiting.PushFront(l)
	} else {
		l.turn = g.waiting.PushBack(l)
	}
}

// serve admits as many as there are places for.
func (g *gate) serve() {
	for g.held < g.capacity && g.serveNext() {
	}
}

func (g *gate) serveNext() bool {
	for turn := g.waiting.Front(); turn != nil; turn = turn.Next() {
		l := turn.Value.(*lane)
		if !g.admits(l) {
			continue
		}
		first := l.waiters.Front()
		g.admit(l)
		close(first.Value.(*waiter).admitted)
		g.dequeue(l, first)
		if l.turn != nil {
			g.waiting.Remove(l.turn)
			g.awaitTurn(l)
		}
		return true
	}
	return false
}

// dequeue takes a caller out of the queue, and its owner with the last one.
func (g *gate) dequeue(l *lane, place *list.Element) {
	l.waiters.Remove(place)
	g.waits.Waiting--
	if l.waiters.Len() == 0 {
		g.waiting.Remove(l.turn)
		l.turn = nil
	}
}

// giveUp is for a caller that waits no longer. If it was admitted at the same
// moment, it gives its place back.
func (g *gate) giveUp(l *lane, place *list.Element) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.waits.GivenUp++
	select {
	case <-place.Value.(*waiter).admitted:
		g.release(l)
	default:
		g.dequeue(l, place)
		g.forget(l)
	}
}

func (g *gate) release(l *lane) {
	l.held--
	g.held--
	g.forget(l)
	g.serve()
}

// forget drops a lane that nobody uses.
func (g *gate) forget(l *lane) {
	if l.held > 0 || l.waiters.Len() > 0 {
		return
	}
	delete(g.lanes, l.owner)
	if len(g.spare) < maxSpare {
		g.spare = append(g.spare, l)
	}
}
