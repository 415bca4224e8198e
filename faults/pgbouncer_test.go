package main

import (
	"os/exec"
	"strings"
	"syscall"
	"testing"
)

// stop sends the signal that makes the installed version exit at once, and kills a
// PgBouncer that does not exit.
func TestPgBouncerStops(t *testing.T) {
	t.Parallel()
	const (
		old      = "trap '' QUIT; trap 'exit 1' TERM;"
		current  = "trap 'exit 0' QUIT; trap '' TERM;"
		stubborn = "trap '' QUIT TERM;"
	)
	for name, c := range map[string]struct {
		version, traps string
		killed         bool
	}{
		"1.18":            {"PgBouncer 1.18.0\nlibevent 2.1.12-stable", old, false},
		"1.22":            {"PgBouncer 1.22.1", old, false},
		"1.23":            {"PgBouncer 1.23.0", current, false},
		"2.0":             {"PgBouncer 2.0.0", current, false},
		"does not answer": {"PgBouncer 1.23.0", stubborn, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := &pgbouncer{done: make(chan struct{})}
			if err := b.adapt(c.version); err != nil {
				t.Fatal(err)
			}
			b.cmd = exec.Command("/bin/sh", "-c", c.traps+" echo; while :; do sleep 0.1; done")
			out, err := b.cmd.StdoutPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := b.cmd.Start(); err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = b.cmd.Process.Kill() })       // does nothing unless stop has failed
			if _, err := out.Read(make([]byte, 1)); err != nil { // the traps are set
				t.Error(err)
			}
			go func() {
				_ = b.cmd.Wait()
				close(b.done)
			}()
			err = b.stop()
			if (err != nil) != c.killed || err != nil && !strings.Contains(err.Error(), "did not stop") {
				t.Errorf("stop: %v", err)
			}
			if status := b.cmd.ProcessState.Sys().(syscall.WaitStatus); (status.Signal() == syscall.SIGKILL) != c.killed {
				t.Errorf("PgBouncer ended with %v", b.cmd.ProcessState)
			}
			if err := b.stop(); err != nil {
				t.Errorf("a second stop: %v", err)
			}
		})
	}
}
