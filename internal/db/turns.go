package db

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"
)

// turnLimit is how long a caller waits for its turn: what remains of a request's
// time is enough for its statement.
const turnLimit = 5 * time.Second

// turns lets the callers that would wait for the same lock of the database wait in
// the process instead, where waiting costs no connection. The lock stays in the
// statement: it is what keeps replicas apart.
type turns struct {
	mu    sync.Mutex
	lines map[int64][]chan struct{} // by lock, who waits for it; a lock that nobody has is not there
}

func newTurns() *turns { return &turns{lines: map[int64][]chan struct{}{}} }

// take waits until nobody has the turn, first come, first served. end is to follow,
// unless there is an error, which is that of ctx.
func (t *turns) take(ctx context.Context, lockID int64) error {
	next := t.join(lockID)
	if next == nil {
		return nil
	}
	select {
	case <-next:
		return nil
	case <-ctx.Done():
		t.quit(lockID, next)
		return ctx.Err()
	}
}

// try takes the turn if nobody has it.
func (t *turns) try(lockID int64) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if _, taken := t.lines[lockID]; taken {
		return false
	}
	t.lines[lockID] = nil
	return true
}

// end passes the turn on.
func (t *turns) end(lockID int64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.pass(lockID)
}

func (t *turns) pass(lockID int64) {
	line := t.lines[lockID]
	if len(line) == 0 {
		delete(t.lines, lockID)
		return
	}
	close(line[0])
	t.lines[lockID] = line[1:]
}

// join takes the turn, or returns what is closed when it comes.
func (t *turns) join(lockID int64) (next chan struct{}) {
	t.mu.Lock()
	defer t.mu.Unlock()
	line, taken := t.lines[lockID]
	if !taken {
		t.lines[lockID] = nil
		return nil
	}
	next = make(chan struct{})
	t.lines[lockID] = append(line, next)
	return next
}

// quit leaves the line, or passes on the turn that came at the same moment.
func (t *turns) quit(lockID int64, next chan struct{}) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if i := slices.Index(t.lines[lockID], next); i >= 0 {
		t.lines[lockID] = slices.Delete(t.lines[lockID], i, i+1)
		return
	}
	t.pass(lockID)
}

// awaitTurn is take within turnLimit.
func (p *Pool) awaitTurn(ctx context.Context, lockID int64) error {
	waiting, cancel := context.WithTimeout(ctx, turnLimit)
	defer cancel()
	err := p.turns.take(waiting, lockID)
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return fmt.Errorf("wait for a turn: %w", ctx.Err())
	}
	return fmt.Errorf("%w: others have had the turn for %s", ErrUnavailable, turnLimit)
}
