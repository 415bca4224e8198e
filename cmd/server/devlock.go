package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// lockDir locks the directory for this `server dev`, whichever database it uses. The
// kernel releases the lock when the process ends, however it ends. The content of the
// file only names the process that holds the lock.
func lockDir(dir string) (unlock func(), err error) {
	f, err := os.OpenFile(filepath.Join(dir, "dev.lock"), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	unlock = func() { _ = f.Close() } // nothing depends on the content, so an error does not matter
	err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		defer unlock()
		owner, err := io.ReadAll(f)
		if err != nil {
			return nil, err
		}
		return nil, fmt.Errorf("%s is in use by another `server dev` (process %s): stop that one, or choose another --data-dir, --addr and --admin-addr",
			dir, strings.TrimSpace(string(owner)))
	}
	if err == nil {
		err = errors.Join(f.Truncate(0), writeAt(f, strconv.Itoa(os.Getpid())+"\n"))
	}
	if err != nil {
		unlock()
		return nil, fmt.Errorf("lock %s: %w", dir, err)
	}
	return unlock, nil
}

func writeAt(f *os.File, text string) error {
	_, err := f.WriteAt([]byte(text), 0)
	return err
}
