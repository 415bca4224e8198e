package localpg

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"
)

const lockFile = "lock"

// InUseError says that another process, or another Server of this one, has the
// directory.
type InUseError struct {
	Dir string
	PID int // of the process that has it; 0 if it has not said
}

func (e *InUseError) Error() string {
	if e.PID == 0 {
		return e.Dir + " is in use by another process"
	}
	return fmt.Sprintf("%s is in use by process %d", e.Dir, e.PID)
}

// takeLock takes the lock of dir, which root has opened. The system frees it when
// the file is closed, and so when the process dies.
func takeLock(root *os.Root, dir string, owner *account) (*os.File, error) {
	for {
		f, err := openLock(root, dir)
		if err != nil {
			return nil, err
		}
		current, err := isCurrent(root, f)
		if err == nil && current {
			err = errors.Join(owner.own(root, lockFile), writePID(f))
		}
		if err == nil && current {
			return f, nil
		}
		if err := errors.Join(err, f.Close()); err != nil {
			return nil, err
		}
		// The last holder has removed the file. Whoever comes next makes another, and
		// that is the one to lock.
	}
}

func openLock(root *os.Root, dir string) (*os.File, error) {
	f, err := root.OpenFile(lockFile, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	if err := flock(f); err != nil {
		if errors.Is(err, syscall.EWOULDBLOCK) {
			err = &InUseError{Dir: dir, PID: readHolder(f)}
		}
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

func flock(f *os.File) error {
	return syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
}

// isCurrent reports whether f is still what the name stands for.
func isCurrent(root *os.Root, f *os.File) (bool, error) {
	ours, err := f.Stat()
	if err != nil {
		return false, err
	}
	named, err := root.Lstat(lockFile)
	if errors.Is(err, os.ErrNotExist) {
		return false, nil
	}
	return err == nil && os.SameFile(ours, named), err
}

func writePID(f *os.File) error {
	if err := f.Truncate(0); err != nil {
		return err
	}
	_, err := f.WriteAt([]byte(strconv.Itoa(os.Getpid())+"\n"), 0)
	return err
}

// readHolder reads who has the lock. Its taker writes that down a moment later, so
// we wait a moment too.
func readHolder(f *os.File) int {
	text := make([]byte, 32)
	for range 20 {
		n, _ := f.ReadAt(text, 0) // an unreadable file has no pid to offer either
		pid, err := strconv.Atoi(strings.TrimSpace(string(text[:n])))
		if err == nil {
			return pid
		}
		time.Sleep(poll)
	}
	return 0
}

// releaseLock clears the pid, so that nobody takes it for the next holder's.
func releaseLock(f *os.File) error {
	return errors.Join(f.Truncate(0), unlock(f))
}

// unlock does not leave it to the closing: a child that is just being forked has
// the file too, and would hold the lock until it has become another program.
func unlock(f *os.File) error {
	return errors.Join(syscall.Flock(int(f.Fd()), syscall.LOCK_UN), f.Close())
}
