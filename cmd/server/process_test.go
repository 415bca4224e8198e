package main

import (
	"errors"
	"io"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
)

// serverVariable is the environment variable that makes the test binary run as the
// server.
const serverVariable = "TEST_ORGD_SERVE"

// stdinVariable leaves standard input to the command.
const stdinVariable = "TEST_ORGD_STDIN"

// beServer runs the production server. The test that started it holds the other end of
// its standard input, so the server exits when the test process ends.
func beServer() {
	if os.Getenv(stdinVariable) == "" {
		go func() {
			_, _ = io.Copy(io.Discard, os.Stdin)
			os.Exit(exitFailed)
		}()
	}
	main()
}

// process is a command in its own process.
type process struct {
	*os.Process
	url, adminURL string // set by awaitServing

	out  safeBuffer
	errs safeBuffer
	wait func() error // result of exec.Cmd.Wait
	kill func()       // sends SIGKILL and waits
}

// serveFlags start a server that uses free ports and logs each request.
var serveFlags = []string{"serve", "--addr=127.0.0.1:0", "--admin-addr=127.0.0.1:0", "--db-max-conns=8", "--log-level=info", "--public-url="}

var servingLine = regexp.MustCompile(`"msg":"serving".*"adminAddr":"([^"]+)".*"publicUrl":"([^"]+)"`)

func startProcess(t *testing.T, databaseURL string, flags ...string) *process {
	t.Helper()
	p := startCommand(t, databaseURL, slices.Concat(serveFlags, flags)...)
	p.awaitServing(t)
	return p
}

// awaitServing waits until the process serves, and sets its addresses.
func (p *process) awaitServing(t *testing.T) {
	t.Helper()
	await(t, "the server does not come up", func() bool {
		found := servingLine.FindStringSubmatch(p.out.String())
		if found != nil {
			p.adminURL, p.url = "http://"+found[1], found[2]
		}
		return found != nil
	})
}

func startCommand(t *testing.T, databaseURL string, args ...string) *process {
	t.Helper()
	return startWith(t, []string{"DATABASE_URL=" + databaseURL}, args...)
}

// startWith starts a command with additional environment variables.
func startWith(t *testing.T, variables []string, args ...string) *process {
	t.Helper()
	p := &process{}
	cmd := command(t, variables, args...)
	cmd.Stdout, cmd.Stderr = &p.out, &p.errs
	p.start(t, cmd)
	return p
}

// command returns a command that runs this test binary as the server, with additional
// environment variables.
func command(t *testing.T, variables []string, args ...string) *exec.Cmd {
	t.Helper()
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(program, args...)
	cmd.Env = append(append(os.Environ(), serverVariable+"=1"), variables...)
	return cmd
}

// inShell returns a command that runs a shell script. In the script, "$@" is cmd.
func inShell(cmd *exec.Cmd, script string) *exec.Cmd {
	shell := exec.Command("/bin/sh", append([]string{"-c", script, "sh"}, cmd.Args...)...)
	shell.Env = cmd.Env
	return shell
}

// start starts cmd, and kills it at the end of the test if it has not ended.
func (p *process) start(t *testing.T, cmd *exec.Cmd) {
	t.Helper()
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	p.Process = cmd.Process
	p.wait = sync.OnceValue(cmd.Wait)
	p.kill = sync.OnceFunc(func() {
		killed := p.Kill()
		_ = p.wait() // fails, because the process was killed
		if killed != nil && !errors.Is(killed, os.ErrProcessDone) {
			t.Error(killed)
		}
		_ = stdin.Close()
		if strings.Contains(p.errs.String(), "DATA RACE") || t.Failed() {
			t.Errorf("%q, process %d, printed: %s", cmd.Args, p.Pid, p.errs.String())
		}
	})
	t.Cleanup(p.kill)
}
