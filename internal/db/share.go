package db

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
)

// Share is one owner's view of the pool. Each owner has its own queue for connections and
// may hold a limited number of them.
type Share struct {
	pool   *Pool
	owner  [16]byte
	inTurn bool
	lockID int64 // used only if inTurn is true

	written func() // nil for none
}

// For returns an account's share. The methods of Pool are for work that no account
// requested.
func (p *Pool) For(account [16]byte) Share { return Share{pool: p, owner: account} }

// InTurn returns a share for calls that would wait for each other in the database, such
// as changes to the same row. The calls take turns, in order of arrival, before they take a
// connection, so at most one call of this process waits in the database. See LockID.
func (s Share) InTurn(lockID int64) Share {
	s.inTurn, s.lockID = true, lockID
	return s
}

// AfterWrite returns a share that calls fn after each successful Write and WriteTx, once the
// connection is free again.
func (s Share) AfterWrite(fn func()) Share {
	s.written = fn
	return s
}

// TryTurn takes the turn if no other call of this process has it. If ok is true, the
// caller must call end.
func (s Share) TryTurn(lockID int64) (end func(), ok bool) {
	if !s.pool.turns.try(lockID) {
		return nil, false
	}
	return func() { s.pool.turns.end(lockID) }, true
}

// Read runs fn on a connection. It runs fn again on another connection if the first was
// lost, or if a migration made its prepared statement stale. fn must only read, and must
// assign its results anew on each run.
func (s Share) Read(ctx context.Context, fn func(context.Context, Querier) error) error {
	err := s.with(ctx, fn)
	if ctx.Err() == nil && worthRepeating(err) {
		err = s.with(ctx, fn)
	}
	return err
}

// ReadWithin is Read with a time limit for each statement, which PostgreSQL ends after
// that time. The error is then ErrTimeLimit.
func (s Share) ReadWithin(ctx context.Context, limit time.Duration, fn func(context.Context, Querier) error) error {
	run := func(ctx context.Context, conn *pgxpool.Conn) error {
		return inTx(ctx, conn, func(ctx context.Context, q Querier) error {
			if _, err := q.Exec(ctx, fmt.Sprintf("SET LOCAL statement_timeout = %d", limit.Milliseconds())); err != nil {
				return err
			}
			return fn(ctx, q)
		})
	}
	err := s.withConn(ctx, run)
	if ctx.Err() == nil && worthRepeating(err) {
		err = s.withConn(ctx, run)
	}
	if isTimeLimit(err) {
		return fmt.Errorf("%w: %w", ErrTimeLimit, err)
	}
	return err
}

// Write runs fn once on a connection. After an error, it is unknown whether the
// statements of fn took effect, unless PostgreSQL itself reported the error.
func (s Share) Write(ctx context.Context, fn func(context.Context, Querier) error) error {
	return s.afterWrite(s.with(ctx, fn))
}

// WriteTx is Write with fn's statements in one transaction (READ COMMITTED), which is rolled
// back if fn returns an error.
func (s Share) WriteTx(ctx context.Context, fn func(context.Context, Querier) error) error {
	return s.afterWrite(s.withConn(ctx, func(ctx context.Context, conn *pgxpool.Conn) error { return inTx(ctx, conn, fn) }))
}

func (s Share) afterWrite(err error) error {
	if err == nil && s.written != nil {
		s.written()
	}
	return err
}

func (s Share) with(ctx context.Context, fn func(context.Context, Querier) error) error {
	return s.withConn(ctx, func(ctx context.Context, conn *pgxpool.Conn) error { return fn(ctx, Querier{conn}) })
}

func (s Share) withConn(ctx context.Context, fn func(context.Context, *pgxpool.Conn) error) error {
	if s.inTurn {
		if err := s.pool.awaitTurn(ctx, s.lockID); err != nil {
			return err
		}
		defer s.pool.turns.end(s.lockID)
	}
	return s.pool.withConn(ctx, s.owner, fn)
}
