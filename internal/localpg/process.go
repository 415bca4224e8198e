package localpg

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"syscall"
	"time"
)

// process is a child of ours, in a process group of its own: a Ctrl-C at the
// terminal reaches only us, who then end it in order.
type process struct {
	cmd  *exec.Cmd
	done chan struct{} // closed when it has ended
}

// startProcess starts cmd as owner. Where the system can arrange that, the child
// gets the signal when this process dies.
func startProcess(cmd *exec.Cmd, owner *account, orphaned syscall.Signal) (*process, error) {
	cmd.Dir = "/" // the one directory that every user can be in
	cmd.Env = environment()
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Credential: owner.credential()}
	dieWithParent(cmd.SysProcAttr, orphaned)
	p := &process{cmd: cmd, done: make(chan struct{})}
	started := make(chan error)
	go func() {
		// The system takes the thread that started the child for its parent: that
		// thread has to last as long as the child.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		started <- err
		if err == nil {
			_ = cmd.Wait() // how it ended is read from cmd.ProcessState
			close(p.done)
		}
	}()
	return p, <-started
}

func (p *process) pid() int { return p.cmd.Process.Pid }

// state says how the process ended, once done is closed.
func (p *process) state() *os.ProcessState { return p.cmd.ProcessState }

// kill ends the process and its children at once, and waits for it.
func (p *process) kill() error {
	err := syscall.Kill(-p.pid(), syscall.SIGKILL)
	<-p.done
	if errors.Is(err, syscall.ESRCH) { // it was about to end by itself
		return nil
	}
	return err
}

// end shuts postgres down. That it had to be forced is an error.
func (p *process) end() error {
	signal, err := escalate(p.cmd.Process, func(wait time.Duration) bool {
		select {
		case <-p.done:
			return true
		case <-time.After(wait):
			return false
		}
	})
	if err == nil && signal != signals[0].signal {
		err = fmt.Errorf("postgres did not shut down in %v: signal %v ended it", signals[0].wait, signal)
	}
	return err
}

// environment is all that a child gets to know of ours, where secrets may be and
// variables that PostgreSQL would heed. The locale makes its messages English, and
// the time zone saves initdb a search for the machine's.
func environment() []string {
	env := []string{"LC_ALL=C", "TZ=UTC"}
	for _, name := range []string{"PATH", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "DYLD_FALLBACK_LIBRARY_PATH"} {
		if value, ok := os.LookupEnv(name); ok {
			env = append(env, name+"="+value)
		}
	}
	return env
}
