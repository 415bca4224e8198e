package main

import (
	"errors"
	"io"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"sync"
	"testing"
)

// serverVariable, in the environment, has the test binary be the server, until it
// is killed.
const serverVariable = "ORGD_TEST_SERVE"

// beServer is the server as it ships, but for this: it does not outlive the test
// that started it, which holds the other end of its standard input.
func beServer() {
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		os.Exit(exitFailed)
	}()
	main()
}

// process is a server that is a process of its own.
type process struct {
	url  string
	kill func() // kill -9, and the wait for its end
}

var servingLine = regexp.MustCompile(`"msg":"serving".*"publicUrl":"([^"]+)"`)

func startProcess(t *testing.T, databaseURL string) *process {
	t.Helper()
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	var out, errs safeBuffer
	cmd := exec.Command(program, "serve", "--addr=127.0.0.1:0", "--admin-addr=127.0.0.1:0", "--db-max-conns=8", "--log-level=info", "--public-url=")
	cmd.Env = append(os.Environ(), serverVariable+"=1", "DATABASE_URL="+databaseURL)
	cmd.Stdout, cmd.Stderr = &out, &errs
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	p := &process{kill: sync.OnceFunc(func() {
		killed := cmd.Process.Kill()
		_ = cmd.Wait() // it was killed, as it says
		if killed != nil && !errors.Is(killed, os.ErrProcessDone) {
			t.Error(killed)
		}
		_ = stdin.Close()
		if strings.Contains(errs.String(), "DATA RACE") || t.Failed() {
			t.Errorf("the server, process %d, said: %s", cmd.Process.Pid, errs.String())
		}
	})}
	t.Cleanup(p.kill)
	await(t, "the server does not come up", func() bool {
		found := servingLine.FindStringSubmatch(out.String())
		if found != nil {
			p.url = found[1]
		}
		return found != nil
	})
	return p
}
