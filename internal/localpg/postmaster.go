package localpg

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// launch starts postgres on the port of the previous start, or on another one if that port
// is not free.
func (s *Server) launch(ctx context.Context, programs string, settings map[string]string) error {
	// postgres does not start if an old postmaster.pid contains the process id of another
	// running program.
	if pid, _ := s.readPIDFile(); isOther(pid) {
		_ = os.Remove(s.pidFile()) // if this fails, postgres reports it
	}
	name := filepath.Join(s.dir, "port")
	last, _ := os.ReadFile(name)
	s.port, _ = strconv.Atoi(strings.TrimSpace(string(last))) // 0 if there is none
	for tries := 1; ; tries++ {
		if s.port == 0 {
			s.port = 20000 + rand.IntN(10000) // below the ports that systems use for outgoing connections
		}
		err := s.run(ctx, exec.Command(filepath.Join(programs, "postgres"), s.arguments(settings)...)) //nolint:noctx // Stop ends it
		if err == nil {
			return os.WriteFile(name, []byte(strconv.Itoa(s.port)+"\n"), 0o600)
		}
		// The message is in English: see LC_ALL in prepare, and --locale in initdb.
		if tries == 10 || !strings.Contains(err.Error(), "could not bind") {
			return err
		}
		s.port = 0
	}
}

func (s *Server) arguments(settings map[string]string) []string {
	args := []string{"-D", s.dataDir(), "-c", "logging_collector=off"} // some distributions turn the collector on
	for _, name := range slices.Sorted(maps.Keys(settings)) {
		args = append(args, "-c", name+"="+settings[name])
	}
	// These come last, because PostgreSQL uses the last value of a setting.
	return append(args, "-c", "listen_addresses="+loopback, "-c", "port="+strconv.Itoa(s.port), "-c", "unix_socket_directories=")
}

// prepare makes cmd run as the user of PostgreSQL and in its own process group, so that
// Ctrl-C in the terminal reaches only this process, which then shuts cmd down. cmd
// inherits neither our secrets nor variables that PostgreSQL reads.
func (s *Server) prepare(cmd *exec.Cmd, orphaned syscall.Signal) {
	cmd.Dir = "/"                            // every user may enter it
	cmd.Env = []string{"LC_ALL=C", "TZ=UTC"} // English messages; TZ saves initdb the search for the time zone
	for _, name := range []string{"PATH", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "DYLD_FALLBACK_LIBRARY_PATH"} {
		if value, ok := os.LookupEnv(name); ok {
			cmd.Env = append(cmd.Env, name+"="+value)
		}
	}
	cmd.Stdout, cmd.Stderr = s.log, s.log
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Credential: s.owner}
	dieWithParent(cmd.SysProcAttr, orphaned)
}

// run starts postgres and waits until it accepts connections.
func (s *Server) run(ctx context.Context, cmd *exec.Cmd) error {
	s.prepare(cmd, syscall.SIGINT)
	done, started := make(chan struct{}), make(chan error)
	s.cmd, s.done = cmd, done
	go func() {
		// To the kernel, the parent of the child is the thread that started it, so this
		// thread must live as long as the child (see dieWithParent).
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		started <- err
		if err == nil {
			_ = cmd.Wait() // cmd.ProcessState says how it ended
			close(done)
		}
	}()
	if err := <-started; err != nil {
		return err
	}
	return s.awaitReady(ctx)
}

func (s *Server) awaitReady(ctx context.Context) error {
	for {
		if pid, ready := s.readPIDFile(); pid == s.cmd.Process.Pid && ready {
			return nil
		}
		select {
		case <-s.done:
			return s.withTail(fmt.Errorf("postgres exited unexpectedly: %v", s.cmd.ProcessState))
		case <-ctx.Done():
			return s.withTail(errors.Join(fmt.Errorf("wait for postgres: %w", context.Cause(ctx)), s.shutDown()))
		case <-time.After(poll):
		}
	}
}

var signalNames = map[syscall.Signal]string{syscall.SIGQUIT: "SIGQUIT", syscall.SIGKILL: "SIGKILL"}

// shutDown ends postgres. SIGINT disconnects the clients and writes everything to disk.
// After SIGQUIT or SIGKILL, the next start recovers the data.
func (s *Server) shutDown() error {
	select {
	case <-s.done:
		return s.withTail(fmt.Errorf("postgres had already exited unexpectedly: %v", s.cmd.ProcessState))
	default:
	}
	for _, signal := range []syscall.Signal{syscall.SIGINT, syscall.SIGQUIT, syscall.SIGKILL} {
		if err := s.cmd.Process.Signal(signal); err != nil && !errors.Is(err, os.ErrProcessDone) {
			return err
		}
		select {
		case <-s.done:
			if signal != syscall.SIGINT {
				return fmt.Errorf("postgres did not shut down and had to be stopped with %s", signalNames[signal])
			}
			return nil
		case <-time.After(10 * time.Second):
		}
	}
	return fmt.Errorf("postgres (process %d) is still running after SIGINT, SIGQUIT and SIGKILL", s.cmd.Process.Pid)
}

func (s *Server) pidFile() string { return filepath.Join(s.dataDir(), "postmaster.pid") }

// readPIDFile reads the process id from line 1 of postmaster.pid, and the state from line
// 8; the format is in PostgreSQL's miscadmin.h. A file that is still being written has
// fewer lines. pid is 0 if there is no file.
func (s *Server) readPIDFile() (pid int, ready bool) {
	text, _ := os.ReadFile(s.pidFile())
	lines := strings.Split(string(text), "\n")
	pid, _ = strconv.Atoi(strings.TrimSpace(lines[0]))
	return max(0, pid), len(lines) > 7 && strings.TrimSpace(lines[7]) == "ready"
}
