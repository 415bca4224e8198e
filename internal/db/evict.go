package db

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

const (
	// pingAfter is how long a connection may be silent before it must answer a ping before
	// its next statement.
	pingAfter = time.Second
	pingLimit = time.Second
)

// take acquires a connection that answers.
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

// answers pings a connection that has been silent for pingAfter. If the ping times out,
// the other silent connections are probably dead too: answers evicts them all, because
// each would cost its caller a second.
func (p *Pool) answers(ctx context.Context, conn *pgxpool.Conn) bool {
	l, began := linkOf(conn.Conn().PgConn()), clock()
	if l.heard.Load() > max(began-int64(pingAfter), p.doubted.Load()) {
		return true
	}
	// A canceled caller must not cost the connection.
	limited, cancel := context.WithTimeout(context.WithoutCancel(ctx), pingLimit)
	defer cancel()
	l.pinged.Store(true)
	err := conn.Ping(limited)
	l.pinged.Store(false)
	if err != nil && limited.Err() != nil {
		l.cut()
		p.evict(ctx, began)
	}
	return err == nil
}

// evict cuts the connections that run no statement and have been silent since then.
func (p *Pool) evict(ctx context.Context, since int64) {
	silent := func(l *link) bool { return l.heard.Load() < since }
	for _, l := range p.links.where(func(l *link) bool { return l.pinged.Load() && silent(l) }) {
		l.cut()
	}
	for _, conn := range p.pool.AcquireAllIdle(ctx) {
		if l := linkOf(conn.Conn().PgConn()); silent(l) {
			l.cut()
		}
		p.release(conn, func() {})
	}
}

// release returns a connection to the pool, or removes it if it is unusable. It calls
// left when the connection's place in the pool is free: at once if it is dead.
func (p *Pool) release(conn *pgxpool.Conn, left func()) {
	pg := conn.Conn().PgConn()
	switch {
	case linkOf(pg).dead.Load():
		gone := conn.Hijack()
		left()
		p.closing.Go(func() { end(gone) })
	case pg.IsClosed() || pg.IsBusy() || pg.TxStatus() != 'I':
		p.links.remove(linkOf(pg))
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

// end closes a connection. PostgreSQL has until cancelLimit to end the statement.
func end(conn *pgx.Conn) {
	limited, cancel := context.WithTimeout(context.Background(), cancelLimit)
	defer cancel()
	_ = conn.Close(limited) // discarded either way
	select {
	case <-conn.PgConn().CleanupDone():
	case <-limited.Done():
		linkOf(conn.PgConn()).cut()
		<-conn.PgConn().CleanupDone()
	}
}
