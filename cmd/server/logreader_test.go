package main

import (
	"bufio"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"orgd/internal/dbtest"
)

// logged starts a server through a shell that runs script. The server writes its log to
// out, and logged finds the address of the server in the lines of from.
func logged(t *testing.T, d *dbtest.DB, out *os.File, script string, from *bufio.Reader) *process {
	t.Helper()
	p := &process{}
	cmd := inShell(command(t, []string{"DATABASE_URL=" + d.URL}, slices.Concat(serveFlags, []string{"--drain-delay=0s"})...), script)
	cmd.Stdout, cmd.Stderr = out, &p.errs
	p.start(t, cmd)
	if err := out.Close(); err != nil {
		t.Fatal(err)
	}
	for p.url == "" {
		line, err := from.ReadString('\n')
		if err != nil {
			t.Fatalf("the log ends before the server has started: %v: %s", err, p.errs.String())
		}
		if found := servingLine.FindStringSubmatch(line); found != nil {
			p.url = found[2]
		}
	}
	return p
}

// serves checks that the server answers n requests. The log line of each is about 1 KB.
func (p *process) serves(t *testing.T, n int) {
	t.Helper()
	client := &http.Client{Timeout: 10 * time.Second}
	defer client.CloseIdleConnections()
	for range n {
		response, err := client.Get(p.url + "/v1/" + strings.Repeat("x", 1000))
		if err != nil {
			t.Fatal(err)
		}
		_, err = io.Copy(io.Discard, response.Body)
		if closed := response.Body.Close(); err != nil || closed != nil || response.StatusCode != http.StatusNotFound {
			t.Fatalf("%d, %v, %v", response.StatusCode, err, closed)
		}
	}
}

// stops checks that the server stops gracefully.
func (p *process) stops(t *testing.T) {
	t.Helper()
	send(t, p.Pid, syscall.SIGTERM)
	if err := p.wait(); err != nil {
		t.Errorf("the server ended with %v: %s", err, p.errs.String())
	}
}

func pipe(t *testing.T) (read, write *os.File) {
	t.Helper()
	read, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = read.Close() }) // the test may have closed it
	return read, write
}

// socket returns a socket pair like the one between a service and journald.
func socket(t *testing.T) (read, write *os.File) {
	t.Helper()
	syscall.ForkLock.RLock() // no child may be started until both are closed on exec
	fds, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM, 0)
	if err == nil {
		syscall.CloseOnExec(fds[0])
		syscall.CloseOnExec(fds[1])
	}
	syscall.ForkLock.RUnlock()
	if err != nil {
		t.Fatal(err)
	}
	read, write = os.NewFile(uintptr(fds[0]), "read"), os.NewFile(uintptr(fds[1]), "write")
	t.Cleanup(func() { _ = read.Close() })
	return read, write
}

const lostLines = "cannot write the log"

// If the reader of the log exits, the server keeps serving, and reports once on standard
// error that the log cannot be written.
func TestLogReaderLeaves(t *testing.T) {
	t.Parallel()
	const plainly, ignoring = `exec "$@"`, `trap '' PIPE; exec "$@"`
	for name, c := range map[string]struct {
		open   func(*testing.T) (read, write *os.File)
		script string
	}{
		"pipe":                    {pipe, plainly},
		"socket":                  {socket, plainly},
		"pipe, SIGPIPE ignored":   {pipe, ignoring},
		"socket, SIGPIPE ignored": {socket, ignoring},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			read, write := c.open(t)
			p := logged(t, dbtest.New(t), write, c.script, bufio.NewReader(read))
			if err := read.Close(); err != nil {
				t.Fatal(err)
			}
			p.serves(t, 10)
			await(t, "the lost log lines are not reported", func() bool { return strings.Contains(p.errs.String(), lostLines) })
			p.serves(t, 10)
			p.stops(t)
			if n := strings.Count(p.errs.String(), "\n"); n != 1 {
				t.Errorf("%d lines on standard error: %s", n, p.errs.String())
			}
		})
	}
}

// The server keeps serving if standard output and standard error have the same reader, as
// under systemd, and the reader exits.
func TestLogReaderLeavesBothStreams(t *testing.T) {
	t.Parallel()
	read, write := pipe(t)
	p := logged(t, dbtest.New(t), write, `exec "$@" 2>&1`, bufio.NewReader(read))
	if err := read.Close(); err != nil {
		t.Fatal(err)
	}
	p.serves(t, 20)
	p.stops(t)
}

// A new reader of the FIFO gets complete lines.
func TestLogReaderComesBack(t *testing.T) {
	t.Parallel()
	fifo := filepath.Join(t.TempDir(), "log")
	if err := syscall.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	open := func(flag int) *os.File {
		f, err := os.OpenFile(fifo, flag, 0)
		if err != nil {
			t.Fatal(err)
		}
		return f
	}
	first := open(os.O_RDONLY | syscall.O_NONBLOCK)
	p := logged(t, dbtest.New(t), open(os.O_WRONLY), `exec "$@"`, bufio.NewReader(first))
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	p.serves(t, 5)
	await(t, "the lost log lines are not reported", func() bool { return strings.Contains(p.errs.String(), lostLines) })

	second := open(os.O_RDONLY | syscall.O_NONBLOCK)
	defer second.Close()
	var lines safeBuffer
	go func() { _, _ = io.Copy(&lines, second) }() // until second is closed
	await(t, "the new reader gets no lines", func() bool {
		p.serves(t, 1)
		return strings.Contains(lines.String(), `"msg":"log lines were lost`) && strings.Contains(lines.String(), `"status":404`)
	})
	if text := lines.String(); !strings.HasPrefix(text, "{") || !strings.HasSuffix(text, "}\n") {
		t.Errorf("a line is incomplete: %s", text)
	}
	p.stops(t)
}

// If the reader stalls, requests are still answered, and their log lines are buffered.
func TestLogReaderStalls(t *testing.T) {
	t.Parallel()
	read, write := pipe(t)
	from := bufio.NewReader(read)
	p := logged(t, dbtest.New(t), write, `exec "$@"`, from)
	p.serves(t, 200) // about 200 KB of log; a pipe holds 64 KB
	rest := make(chan []byte, 1)
	go func() { b, _ := io.ReadAll(from); rest <- b }()
	p.stops(t)
	if n := strings.Count(string(<-rest), `"status":404`); n != 200 {
		t.Errorf("%d requests were logged, want 200", n)
	}
}

// A server stops even if nobody reads its last log lines.
func TestStopWithStalledLogReader(t *testing.T) {
	t.Parallel()
	read, write := pipe(t)
	p := logged(t, dbtest.New(t), write, `exec "$@"`, bufio.NewReader(read))
	p.serves(t, 200)
	p.stops(t)
}
