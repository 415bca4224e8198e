package localpg

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// ErrInUse means that another process, or another Server of this process, uses the
// directory.
var ErrInUse = errors.New("the directory is in use by another process")

// openDir creates the directory if it is missing, locks it, and chooses the user that
// runs PostgreSQL.
func (s *Server) openDir(ctx context.Context, dir string) error {
	if dir == "" {
		return errors.New("no directory given")
	}
	dir, err := filepath.Abs(dir)
	if err != nil {
		return err
	}
	// 0711: the user that runs PostgreSQL may traverse but not list the directory. Files
	// with secrets have stricter modes.
	if err := os.MkdirAll(dir, 0o711); err != nil {
		return err
	}
	if s.dir, err = filepath.EvalSymlinks(dir); err != nil {
		return err
	}
	if s.owner, err = chooseOwner(filepath.Join(s.dir, clusterDir)); err != nil {
		return err
	}
	if err := checkEntry(ctx, s.owner, s.dir); err != nil {
		return err
	}
	return s.takeLock()
}

// takeLock locks the directory. The kernel unlocks it when this process ends.
func (s *Server) takeLock() error {
	f, err := os.OpenFile(filepath.Join(s.dir, "lock"), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	if err := flock(f); err != nil {
		return errors.Join(err, f.Close())
	}
	s.lock = f
	return nil
}

// flock locks the file, or returns ErrInUse if the lock is taken.
func flock(f *os.File) error {
	err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		return ErrInUse
	}
	return err
}

// openLog opens the log, locks it, and empties it. PostgreSQL's processes inherit the log
// as their output, and with it the lock: once we have the lock, no earlier process is
// left.
func (s *Server) openLog(ctx context.Context) (err error) {
	if s.log, err = os.OpenFile(filepath.Join(s.dir, "postgres.log"), os.O_RDWR|os.O_CREATE|os.O_APPEND, 0o600); err != nil {
		return err
	}
	for tries := 0; ; tries++ {
		if err := flock(s.log); err == nil {
			return s.log.Truncate(0)
		} else if !errors.Is(err, ErrInUse) {
			return err
		}
		// Dir was not locked, so the process that started the earlier server was killed.
		// Stop the server.
		if pid, _ := s.readPIDFile(); tries == 0 && pid != 0 && !isOther(pid) {
			_ = syscall.Kill(pid, syscall.SIGINT) // it may have ended already
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("an earlier PostgreSQL is still running and has %s open: %w", s.log.Name(), context.Cause(ctx))
		case <-time.After(poll):
		}
	}
}

// isOther reports whether the process is certainly not postgres. Only Linux's /proc can
// tell.
func isOther(pid int) bool {
	name, err := os.ReadFile(fmt.Sprintf("/proc/%d/comm", pid))
	return err == nil && !strings.HasPrefix(string(name), "postgres")
}

// withTail adds the end of the log to err.
func (s *Server) withTail(err error) error {
	text, _ := os.ReadFile(s.log.Name())
	end := strings.TrimSpace(string(text[max(0, len(text)-2000):]))
	return fmt.Errorf("%w; the last lines of %s:\n%s", err, s.log.Name(), end)
}
