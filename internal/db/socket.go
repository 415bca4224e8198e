package db

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
)

// errSilent means that the connection was cut because it went silent.
var errSilent = errors.New("the connection went silent")

// socket is the socket of a connection of the pool. Because a dead network reports no
// error, it records when PostgreSQL last sent bytes, and since when a Read has been
// waiting.
type socket struct {
	net.Conn
	sockets *sockets
	waiting atomic.Int64 // when the current Read began; 0 if there is none
	heard   atomic.Int64 // when bytes last arrived
	pinged  atomic.Bool  // a ping is in flight
	busy    atomic.Bool  // a statement was sent, and its answer has not been read completely
	open    atomic.Bool  // it is ready for statements
	dead    atomic.Bool  // it was cut
	hosts   *hosts
	address string
	isTrial bool
	backend backend // constant once the connection is open

	unreplicated atomic.Bool // a commit did not wait for its standby
}

// epoch is the time at which clock starts.
var epoch = time.Now()

// clock returns the monotonic time in nanoseconds, never 0.
func clock() int64 { return int64(time.Since(epoch)) + 1 }

func (s *socket) Read(b []byte) (int, error) {
	s.waiting.Store(clock())
	n, err := s.Conn.Read(b)
	s.waiting.Store(0)
	if n > 0 {
		s.heard.Store(clock())
	}
	if err != nil {
		err = s.explain(err)
	}
	return n, err
}

func (s *socket) explain(err error) error {
	if s.dead.Load() {
		return errSilent
	}
	if !s.open.Load() && errors.Is(err, os.ErrDeadlineExceeded) {
		s.hosts.wasSilent(s.address)
	}
	return err
}

// Close closes the socket.
func (s *socket) Close() error {
	s.sockets.remove(s)
	return s.Conn.Close()
}

// cut closes the socket of a dead connection. Its statement fails at once, and pgx
// neither drains the connection nor sends a cancel request to the host.
func (s *socket) cut() {
	s.dead.Store(true)
	_ = s.Close() // the connection is discarded even after an error
}

// socketOf returns the socket of a connection that a hook dialed.
func socketOf(conn *pgconn.PgConn) *socket {
	switch c := conn.Conn().(type) {
	case *socket:
		return c
	case *tls.Conn:
		return c.NetConn().(*socket)
	default:
		panic(fmt.Sprintf("db: unexpected connection type %T", c)) // hook.dial returns only sockets
	}
}

// sockets is the set of sockets of the open connections of a pool.
type sockets struct {
	changed func() // called when a connection is closed
	mu      sync.Mutex
	all     map[*socket]bool
}

func newSockets(changed func()) *sockets { return &sockets{changed: changed, all: map[*socket]bool{}} }

// open records that a connection is ready for statements.
func (ss *sockets) open(s *socket) error {
	s.hosts.answered(s.address)
	s.open.Store(true)
	ss.mu.Lock()
	defer ss.mu.Unlock()
	ss.all[s] = true
	return s.SetDeadline(time.Time{}) // clears the deadline that dialWithin set
}

func (ss *sockets) remove(s *socket) {
	ss.mu.Lock()
	_, there := ss.all[s]
	delete(ss.all, s)
	ss.mu.Unlock()
	if there {
		ss.changed()
	}
}

func (ss *sockets) count() int {
	ss.mu.Lock()
	defer ss.mu.Unlock()
	return len(ss.all)
}

// where returns the sockets for which is(s) is true.
func (ss *sockets) where(is func(*socket) bool) (found []*socket) {
	ss.mu.Lock()
	defer ss.mu.Unlock()
	for s := range ss.all {
		if is(s) {
			found = append(found, s)
		}
	}
	return found
}
