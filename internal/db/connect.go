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

// cancelLimit bounds both steps of closing a connection during a statement: the request
// to cancel the statement, and the wait for PostgreSQL to end the session.
const cancelLimit = time.Second

// hook is the dial function of one connection. pgx calls it to open the connection, and
// later again if it must send a request to cancel a statement.
type hook struct {
	next    pgconn.DialFunc
	sockets *sockets
	hosts   *hosts

	// mu guards dialed: a failed attempt may still send its cancel request while the next
	// attempt dials.
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

// dialToCancel dials to send a cancel request, unless the connection is dead: its host
// would not answer.
func (h *hook) dialToCancel(ctx context.Context, s *socket, network, address string) (net.Conn, error) {
	if s.dead.Load() {
		return nil, errSilent
	}
	return dialWithin(ctx, cancelLimit, h.next, network, address)
}

// dialWithin dials within the limit, and sets a deadline of the same length on the new
// socket. 0 means no limit.
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

// hangUp closes a connection from connect. PostgreSQL may have stopped answering on it.
func hangUp(conn *pgx.Conn) {
	s := socketOf(conn.PgConn())
	defer s.cut() // otherwise pgx would drain it for up to 15 s
	if !conn.IsClosed() {
		limited, cancel := context.WithTimeout(context.Background(), cancelLimit)
		defer cancel()
		_ = conn.Close(limited) // the connection is discarded even after an error
	}
}

const (
	// silentLimit is the connect timeout for a host that did not respond within the last
	// silentFor.
	silentLimit = 500 * time.Millisecond
	silentFor   = 30 * time.Second
)

// hosts remembers which hosts of a URL with several hosts did not respond, so that the
// next connection spends less time on them.
type hosts struct {
	several bool
	mu      sync.Mutex
	silent  map[string]time.Time // by address; the time until which the host counts as silent
}

func newHosts(cfg *pgx.ConnConfig) *hosts {
	h := &hosts{silent: map[string]time.Time{}}
	for _, f := range cfg.Fallbacks { // another host, or the same without TLS
		h.several = h.several || f.Host != cfg.Host || f.Port != cfg.Port
	}
	return h
}

// limit returns the connect timeout for the address. 0 means the usual timeout.
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

// wasSilent marks a host as silent. It does not extend an earlier mark, so that a host
// that is only slow soon gets the full time again.
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
