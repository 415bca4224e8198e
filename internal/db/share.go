package db

import (
	"context"

	"github.com/jackc/pgx/v5/pgxpool"
)

// Share is the pool as one owner sees it: it queues for connections apart from the
// others, and holds only so many of them at once.
type Share struct {
	pool  *Pool
	owner [16]byte
}

// For returns an account's share. The methods of Pool itself are for what no
// account asked for.
func (p *Pool) For(account [16]byte) Share { return Share{pool: p, owner: account} }

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
	return s.withConn(ctx, func(ctx context.Context, conn *pgxpool.Conn) error { return fn(ctx, conn) })
}

func (s Share) withConn(ctx context.Context, fn func(context.Context, *pgxpool.Conn) error) error {
	return s.pool.withConn(ctx, s.owner, fn)
}
