package localpg

import (
	"errors"
	"fmt"
	"os"
	"syscall"
	"time"
)

// signals end a postmaster, each more roughly than the one before: it cuts its
// clients off and writes everything down, it leaves that to the next start's
// recovery (and waits 5 s for its children), it is killed.
var signals = []struct {
	signal syscall.Signal
	wait   time.Duration
}{
	{syscall.SIGINT, 10 * time.Second},
	{syscall.SIGQUIT, 7 * time.Second},
	{syscall.SIGKILL, 5 * time.Second},
}

// escalate sends the signals until gone, which waits for so long, says that the
// process has ended. It returns the signal that was enough.
func escalate(process *os.Process, gone func(wait time.Duration) bool) (syscall.Signal, error) {
	for _, step := range signals {
		if err := process.Signal(step.signal); err != nil && !errors.Is(err, os.ErrProcessDone) {
			return 0, fmt.Errorf("signal postgres (process %d): %w", process.Pid, err)
		}
		if gone(step.wait) {
			return step.signal, nil
		}
	}
	return 0, fmt.Errorf("postgres (process %d) has survived every signal", process.Pid)
}
