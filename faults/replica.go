package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"time"
)

// replica is a process of the server program.
type replica struct {
	number  int
	program string
	env     []string
	addr    string // of the API, the same after a restart

	cmd       *exec.Cmd
	out       *os.File // reads its log
	log       *tail
	adminAddr string
	done      chan struct{}
	leaving   bool // the harness told it to stop
}

// start starts the process and waits until it serves.
func (r *replica) start(ctx context.Context) error {
	reader, writer, err := os.Pipe()
	if err != nil {
		return err
	}
	defer writer.Close() // the child has its own copy
	r.cmd = exec.Command(r.program, "serve")
	r.cmd.Env = append([]string{"ORGD_ADDR=" + r.addr, "ORGD_ADMIN_ADDR=127.0.0.1:0", "ORGD_DRAIN_DELAY=0s"}, r.env...)
	r.cmd.Stdout, r.cmd.Stderr = writer, writer
	r.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // a Ctrl-C reaches only us
	if err := r.cmd.Start(); err != nil {
		return errors.Join(err, reader.Close())
	}
	r.out, r.log, r.leaving = reader, &tail{}, false
	done := make(chan struct{})
	r.done = done
	go func() {
		_ = r.cmd.Wait() // cmd.ProcessState has the exit status
		close(done)
	}()
	serving := make(chan string, 1)
	go r.log.follow(reader, serving)
	select {
	case r.adminAddr = <-serving:
		return r.awaitReady(ctx)
	case <-done:
		return fmt.Errorf("replica %d exited before it served:\n%s", r.number, r.log)
	case <-time.After(30 * time.Second):
		return errors.Join(fmt.Errorf("replica %d did not serve within 30 s:\n%s", r.number, r.log), r.kill())
	}
}

func (r *replica) awaitReady(ctx context.Context) error {
	return await(ctx, "the replica is ready", 30*time.Second, func() (bool, error) { return r.ready(ctx), nil })
}

func (r *replica) url() string { return "http://" + r.addr }

// ready reports whether the readiness probe succeeds.
func (r *replica) ready(ctx context.Context) bool {
	_, err := getText(ctx, r.url()+"/readyz")
	return err == nil
}

// getText returns the body of an answer with status 200.
func getText(ctx context.Context, url string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	asked, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return "", err
	}
	answer, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(asked)
	if err != nil {
		return "", err
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err == nil && answer.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s", url, answer.Status)
	}
	return string(text), err
}

// alive returns an error if the process ended by itself.
func (r *replica) alive() error {
	select {
	case <-r.done:
		if !r.leaving {
			return fmt.Errorf("replica %d exited unexpectedly: %v\n%s", r.number, r.cmd.ProcessState, r.log)
		}
	default:
	}
	return nil
}

func (r *replica) signal(s syscall.Signal) error { return r.cmd.Process.Signal(s) }

// kill kills the process.
func (r *replica) kill() error {
	r.leaving = true
	if err := r.cmd.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	<-r.done
	return r.out.Close()
}

// stop stops the process gracefully. It returns an error if the process had to be killed.
func (r *replica) stop() error {
	if r.leaving {
		return nil
	}
	if err := r.alive(); err != nil {
		return err
	}
	r.leaving = true
	// A paused process handles the signal when it continues.
	if err := errors.Join(r.signal(syscall.SIGTERM), r.signal(syscall.SIGCONT)); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	const limit = 30 * time.Second
	select {
	case <-r.done:
	case <-time.After(limit):
		return errors.Join(fmt.Errorf("replica %d did not stop within %v:\n%s", r.number, limit, r.log), r.kill())
	}
	if code := r.cmd.ProcessState.ExitCode(); code != 0 {
		return fmt.Errorf("replica %d ended with %v:\n%s", r.number, r.cmd.ProcessState, r.log)
	}
	return r.closeLog()
}

// closeLog ends the reader of the log.
func (r *replica) closeLog() error {
	if err := r.out.Close(); !errors.Is(err, os.ErrClosed) {
		return err
	}
	return nil
}

// tail keeps the end of a log and the lines that report a defect.
type tail struct {
	mu      sync.Mutex
	lines   []string
	defects []string
}

// follow reads the log, and sends the admin address when the server logs it.
func (t *tail) follow(log io.Reader, serving chan<- string) {
	lines := bufio.NewScanner(log)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		line := lines.Bytes()
		if bytes.Contains(line, []byte(`"msg":"serving"`)) {
			var event struct{ AdminAddr string }
			if json.Unmarshal(line, &event) == nil {
				serving <- event.AdminAddr
			}
		}
		t.add(string(line))
	}
}

func (t *tail) add(line string) {
	const kept = 5
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.lines = append(t.lines, line); len(t.lines) > kept {
		t.lines = t.lines[1:]
	}
	if isDefect(line) && len(t.defects) < kept {
		t.defects = append(t.defects, line)
	}
}

// isDefect reports whether the line is an error that no fault explains.
func isDefect(line string) bool {
	return strings.Contains(line, `"status":500`) || strings.HasPrefix(line, "panic:") ||
		strings.HasPrefix(line, "fatal error:") || strings.Contains(line, "DATA RACE")
}

// String returns the last lines of the log, each cut at 400 characters.
func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	var b strings.Builder
	for _, line := range t.lines {
		fmt.Fprintf(&b, "      | %.400s\n", line)
	}
	return strings.TrimRight(b.String(), "\n")
}

func (t *tail) defective() []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.defects
}
