// Package localpg runs a private PostgreSQL server for `server dev`, the tests and the
// benchmark.
//
// The server listens on 127.0.0.1 only and asks for a random password. It does not
// outlive the process that started it: on Linux the kernel then sends it SIGINT, even
// after kill -9 (PR_SET_PDEATHSIG). On other systems the next Start in the same
// directory stops it.
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
	startLimit = 2 * time.Minute // for a large cluster that recovers from a crash
	poll       = 10 * time.Millisecond
)

// Options say where a server keeps its data and how it is configured.
type Options struct {
	// Dir holds the cluster and the log. Start makes it if it is missing. If root calls
	// Start, PostgreSQL runs as another user, who must be able to enter Dir.
	Dir string
	// Settings are lines of postgresql.conf, by name. Start sets the address and the
	// port. Every user of the machine can read them (ps). With fsync off, Start does not
	// wait for the disk when it makes the cluster.
	Settings map[string]string
	// Programs is the directory of initdb and postgres, by default that of installed ones.
	Programs string
	// Download lets Start download PostgreSQL if no suitable one is installed, and takes
	// reports of the progress.
	Download io.Writer
}

// Server is a running PostgreSQL server. Its methods may be called concurrently.
type Server struct {
	dir       string              // absolute, without symbolic links
	owner     *syscall.Credential // of the cluster and the processes; nil for our own user
	lock, log *os.File
	cmd       *exec.Cmd     // the postmaster
	done      chan struct{} // closed when it has ended
	port      int
	password  string

	mu      sync.Mutex // guards the fields below
	stopped bool
	stopErr error
}

// Start makes the cluster if there is none, and returns when the server accepts
// connections. It stops a server that a killed process left running, and uses the same
// port as the last time if that port is free.
//
// Errors: ErrInUse if another process, or another Server of this one, uses Dir;
// ErrNotInstalled (wrapped) if there is no cluster yet and no PostgreSQL to make one;
// ctx's error if ctx ended the wait; others if the cluster needs another major version
// than is installed, if PostgreSQL's user cannot enter Dir, or, with the end of the
// log, if PostgreSQL did not start.
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
	ctx, cancel := context.WithTimeoutCause(ctx, startLimit, fmt.Errorf("not ready after %v", startLimit))
	defer cancel()
	if err := s.openLog(ctx); err != nil {
		return err
	}
	if err := s.ensureCluster(ctx, programs, o.Settings["fsync"] == "off"); err != nil {
		return err
	}
	return s.launch(ctx, programs, o.Settings)
}

// URL returns the address of a database of this server, with the superuser's name and
// password. The database postgres exists.
func (s *Server) URL(database string) string {
	host := net.JoinHostPort(loopback, strconv.Itoa(s.port))
	u := url.URL{Scheme: "postgres", User: url.UserPassword(superuser, s.password), Host: host, Path: "/" + database, RawQuery: "sslmode=disable"}
	return u.String()
}

// Done is closed when PostgreSQL has ended. If neither Stop nor Remove was called, it
// exited unexpectedly, and Stop returns the reason.
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
// except the lock. It returns ErrInUse if another server uses Dir by now, and the error
// of Stop if Stop was not called before.
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
