package db

import (
	"context"
	"errors"
	"net"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// cancelLimit bounds the request to cancel the statement of a lost connection, and the
// wait for PostgreSQL to end its session.
const cancelLimit = time.Second

// hook dials for one connection: first for the connection itself, and later for the
// request to cancel its statement, if pgx gives up the connection.
type hook struct {
	next    pgconn.DialFunc
	sockets *sockets
	hosts   *hosts

	// A failed attempt may still dial to cancel while the next one dials.
	mu     sync.Mutex
	dialed []*socket

	isTrial bool // see backoff.begin
}

func (h *hook) dial(ctx context.Context, network, address string) (net.Conn, error) {
	if s := h.opened(); s != nil {
		return h.dialToCancel(ctx, s, network, address)
	}
	limit := h.hosts.limit(address)
	conn, err := dialWithin(ctx, limit, h.next, network, address)
	if err != nil {
		if timeout, ok := errors.AsType[net.Error](err); ok && timeout.Timeout() {
			h.hosts.wasSilent(address)
		}
		return nil, err
	}
	s := &socket{Conn: conn, sockets: h.sockets, hosts: h.hosts, address: address, isTrial: h.isTrial}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.dialed = append(h.dialed, s)
	return s, nil
}

// opened returns the socket that became the connection, or nil.
func (h *hook) opened() *socket {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, s := range h.dialed {
		if s.open.Load() {
			return s
		}
	}
	return nil
}

// dialToCancel does not dial the silent host of a dead connection.
func (h *hook) dialToCancel(ctx context.Context, s *socket, network, address string) (net.Conn, error) {
	if s.dead.Load() {
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
	own := newSockets(func() {})
	cfg.DialFunc = (&hook{next: cfg.DialFunc, sockets: own, hosts: newHosts(cfg)}).dial
	conn, err := pgx.ConnectConfig(ctx, cfg)
	if err != nil {
		return nil, err
	}
	return conn, own.open(socketOf(conn.PgConn()))
}

// hangUp closes a connection of connect, which may have gone silent.
func hangUp(conn *pgx.Conn) {
	s := socketOf(conn.PgConn())
	defer s.cut() // or pgx would drain it for up to 15 s
	if !conn.IsClosed() {
		limited, cancel := context.WithTimeout(context.Background(), cancelLimit)
		defer cancel()
		_ = conn.Close(limited) // discarded either way
	}
}

const (
	// silentLimit is the connect timeout for a host that recently did not respond.
	silentLimit = 500 * time.Millisecond
	silentFor   = 30 * time.Second
)

// hosts remembers which hosts of a URL with several hosts are silent, so the next
// connection spends less time on them.
type hosts struct {
	several bool
	mu      sync.Mutex
	silent  map[string]time.Time // until when, by address
}

func newHosts(cfg *pgx.ConnConfig) *hosts {
	h := &hosts{silent: map[string]time.Time{}}
	for _, f := range cfg.Fallbacks { // another host, or the same without TLS
		h.several = h.several || f.Host != cfg.Host || f.Port != cfg.Port
	}
	return h
}

// limit returns how long a connection to the address may take. 0 means the usual limit.
func (h *hosts) limit(address string) time.Duration {
	if !h.several {
		return 0
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if time.Now().Before(h.silent[address]) {
		return silentLimit
	}
	return 0
}

// wasSilent does not extend an earlier mark: when that ends, a host that is only slow
// gets the full time again.
func (h *hosts) wasSilent(address string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if now := time.Now(); now.After(h.silent[address]) {
		h.silent[address] = now.Add(silentFor)
	}
}

func (h *hosts) answered(address string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.silent, address)
}
