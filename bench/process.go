package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// command is a program that is asked to end when ctx is done. It has a process
// group of its own: a Ctrl-C reaches only us, who then end it.
func command(ctx context.Context, name string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = 10 * time.Second // then it is killed
	return cmd
}

// output runs cmd and returns what it printed; its error says what it complained
// of.
func output(cmd *exec.Cmd) ([]byte, error) {
	var complaint bytes.Buffer
	cmd.Stderr = &complaint
	printed, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("%s: %w\n%s", filepath.Base(cmd.Path), err, strings.TrimSpace(complaint.String()))
	}
	return printed, nil
}

// programs are the paths of those that make the load.
type programs struct{ wrk, pgbench string }

func findPrograms() (p programs, err error) {
	if p.wrk, err = findProgram("wrk", "apt-get install wrk (Debian), brew install wrk (macOS)"); err != nil {
		return p, err
	}
	p.pgbench, err = findProgram("pgbench", "it comes with PostgreSQL; add the directory that pg_config --bindir names")
	return p, err
}

func findProgram(name, advice string) (string, error) {
	path, err := exec.LookPath(name)
	if errors.Is(err, exec.ErrNotFound) {
		return "", fmt.Errorf("%s makes the load, and is not in PATH: %s", name, advice)
	}
	return path, err
}
