package db

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// errSilent: the connection was cut because it went silent.
var errSilent = errors.New("the connection went silent")

// link is the socket of a connection of the pool. It records when PostgreSQL last sent
// bytes, and since when a Read waits: a dead network reports no error.
type link struct {
	net.Conn
	links   *links
	waiting atomic.Int64 // when the current Read began; 0 if there is none
	heard   atomic.Int64 // when bytes last arrived
	pinged  atomic.Bool  // a ping is in flight
	open    atomic.Bool  // it is ready for statements
	dead    atomic.Bool  // it was cut
	hosts   *hosts
	address string
	isTrial bool
	backend backend // constant once the connection is open

	unreplicated atomic.Bool // a commit did not wait for its standby
}

// epoch is the zero of clock.
var epoch = time.Now()

// clock returns the monotonic time in nanoseconds, never 0.
func clock() int64 { return int64(time.Since(epoch)) + 1 }

func (l *link) Read(b []byte) (int, error) {
	l.waiting.Store(clock())
	n, err := l.Conn.Read(b)
	l.waiting.Store(0)
	if n > 0 {
		l.heard.Store(clock())
	}
	if err != nil {
		err = l.explain(err)
	}
	return n, err
}

func (l *link) explain(err error) error {
	if l.dead.Load() {
		return errSilent
	}
	if !l.open.Load() && errors.Is(err, os.ErrDeadlineExceeded) {
		l.hosts.wasSilent(l.address)
	}
	return err
}

// Close closes the socket.
func (l *link) Close() error {
	l.links.remove(l)
	return l.Conn.Close()
}

// cut closes the socket of a dead connection. Its statement fails at once, and pgx
// neither drains the connection nor sends a cancel request to the host.
func (l *link) cut() {
	l.dead.Store(true)
	_ = l.Close() // discarded either way
}

// linkOf returns the socket of a connection that a hook dialed.
func linkOf(conn *pgconn.PgConn) *link {
	switch c := conn.Conn().(type) {
	case *link:
		return c
	case *tls.Conn:
		return c.NetConn().(*link)
	default:
		panic(fmt.Sprintf("db: a connection of %T", c)) // hook.dial returns only links
	}
}

// links are the sockets of the open connections of a pool.
type links struct {
	changed func() // called when a connection is closed
	mu      sync.Mutex
	all     map[*link]bool
}

func newLinks(changed func()) *links { return &links{changed: changed, all: map[*link]bool{}} }

// open records that a connection is ready for statements.
func (ls *links) open(l *link) error {
	l.hosts.answered(l.address)
	l.open.Store(true)
	ls.mu.Lock()
	defer ls.mu.Unlock()
	ls.all[l] = true
	return l.SetDeadline(time.Time{}) // clears the deadline of a host that was silent before
}

func (ls *links) remove(l *link) {
	ls.mu.Lock()
	_, there := ls.all[l]
	delete(ls.all, l)
	ls.mu.Unlock()
	if there {
		ls.changed()
	}
}

func (ls *links) count() int {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	return len(ls.all)
}

// where returns the links for which is returns true.
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

// cancelLimit bounds the request to cancel the statement of a lost connection, and the
// wait for PostgreSQL to end its session.
const cancelLimit = time.Second

// hook dials for one connection: first for the connection itself, and later for the
// request to cancel its statement, if pgx gives up the connection.
type hook struct {
	next  pgconn.DialFunc
	links *links
	hosts *hosts

	// A failed attempt may still dial to cancel while the next one dials.
	mu     sync.Mutex
	dialed []*link

	isTrial bool // see backoff.begin
}

func (h *hook) dial(ctx context.Context, network, address string) (net.Conn, error) {
	if l := h.opened(); l != nil {
		return h.dialToCancel(ctx, l, network, address)
	}
	limit := h.hosts.limit(address)
	conn, err := dialWithin(ctx, limit, h.next, network, address)
	if err != nil {
		if timeout, ok := errors.AsType[net.Error](err); ok && timeout.Timeout() {
			h.hosts.wasSilent(address)
		}
		return nil, err
	}
	l := &link{Conn: conn, links: h.links, hosts: h.hosts, address: address, isTrial: h.isTrial}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.dialed = append(h.dialed, l)
	return l, nil
}

// opened returns the link that became the connection, or nil.
func (h *hook) opened() *link {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, l := range h.dialed {
		if l.open.Load() {
			return l
		}
	}
	return nil
}

// dialToCancel does not dial the silent host of a dead connection.
func (h *hook) dialToCancel(ctx context.Context, l *link, network, address string) (net.Conn, error) {
	if l.dead.Load() {
		return nil, errSilent
	}
	return dialWithin(ctx, cancelLimit, h.next, network, address)
}

// dialWithin opens a socket whose deadline is the limit; 0 is no limit.
func dialWithin(ctx context.Context, limit time.Duration, dial pgconn.DialFunc, network, address string) (net.Conn, error) {
	if limit == 0 {
		return dial(ctx, network, address)
	}
	limited, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	conn, err := dial(limited, network, address)
	if err != nil {
		return nil, err
	}
	return conn, conn.SetDeadline(time.Now().Add(limit))
}

// connect opens a connection outside the pool.
func connect(ctx context.Context, cfg *pgx.ConnConfig) (*pgx.Conn, error) {
	cfg = cfg.Copy()
	own := newLinks(func() {})
	cfg.DialFunc = (&hook{next: cfg.DialFunc, links: own, hosts: newHosts(cfg)}).dial
	conn, err := pgx.ConnectConfig(ctx, cfg)
	if err != nil {
		return nil, err
	}
	return conn, own.open(linkOf(conn.PgConn()))
}

// hangUp closes a connection of connect, which may have gone silent.
func hangUp(conn *pgx.Conn) {
	l := linkOf(conn.PgConn())
	defer l.cut() // or pgx would drain it for up to 15 s
	if !conn.IsClosed() {
		limited, cancel := context.WithTimeout(context.Background(), cancelLimit)
		defer cancel()
		_ = conn.Close(limited) // discarded either way
	}
}
