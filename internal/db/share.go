package db

import (
	"context"

	"github.com/jackc/pgx/v5/pgxpool"
)

// Share is the pool as one owner sees it: it queues for connections apart from the
// others, and holds only so many of them at once.
type Share struct {
	pool   *Pool
	owner  [16]byte
	inTurn bool
	lockID int64 // with inTurn
}

// For returns an account's share. The methods of Pool itself are for what no
// account asked for.
func (p *Pool) For(account [16]byte) Share { return Share{pool: p, owner: account} }

// InTurn returns the share for a change whose statement waits for an advisory lock.
// Its calls wait for each other before they take a connection, in the order in
// which they came, so that at most one of this process waits in the database.
func (s Share) InTurn(lockID int64) Share {
	s.inTurn, s.lockID = true, lockID
	return s
}

// TryTurn takes an advisory lock's turn in this process if no other call has it.
// end is to follow.
func (s Share) TryTurn(lockID int64) (end func(), ok bool) {
	if !s.pool.turns.try(lockID) {
		return nil, false
	}
	return func() { s.pool.turns.end(lockID) }, true
}

// Read runs fn on a connection of the pool, and once more on another if the
// first was lost or its prepared statement had gone stale under a migration. fn
// must only read, and must assign its results afresh each time.
//
// Errors are as translate makes them.
func (s Share) Read(ctx context.Context, fn func(context.Context, Querier) error) error {
	err := s.with(ctx, fn)
	if ctx.Err() == nil && worthRepeating(err) {
		err = s.with(ctx, fn)
	}
	return err
}

// Write runs fn once on a connection of the pool. After an error nobody knows
// whether fn's statement took effect, unless the error is PostgreSQL's own.
func (s Share) Write(ctx context.Context, fn func(context.Context, Querier) error) error {
	return s.with(ctx, fn)
}

// WriteTx is Write with fn's statements in one transaction (READ COMMITTED),
// which is rolled back if fn returns an error.
func (s Share) WriteTx(ctx context.Context, fn func(context.Context, Querier) error) error {
	return s.withConn(ctx, func(ctx context.Context, conn *pgxpool.Conn) error { return inTx(ctx, conn, fn) })
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
