// Package localpg runs a private PostgreSQL server for `server dev`, the tests and the
// benchmark.
//
// The server listens only on 127.0.0.1 and requires a random password. On Linux the
// kernel sends it SIGINT when the process that started it ends, even after kill -9
// (PR_SET_PDEATHSIG). On other systems, the server keeps running until the next Start in the
// same directory stops it.
package localpg

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
	"time"
)

const (
	superuser  = "orgd"
	loopback   = "127.0.0.1"
	startLimit = 2 * time.Minute // enough for a large cluster to recover from a crash
	poll       = 10 * time.Millisecond
)

// Options say where a server keeps its data and how it is configured.
type Options struct {
	// Dir holds the cluster and the log. Start creates it if it is missing. If root calls
	// Start, PostgreSQL runs as another user, who must be able to enter Dir.
	Dir string
	// Settings are PostgreSQL parameters, by name. Start sets the address and the port
	// itself. Every user of the machine can read the settings, because they are arguments
	// of the process. If fsync is off, Start does not wait for the disk when it creates
	// the cluster.
	Settings map[string]string
	// Programs is the directory of the programs initdb and postgres. The default is an
	// installed PostgreSQL.
	Programs string
	// If Download is not nil, Start downloads PostgreSQL if no suitable one is installed,
	// and writes its progress to Download.
	Download io.Writer
}

// Server is a running PostgreSQL server. Its methods may be called concurrently.
type Server struct {
	dir       string              // absolute, without symbolic links
	owner     *syscall.Credential // owns the cluster and the processes; nil for the current user
	lock, log *os.File
	cmd       *exec.Cmd     // the postmaster
	done      chan struct{} // closed when the postmaster has ended
	port      int
	password  string

	mu      sync.Mutex // guards the fields below
	stopped bool
	stopErr error
}

// Start creates the cluster if there is none, and returns when the server accepts
// connections. It stops a server that a killed process left running. It reuses the port of
// the previous start if that port is free.
//
// Errors: ErrInUse if another process, or another Server of this one, uses Dir;
// ErrNotInstalled (wrapped) if there is no cluster yet and no PostgreSQL to create one;
// the error of ctx if ctx ended the wait; others if the cluster needs a major version
// that is not available, if the user that runs PostgreSQL cannot enter Dir, or, with the
// end of the log, if PostgreSQL did not start.
func Start(ctx context.Context, o Options) (*Server, error) {
	s := new(Server)
	if err := s.start(ctx, o); err != nil {
		return nil, fmt.Errorf("localpg: start PostgreSQL in %s: %w", o.Dir, errors.Join(err, s.release()))
	}
	return s, nil
}

func (s *Server) start(ctx context.Context, o Options) error {
	if err := s.openDir(ctx, o.Dir); err != nil {
		return err
	}
	programs, err := s.findPrograms(ctx, o)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeoutCause(ctx, startLimit, fmt.Errorf("gave up after %v", startLimit))
	defer cancel()
	if err := s.openLog(ctx); err != nil {
		return err
	}
	if err := s.ensureCluster(ctx, programs, o.Settings["fsync"] == "off"); err != nil {
		return err
	}
	return s.launch(ctx, programs, o.Settings)
}

// URL returns the URL of a database of this server, with the name and password of the
// superuser. The database postgres always exists.
func (s *Server) URL(database string) string {
	host := net.JoinHostPort(loopback, strconv.Itoa(s.port))
	u := url.URL{Scheme: "postgres", User: url.UserPassword(superuser, s.password), Host: host, Path: "/" + database, RawQuery: "sslmode=disable"}
	return u.String()
}

// Done returns a channel that is closed when PostgreSQL has ended. If neither Stop nor
// Remove was called, PostgreSQL exited unexpectedly, and Stop returns the reason.
func (s *Server) Done() <-chan struct{} { return s.done }

// Stop disconnects all clients, shuts the server down, and unlocks Dir. It returns an
// error if PostgreSQL had to be killed, or had already exited unexpectedly: committed data
// is safe in both cases. Further calls return the same result.
func (s *Server) Stop() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.stopped {
		s.stopped = true
		s.stopErr = errors.Join(s.shutDown(), s.release())
	}
	return s.stopErr
}

// Remove stops the server and deletes what it wrote: the cluster, and the files in Dir
// except the lock. If Stop was not called before, Remove also returns its error. It
// returns ErrInUse if another server has started in Dir since Stop.
func (s *Server) Remove() error {
	s.mu.Lock()
	before := s.stopped
	s.mu.Unlock()
	err := s.Stop()
	if before {
		err = nil
	}
	if lockErr := s.takeLock(); lockErr != nil {
		return errors.Join(err, fmt.Errorf("localpg: remove %s: %w", s.dir, lockErr))
	}
	ctx, cancel := context.WithTimeout(context.Background(), startLimit)
	defer cancel()
	err = errors.Join(err, s.openLog(ctx)) // waits for children of a postmaster that was killed
	for _, name := range []string{clusterDir, "port", "postgres.log"} {
		err = errors.Join(err, os.RemoveAll(filepath.Join(s.dir, name)))
	}
	return errors.Join(err, s.release())
}

// release closes the files that Start opened, and unlocks Dir.
func (s *Server) release() error {
	var err error
	if s.log != nil {
		err = s.log.Close()
	}
	if s.lock != nil {
		// Closing is not enough: a child that is between fork and exec shares the lock.
		err = errors.Join(err, syscall.Flock(int(s.lock.Fd()), syscall.LOCK_UN), s.lock.Close())
	}
	s.log, s.lock = nil, nil
	return err
}
