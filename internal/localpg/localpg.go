// Package localpg runs a private PostgreSQL server from the programs that are
// installed on this machine: one that lasts for `server dev`, and ones to throw
// away for tests and benchmarks.
//
// The server listens on 127.0.0.1 only, asks for a random password, and goes down
// with the process that started it.
package localpg

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"strconv"
	"sync"
	"time"
)

const (
	superuser = "orgd"
	// startLimit is for the worst case, a big cluster that recovers from a crash.
	startLimit = 2 * time.Minute
	poll       = 10 * time.Millisecond
)

// Options say where a server lives and how it is set up.
type Options struct {
	// Dir holds the cluster, the lock and the log. It is made, with mode 0700, if it
	// is missing. If root starts the server and the user that it runs as cannot reach
	// Dir, the cluster itself is kept in a directory /var/tmp/orgd-*, and a file in
	// Dir says so.
	Dir string
	// Settings are lines of postgresql.conf, by name. Those that say where the server
	// listens are not heeded. They can be read by every user of the machine (ps), so
	// they are no place for a secret. With fsync off, making the cluster does not wait
	// for the disk either.
	Settings map[string]string
}

// Server is a running PostgreSQL server. Its methods may be called concurrently.
type Server struct {
	place    *place
	log      *os.File
	process  *process
	port     int
	password string

	mu      sync.Mutex // guards what follows
	stopped bool
	stopErr error
}

// Start makes the cluster if there is none, and returns when the server accepts
// connections. What a run that was killed has left behind is cleared away: a server
// that still runs is stopped, and a half-made cluster is made anew. The server gets
// the port it had before, if that is free.
//
// Errors: an *InUseError if another process, or another Server of this one, has
// Dir; ErrNotInstalled (wrapped) if there is no cluster yet, and no PostgreSQL to
// make one; ctx's error if it ended the wait; others if the cluster needs another
// major version than is installed, or, with the end of the log, if PostgreSQL did
// not start.
func Start(ctx context.Context, o Options) (*Server, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, startLimit, fmt.Errorf("not ready after %v", startLimit))
	defer cancel()
	p, err := openPlace(ctx, o.Dir)
	if err != nil {
		return nil, fmt.Errorf("localpg: %w", err)
	}
	s := &Server{place: p}
	if err := s.start(ctx, o.Settings); err != nil {
		return nil, fmt.Errorf("localpg: start PostgreSQL in %s: %w", p.dir, errors.Join(err, s.release()))
	}
	return s, nil
}

func (s *Server) start(ctx context.Context, settings map[string]string) error {
	programs, err := s.place.findBinaries()
	if err != nil {
		return err
	}
	if err := s.place.endOrphan(ctx); err != nil {
		return err
	}
	if s.log, err = s.place.openLog(); err != nil {
		return err
	}
	if err := s.place.ensureCluster(ctx, programs, s.log, isOff(settings["fsync"])); err != nil {
		return err
	}
	if s.password, err = s.place.password(); err != nil {
		return err
	}
	return s.serve(ctx, programs, settings, s.place.choosePort)
}

// URL returns the address of a database of this server, with the superuser's name
// and password in it. PostgreSQL has made the database postgres.
func (s *Server) URL(database string) string {
	u := url.URL{
		Scheme:   "postgres",
		User:     url.UserPassword(superuser, s.password),
		Host:     net.JoinHostPort(loopback, strconv.Itoa(s.port)),
		Path:     "/" + database,
		RawQuery: "sslmode=disable",
	}
	return u.String()
}

// Done is closed when PostgreSQL has ended. Before a call of Stop or Remove that
// means it ended by itself, and Stop returns the reason.
func (s *Server) Done() <-chan struct{} { return s.process.done }
