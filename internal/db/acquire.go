package db

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

func (p *Pool) withConn(ctx context.Context, owner [16]byte, fn func(context.Context, *pgxpool.Conn) error) error {
	conn, err := p.acquire(ctx, owner)
	if err != nil {
		return err
	}
	defer p.release(conn, func() { p.gate.leave(owner) })
	err = fn(ctx, conn)
	// Check this after every call. Even a call that changed no data waits for the standby
	// when it commits, if it locked a row.
	unreplicated := socketOf(conn.Conn().PgConn()).unreplicated.Swap(false)
	if err == nil && unreplicated {
		return fmt.Errorf("%w: %w", ErrUnavailable, errNotReplicated)
	}
	if err == nil {
		return nil
	}
	lost := conn.Conn().IsClosed() && ctx.Err() == nil
	switch {
	case lost:
		p.doubted.Store(clock())
	case isReadOnly(err):
		p.pool.Reset() // the other connections are to the same host, which is no longer the primary
	}
	if lost {
		return translateLost(err)
	}
	return Translate(err)
}

// acquire takes a place at the gate, and then a connection. The caller must return both
// with release.
func (p *Pool) acquire(ctx context.Context, owner [16]byte) (*pgxpool.Conn, error) {
	waiting, cancel := context.WithTimeout(ctx, p.acquireTimeout)
	defer cancel()
	came := time.Now()
	conn, err := p.enterAndTake(waiting, owner)
	for err != nil && p.mayRetry(waiting, err, came) {
		conn, err = p.enterAndTake(waiting, owner)
	}
	if err == nil {
		return conn, nil
	}
	if ctx.Err() != nil {
		return nil, fmt.Errorf("wait for a connection: %w", ctx.Err())
	}
	return nil, cannotConnect("no connection: ", err)
}

func (p *Pool) enterAndTake(ctx context.Context, owner [16]byte) (*pgxpool.Conn, error) {
	if err := p.gate.enter(ctx, owner); err != nil {
		return nil, err
	}
	conn, err := p.take(ctx)
	if err != nil {
		p.gate.leave(owner)
	}
	return conn, err
}

// take acquires a connection from the pool and checks that it works. It discards
// connections that do not.
func (p *Pool) take(ctx context.Context) (*pgxpool.Conn, error) {
	for {
		conn, err := p.pool.Acquire(ctx)
		if err != nil {
			return nil, err
		}
		if p.answers(ctx, conn) {
			return conn, nil
		}
		p.release(conn, func() {})
	}
}

// release returns a connection to the pool, or closes it if it is unusable. It calls left
// when the connection's place in the pool is free: immediately if the connection is dead,
// but after the close if it is busy.
func (p *Pool) release(conn *pgxpool.Conn, left func()) {
	pg := conn.Conn().PgConn()
	switch {
	case socketOf(pg).dead.Load():
		gone := conn.Hijack()
		left()
		p.closing.Go(func() { end(gone) })
	case pg.IsClosed() || pg.IsBusy() || pg.TxStatus() != 'I':
		p.sockets.remove(socketOf(pg))
		p.closing.Go(func() {
			end(conn.Conn())
			conn.Hijack()
			left()
		})
	default:
		conn.Release()
		left()
	}
}

// end closes a connection, and waits up to cancelLimit for PostgreSQL to end the
// statement.
func end(conn *pgx.Conn) {
	limited, cancel := context.WithTimeout(context.Background(), cancelLimit)
	defer cancel()
	_ = conn.Close(limited) // the connection is discarded even after an error
	select {
	case <-conn.PgConn().CleanupDone():
	case <-limited.Done():
		socketOf(conn.PgConn()).cut()
		<-conn.PgConn().CleanupDone()
	}
}
