package db

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"
)

// turnLimit is how long a caller waits for its turn. The rest of a request's time is
// enough for its statement.
const turnLimit = 5 * time.Second

// turns makes callers that need the same database lock wait in the process, where a wait
// costs no connection. The statement still takes the lock, which other replicas respect.
type turns struct {
	mu    sync.Mutex
	lines map[int64][]chan struct{} // the waiting callers of each taken lock
}

func newTurns() *turns { return &turns{lines: map[int64][]chan struct{}{}} }

// take waits until the turn is free, first come, first served. Its only error is that of
// ctx. Without an error, the caller must call end.
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

// try takes the turn if it is free.
func (t *turns) try(lockID int64) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if _, taken := t.lines[lockID]; taken {
		return false
	}
	t.lines[lockID] = nil
	return true
}

// end passes the turn to the next caller.
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

// join takes the turn and returns nil, or returns a channel that is closed when the turn
// comes.
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

// quit leaves the queue. If the turn came at the same moment, quit passes it on.
func (t *turns) quit(lockID int64, next chan struct{}) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if i := slices.Index(t.lines[lockID], next); i >= 0 {
		t.lines[lockID] = slices.Delete(t.lines[lockID], i, i+1)
		return
	}
	t.pass(lockID)
}

// awaitTurn is take, limited to turnLimit.
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
