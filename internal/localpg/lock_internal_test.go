package localpg

import (
	"os"
	"os/exec"
	"testing"
)

// Whoever waited for a lock file that its holder then removed must not be satisfied
// with that.
func TestRemovedLockFileIsNoLock(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	root, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	f, err := openLock(root, dir)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	check := func(want bool) {
		t.Helper()
		if current, err := isCurrent(root, f); current != want || err != nil {
			t.Errorf("isCurrent = %v, %v; want %v", current, err, want)
		}
	}
	check(true)
	if err := root.Remove(lockFile); err != nil {
		t.Fatal(err)
	}
	check(false)
	other, err := takeLock(root, dir, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	check(false)
}

func TestLockIsFreeAtOnceWhileOthersFork(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	root, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	stop, stopped := make(chan struct{}), make(chan error)
	go func() { stopped <- forkUntil(stop) }()
	for range 1000 {
		f, err := takeLock(root, dir, nil)
		if err != nil {
			t.Errorf("takeLock: %v", err)
			break
		}
		if err := releaseLock(f); err != nil {
			t.Errorf("releaseLock: %v", err)
		}
	}
	close(stop)
	if err := <-stopped; err != nil {
		t.Error(err)
	}
}

func forkUntil(stop <-chan struct{}) error {
	for {
		select {
		case <-stop:
			return nil
		default:
			if err := exec.Command("/bin/sh", "-c", ":").Run(); err != nil {
				return err
			}
		}
	}
}
