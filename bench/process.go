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

func findWrk() (string, error) {
	path, err := exec.LookPath("wrk")
	if errors.Is(err, exec.ErrNotFound) {
		return "", errors.New("wrk makes the load, and is not installed: apt-get install wrk (Debian), brew install wrk (macOS)")
	}
	return path, err
}
