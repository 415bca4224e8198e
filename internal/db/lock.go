package db

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"time"
)

// LockID returns the id of an advisory lock, or of a turn (see Share.InTurn), for the
// parts, such as the ids of a row. The id is a hash, so that clients cannot choose parts
// that collide with a given lock.
func LockID(parts ...[]byte) int64 {
	digest := sha256.Sum256(slices.Concat(parts...))
	return int64(binary.BigEndian.Uint64(digest[:]))
}

// TryLock takes the advisory lock until the end of q's transaction and reports whether it
// succeeded. It never waits. All advisory locks of a database share one number space.
func TryLock(ctx context.Context, q Querier, id int64) (bool, error) {
	var locked bool
	err := q.QueryRow(ctx, "SELECT pg_try_advisory_xact_lock($1)", id).Scan(&locked)
	return locked, err
}

// Lock is like TryLock, but waits up to the limit. The limit then also bounds the
// transaction's later waits for locks. After false, the transaction can only be rolled
// back.
func Lock(ctx context.Context, q Querier, id int64, limit time.Duration) (bool, error) {
	_, err := q.Exec(ctx, lockWithin, id, strconv.FormatInt(limit.Milliseconds(), 10))
	if isLockTimeout(err) {
		return false, nil
	}
	return err == nil, err
}

const lockWithin = `
WITH bounded AS MATERIALIZED (
  SELECT set_config('lock_timeout', $2, true)
)
SELECT pg_advisory_xact_lock($1)
FROM bounded`

// turnLimit is how long a caller waits for its turn. It leaves enough of a request's time
// for the statement.
const turnLimit = 5 * time.Second

// turns lets callers that need the same lock of the database wait in this process, where
// waiting costs no connection. The lock may be on a row or on a value in a unique index,
// or be an advisory lock. The statement still takes the lock, because other replicas have
// their own turns.
type turns struct {
	mu    sync.Mutex
	lines map[int64][]chan struct{} // the waiting callers of each turn that is taken
}

func newTurns() *turns { return &turns{lines: map[int64][]chan struct{}{}} }

// take waits until the turn is free. Callers are served in the order in which they
// arrive. If ctx ends first, take returns the error of ctx. Without an error, the caller
// must call end.
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

// quit removes a caller from the queue. If its turn came at the same moment, quit passes
// the turn on.
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
		return fmt.Errorf("wait for other calls that hold the same lock: %w", ctx.Err())
	}
	return fmt.Errorf("%w: other calls held the same lock for %s", ErrUnavailable, turnLimit)
}
