package db

import (
	"container/list"
	"context"
	"sync"
	"time"
)

// server is the owner of work that no account requested: key lookups, probes, sweeps.
var server [16]byte

// gate shares the connections of a pool fairly among owners (accounts, and the server
// itself). A caller takes a place before it takes a connection, and returns the place
// afterwards.
//
// Callers of one owner are served in the order in which they arrive, and owners take
// turns. The last places, the reserve, go only to the server and to owners that hold no
// place yet. A few busy owners therefore cannot take all places.
type gate struct {
	mu       sync.Mutex
	capacity int // current number of places
	reserve  int // how many of them are for the server and for owners that hold none
	held     int
	lanes    map[[16]byte]*lane // of the owners that hold a place or wait
	waiting  list.List          // of *lane: the waiting owners, the next one first
	spare    []*lane            // unused lanes, kept to avoid allocations
	waits    Waits
}

// lane holds the state of one owner.
type lane struct {
	owner   [16]byte
	held    int
	waiters list.List     // of *waiter
	turn    *list.Element // in gate.waiting; nil without waiters
}

type waiter struct{ admitted chan struct{} }

// Waits counts the callers that had to wait for a connection.
type Waits struct {
	Waiting int           // callers that wait now
	Served  int64         // callers that waited and got a connection
	Time    time.Duration // total wait of the served callers
	GivenUp int64         // callers that waited and got none
}

// maxSpare bounds the number of lanes that are kept for reuse.
const maxSpare = 64

// newGate returns a gate with capacity places. One owner may hold up to perOwner of them,
// from 1 to capacity.
func newGate(capacity, perOwner int) *gate {
	return &gate{capacity: capacity, reserve: capacity - perOwner, lanes: map[[16]byte]*lane{}}
}

// enter takes a place for the owner. If none is free, it waits until ctx is done and then
// returns the error of ctx. Without an error, the caller must call leave.
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

// leave gives back one of the owner's places.
func (g *gate) leave(owner [16]byte) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.release(g.lanes[owner])
}

// setCapacity changes the number of places. Places that are held stay held: a lower
// capacity takes effect as they are returned.
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

// lane returns the owner's lane. The caller of this method and of those below, except
// giveUp, must hold the mutex.
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

// admits reports whether the owner may take another place.
func (g *gate) admits(l *lane) bool {
	// If the capacity has shrunk, the reserve takes at most half of it.
	reserve, assured := min(g.reserve, g.capacity/2), 1
	if l.owner == server {
		assured = max(1, reserve) // so that a sweep does not make a key lookup wait
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

// awaitTurn puts an account at the end of the queue of owners. The server goes to the
// front: it needs few connections, and every account waits for its work.
func (g *gate) awaitTurn(l *lane) {
	if l.owner == server {
		l.turn = g.waiting.PushFront(l)
	} else {
		l.turn = g.waiting.PushBack(l)
	}
}

// serve admits waiting callers while places are free.
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

// dequeue removes a caller from its queue. If it was the owner's last caller, dequeue also
// removes the owner from the queue of owners.
func (g *gate) dequeue(l *lane, place *list.Element) {
	l.waiters.Remove(place)
	g.waits.Waiting--
	if l.waiters.Len() == 0 {
		g.waiting.Remove(l.turn)
		l.turn = nil
	}
}

// giveUp ends the wait of a caller. If the caller was admitted at the same moment, its
// place is returned.
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

// forget removes a lane that is no longer used.
func (g *gate) forget(l *lane) {
	if l.held > 0 || l.waiters.Len() > 0 {
		return
	}
	delete(g.lanes, l.owner)
	if len(g.spare) < maxSpare {
		g.spare = append(g.spare, l)
	}
}
