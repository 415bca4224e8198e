package main

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptrace"
	"os/exec"
	"sync"
	"syscall"
	"testing"
	"time"

	"orgd/internal/dbtest"
)

// send sends a signal to a process, which may have ended already.
func send(t *testing.T, pid int, signal syscall.Signal) {
	t.Helper()
	if err := syscall.Kill(pid, signal); err != nil && !errors.Is(err, syscall.ESRCH) {
		t.Fatal(err)
	}
}

// slowCall is a call in flight: the server waits for its body.
type slowCall struct {
	body    *io.PipeWriter
	replied chan reply
}

func beginSlowly(t *testing.T, server, apiKey string) slowCall {
	t.Helper()
	body, write := io.Pipe()
	// The server sends 100 Continue when it reads the body.
	asked := make(chan struct{})
	ctx := httptrace.WithClientTrace(context.Background(), &httptrace.ClientTrace{Got100Continue: func() { close(asked) }})
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, server+"/v1/orgs", body)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Authorization", "Bearer "+apiKey)
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("Expect", "100-continue")
	c := slowCall{write, make(chan reply, 1)}
	go func() {
		transport := &http.Transport{DisableKeepAlives: true, ExpectContinueTimeout: time.Minute}
		response, err := transport.RoundTrip(request)
		if err != nil {
			c.replied <- reply{err: err}
			return
		}
		defer response.Body.Close()
		a, err := readAnswer(response)
		c.replied <- reply{a, err}
	}()
	select {
	case <-asked:
	case r := <-c.replied:
		t.Fatalf("the server answered before the body was sent: %+v, %v", r.answer, r.err)
	}
	return c
}

// end sends the body and returns the answer.
func (c slowCall) end() reply {
	if _, err := io.WriteString(c.body, `{"orgName": "Slow"}`); err != nil {
		return reply{err: err}
	}
	if err := c.body.Close(); err != nil {
		return reply{err: err}
	}
	return <-c.replied
}

// On SIGTERM, the server answers all requests in flight and exits with 0.
func TestStopWithManyInFlight(t *testing.T) {
	t.Parallel()
	d := dbtest.New(t)
	apiKey := d.Key(t, d.Account(t))
	server := startProcess(t, d.URL, "--drain-delay=0s", "--rate-limit=0")
	calls := make([]slowCall, 100)
	var begun sync.WaitGroup
	for i := range calls {
		begun.Go(func() { calls[i] = beginSlowly(t, server.url, apiKey) })
	}
	begun.Wait()
	told := time.Now()
	send(t, server.Pid, syscall.SIGTERM)
	awaitRefused(t, server.url+"/livez")
	var ended sync.WaitGroup
	for _, c := range calls {
		ended.Go(func() {
			if r := c.end(); r.err != nil || r.status != http.StatusCreated {
				t.Errorf("%+v, %v", r.answer, r.err)
			}
		})
	}
	ended.Wait()
	if err := server.wait(); err != nil {
		t.Errorf("the server ended with %v", err)
	}
	t.Logf("%d calls were in flight; the server ended after %s", len(calls), time.Since(told))
	if n := count(t, d, "SELECT count(*) FROM orgs"); n != len(calls) {
		t.Errorf("%d organizations, want %d", n, len(calls))
	}
}

// A second signal ends the server without waiting for requests in flight.
func TestSecondSignalEndsAtOnce(t *testing.T) {
	t.Parallel()
	d := dbtest.New(t)
	server := startProcess(t, d.URL, "--drain-delay=0s")
	call := beginSlowly(t, server.url, d.Key(t, d.Account(t)))
	send(t, server.Pid, syscall.SIGTERM)
	awaitRefused(t, server.url+"/livez")
	ended := make(chan error, 1)
	go func() { ended <- server.wait() }()
	await(t, "the server keeps serving", func() bool {
		send(t, server.Pid, syscall.SIGTERM)
		return len(ended) > 0
	})
	var exit *exec.ExitError
	if err := <-ended; !errors.As(err, &exit) || exit.Sys().(syscall.WaitStatus).Signal() != syscall.SIGTERM {
		t.Errorf("the server ended with %v", err)
	}
	if r := call.end(); r.err == nil {
		t.Errorf("the call was answered %+v", r.answer)
	}
	if n := count(t, d, "SELECT count(*) FROM orgs"); n != 0 {
		t.Errorf("%d organizations, want none", n)
	}
}

// SIGHUP stops the server gracefully, even if a closing terminal sends it more than once.
func TestHangupStopsTheServer(t *testing.T) {
	t.Parallel()
	d := dbtest.New(t)
	server := startProcess(t, d.URL, "--drain-delay=0s")
	call := beginSlowly(t, server.url, d.Key(t, d.Account(t)))
	send(t, server.Pid, syscall.SIGHUP)
	awaitRefused(t, server.url+"/livez")
	for range 3 {
		send(t, server.Pid, syscall.SIGHUP)
	}
	if r := call.end(); r.err != nil || r.status != http.StatusCreated {
		t.Errorf("the call in flight: %+v, %v", r.answer, r.err)
	}
	if err := server.wait(); err != nil {
		t.Errorf("the server ended with %v", err)
	}
}

// A server that was started with nohup ignores SIGHUP.
func TestHangupThatIsIgnored(t *testing.T) {
	t.Parallel()
	read, write := pipe(t)
	p := logged(t, dbtest.New(t), write, `trap '' HUP; exec "$@"`, bufio.NewReader(read))
	send(t, p.Pid, syscall.SIGHUP)
	p.serves(t, 5)
	p.stops(t)
}
