package localpg_test

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

func TestKilledOwner(t *testing.T) {
	t.Parallel()
	dir := serverDir(t)
	o := startOwner(t, dir)
	exec1(t, o.url(t), "CREATE TABLE kept AS SELECT 'a word' AS word")
	pid := postmaster(t, dir)
	// Asleep, it outlives its owner.
	signal(t, pid, syscall.SIGSTOP)
	o.kill()
	if err := tryLock(t, filepath.Join(dir, "lock")); err != nil {
		t.Errorf("the lock outlives its owner, in the server: %v", err)
	}
	signal(t, pid, syscall.SIGCONT)

	s := start(t, dir)
	if got := query1(t, s.URL("postgres"), "SELECT word FROM kept"); got != "a word" {
		t.Errorf("found %q", got)
	}
	if postmaster(t, dir) == pid {
		t.Errorf("the server is still process %d", pid)
	}
	if state := stateOf(t, pid); state != "" && state[0] != 'Z' {
		t.Errorf("the server of the killed owner, process %d, is still there, in state %s", pid, state)
	}
}

func TestOwnerKilledDuringInitdb(t *testing.T) {
	t.Parallel()
	dir := openDir(t)
	o := startOwner(t, dir)
	until(t, "initdb", func() bool { return len(names(t, filepath.Join(dir, "cluster.new-*/data/base"))) > 0 })
	o.kill()
	left := names(t, filepath.Join(dir, "cluster.new-*"))
	if len(left) != 1 {
		t.Fatalf("left by initdb: %v", left)
	}
	query1(t, start(t, dir).URL("postgres"), "SELECT ''")
	if _, err := os.Stat(left[0]); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("%s is still there: %v", left[0], err)
	}
}

func tryLock(t *testing.T, name string) error {
	t.Helper()
	f, err := os.OpenFile(name, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if err == nil {
		err = syscall.Flock(int(f.Fd()), syscall.LOCK_UN)
	}
	return err
}

// stateOf returns how ps describes a process: nothing if there is none, Z if it is
// dead and its new parent has not noticed yet.
func stateOf(t *testing.T, pid int) string {
	t.Helper()
	out, err := exec.Command("ps", "-o", "stat=", "-p", strconv.Itoa(pid)).Output()
	if exit := (*exec.ExitError)(nil); err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(out))
}
