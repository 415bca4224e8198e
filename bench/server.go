package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"syscall"
	"time"
)

const startLimit = 30 * time.Second

// server is a running process of orgd or of the bare handler.
type server struct {
	cmd       *exec.Cmd
	addr      string
	adminAddr string        // empty for the bare handler
	log       string        // file with its output
	done      chan struct{} // closed when it has ended
}

// startOrgd starts orgd as an operator would, with logs, metrics and limits, but with
// rate limits that no load here exceeds. The variables in env override these.
func (b *bench) startOrgd(ctx context.Context, log string, conns int, env ...string) (*server, error) {
	cmd := exec.Command(b.path("server"), "serve")
	cmd.Env = append([]string{
		"DATABASE_URL=" + b.tenant.databaseURL,
		"ORGD_RATE_LIMIT=1000000",
		"ORGD_ADDR=127.0.0.1:0",
		"ORGD_ADMIN_ADDR=127.0.0.1:0",
		"ORGD_DB_MAX_CONNS=" + strconv.Itoa(conns),
		"ORGD_DRAIN_DELAY=0s", // no load balancer has to notice the shutdown first
	}, env...)
	return start(ctx, cmd, b.path(log))
}

func (b *bench) startFloor(ctx context.Context) (*server, error) {
	cmd := exec.Command(b.path("floor"))
	cmd.Env = []string{
		"DATABASE_URL=" + b.tenant.databaseURL,
		"ACCOUNT_ID=" + b.tenant.accountID,
		"ADDR=127.0.0.1:0",
		"POOL=" + strconv.Itoa(poolSize),
	}
	return start(ctx, cmd, b.path("floor.log"))
}

// start starts a server and waits until it logs its address.
func start(ctx context.Context, cmd *exec.Cmd, log string) (*server, error) {
	s := &server{cmd: cmd, log: log, done: make(chan struct{})}
	file, err := os.Create(log)
	if err != nil {
		return nil, err
	}
	defer file.Close() // the child has its own copy
	cmd.Stdout, cmd.Stderr = file, file
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // a Ctrl-C reaches only us
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	go func() {
		_ = cmd.Wait() // cmd.ProcessState has the exit status
		close(s.done)
	}()
	if err := s.awaitAddr(ctx); err != nil {
		return nil, errors.Join(err, s.stop())
	}
	return s, nil
}

func (s *server) awaitAddr(ctx context.Context) error {
	ctx, cancel := context.WithTimeoutCause(ctx, startLimit, fmt.Errorf("%s did not serve within %v", s.cmd.Path, startLimit))
	defer cancel()
	for {
		printed, err := os.ReadFile(s.log)
		if err != nil {
			return err
		}
		if s.addr, s.adminAddr = findAddrs(printed); s.addr != "" {
			return nil
		}
		select {
		case <-s.done:
			return fmt.Errorf("%s exited before it served", s.cmd.Path)
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(time.Millisecond):
		}
	}
}

// findAddrs returns the addresses from the log, or "".
func findAddrs(log []byte) (addr, adminAddr string) {
	for line := range bytes.Lines(log) {
		var event struct{ Msg, Addr, AdminAddr string }
		if json.Unmarshal(line, &event) == nil && event.Msg == "serving" {
			return event.Addr, event.AdminAddr
		}
	}
	return "", ""
}

// stop stops the server. It returns an error if the server had already exited or had to
// be killed.
func (s *server) stop() error {
	select {
	case <-s.done:
		return s.failure("exited unexpectedly: " + s.cmd.ProcessState.String())
	default:
	}
	// The server may have ended just now, which is not an error here.
	if err := s.cmd.Process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	const limit = 10 * time.Second
	select {
	case <-s.done:
		return nil
	case <-time.After(limit):
	}
	_ = s.cmd.Process.Kill() // fails only if the process has ended
	<-s.done
	return s.failure(fmt.Sprintf("did not stop within %v, and was killed", limit))
}

// failure returns an error that includes the end of the log.
func (s *server) failure(what string) error {
	const tail = 2000
	log, err := os.ReadFile(s.log)
	if err != nil {
		return fmt.Errorf("%s %s: %w", s.cmd.Path, what, err)
	}
	return fmt.Errorf("%s %s\n%s", s.cmd.Path, what, log[max(0, len(log)-tail):])
}
