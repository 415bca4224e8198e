package db

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// errSilent: the connection was cut because nothing came from it any more.
var errSilent = errors.New("the connection went silent")

// link is the socket of a connection of the pool. It notes when it last heard from
// PostgreSQL, and since when it waits to: a dead network says nothing by itself.
type link struct {
	net.Conn
	links   *links
	waiting atomic.Int64 // when the Read that is under way began; 0: none is
	heard   atomic.Int64 // when bytes last came
	pinged  atomic.Bool  // a ping is under way
	open    atomic.Bool  // it is ready for statements
	dead    atomic.Bool  // it was cut
}

// epoch is when the process began to count time.
var epoch = time.Now()

// clock is the monotonic time in nanoseconds, never 0.
func clock() int64 { return int64(time.Since(epoch)) + 1 }

func (l *link) Read(b []byte) (int, error) {
	l.waiting.Store(clock())
	n, err := l.Conn.Read(b)
	l.waiting.Store(0)
	if n > 0 {
		l.heard.Store(clock())
	}
	if err != nil && l.dead.Load() {
		err = errSilent
	}
	return n, err
}

// Close closes the socket.
func (l *link) Close() error {
	l.links.remove(l)
	return l.Conn.Close()
}

// cut closes the socket of a connection that is dead. A statement under way on it
// fails at once, and pgx neither drains it nor asks the host to cancel anything.
func (l *link) cut() {
	l.dead.Store(true)
	_ = l.Close() // it is given up either way
}

// linkOf returns the socket of a connection of the pool.
func linkOf(conn *pgx.Conn) *link {
	switch c := conn.PgConn().Conn().(type) {
	case *link:
		return c
	case *tls.Conn:
		return c.NetConn().(*link)
	default:
		panic(fmt.Sprintf("db: a connection of %T", c)) // hook.dial makes links only
	}
}

// links are the sockets of the open connections of a pool.
type links struct {
	mu  sync.Mutex
	all map[*link]bool
}

func newLinks() *links { return &links{all: map[*link]bool{}} }

// open notes that a connection is ready for statements.
func (ls *links) open(l *link) {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	l.open.Store(true)
	ls.all[l] = true
}

func (ls *links) remove(l *link) {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	delete(ls.all, l)
}

func (ls *links) count() int {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	return len(ls.all)
}

// where returns the links for which is holds.
func (ls *links) where(is func(*link) bool) (found []*link) {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	for l := range ls.all {
		if is(l) {
			found = append(found, l)
		}
	}
	return found
}

// cancelLimit bounds the request to cancel the statement of a connection that was
// lost, and the wait for PostgreSQL to end its session.
const cancelLimit = time.Second

// hook dials for one connection of the pool: first the connection itself, and later,
// when pgx gives it up under a statement, the request to cancel that.
type hook struct {
	next  pgconn.DialFunc
	links *links
	link  *link // the last one dialed
}

func (h *hook) dial(ctx context.Context, network, address string) (net.Conn, error) {
	if h.link != nil && h.link.open.Load() {
		return h.dialToCancel(ctx, network, address)
	}
	conn, err := h.next(ctx, network, address)
	if err != nil {
		return nil, err
	}
	h.link = &link{Conn: conn, links: h.links}
	return h.link, nil
}

// dialToCancel does not follow a dead connection to its silent host.
func (h *hook) dialToCancel(ctx context.Context, network, address string) (net.Conn, error) {
	if h.link.dead.Load() {
		return nil, errSilent
	}
	limited, cancel := context.WithTimeout(ctx, cancelLimit)
	defer cancel()
	conn, err := h.next(limited, network, address)
	if err != nil {
		return nil, err
	}
	return conn, conn.SetDeadline(time.Now().Add(cancelLimit))
}

// connect opens a connection outside a pool, on a link of its own.
func connect(ctx context.Context, cfg *pgx.ConnConfig) (*pgx.Conn, error) {
	cfg = cfg.Copy()
	own := newLinks()
	cfg.DialFunc = (&hook{next: cfg.DialFunc, links: own}).dial
	conn, err := pgx.ConnectConfig(ctx, cfg)
	if err == nil {
		own.open(linkOf(conn))
	}
	return conn, err
}

// hangUp closes such a connection, which may have gone silent.
func hangUp(conn *pgx.Conn) {
	l := linkOf(conn)
	defer l.cut() // or pgx would drain it for up to 15 s
	if !conn.IsClosed() {
		limited, cancel := context.WithTimeout(context.Background(), cancelLimit)
		defer cancel()
		_ = conn.Close(limited) // it is given up either way
	}
}
