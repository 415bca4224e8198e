package http_test

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"orgd/internal/dbtest"
	orgdhttp "orgd/internal/http"
	"orgd/internal/orgs"
)

// Without timeouts, clients could hold connections open forever.
func TestEveryLimitIsSet(t *testing.T) {
	t.Parallel()
	a := newAPI(t)
	public, admin := a.server.HTTPServers()
	for name, s := range map[string]*http.Server{"public": public, "admin": admin} {
		if s.ReadHeaderTimeout <= 0 || s.ReadTimeout <= 0 || s.IdleTimeout <= 60e9 || s.MaxHeaderBytes <= 0 || s.ErrorLog == nil {
			t.Errorf("the %s server lacks a limit: %+v", name, s)
		}
	}
	if public.WriteTimeout <= 0 {
		t.Error("the public server has no write timeout")
	}
}

// The configured idle timeout ends an idle connection. The timeouts for reading a request
// do not: they are longer than the test.
func TestIdleTimeout(t *testing.T) {
	t.Parallel()
	a := newAPIWith(t, dbtest.New(t), func(c *orgdhttp.Config) { c.IdleTimeout = time.Second })
	public, _ := a.server.HTTPServers()
	public.ReadTimeout, public.ReadHeaderTimeout = time.Hour, time.Hour
	server := httptest.NewUnstartedServer(nil)
	server.Config = public
	server.Start()
	defer server.Close()
	conn, err := net.Dial("tcp", server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	from := bufio.NewReader(conn)
	for range 2 {
		if _, err := io.WriteString(conn, "GET /livez HTTP/1.1\r\nHost: orgd\r\n\r\n"); err != nil {
			t.Fatal(err)
		}
		response, err := http.ReadResponse(from, nil)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.Copy(io.Discard, response.Body); err != nil || response.StatusCode != http.StatusOK {
			t.Fatalf("%d, %v", response.StatusCode, err)
		}
	}
	if err := conn.SetReadDeadline(time.Now().Add(30 * time.Second)); err != nil {
		t.Fatal(err)
	}
	if _, err := from.ReadByte(); !errors.Is(err, io.EOF) {
		t.Errorf("the idle connection ended with %v, want io.EOF", err)
	}
}

func TestHandlersHaveADeadline(t *testing.T) {
	t.Parallel()
	a := newAPIThatLists(t, func(ctx context.Context) (orgs.Page, error) {
		if _, limited := ctx.Deadline(); !limited {
			t.Error("the handler has no deadline")
		}
		return orgs.Page{}, nil
	})
	a.get(t, "/v1/orgs")
}

func TestHugeHeadersAreRejected(t *testing.T) {
	t.Parallel()
	a := newAPIWith(t, dbtest.New(t), func(*orgdhttp.Config) {})
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- a.server.Serve(ctx, ln, 0) }()
	a.url = "http://" + ln.Addr().String()
	head := a.raw(t, "GET /livez HTTP/1.1\r\nHost: x\r\nX-Long: "+strings.Repeat("a", 32<<10)+"\r\n\r\n")
	if !strings.HasPrefix(head, "HTTP/1.1 431") {
		t.Errorf("32 KiB of headers: %s", head)
	}
	cancel()
	if err := <-ended; err != nil {
		t.Errorf("Serve: %v", err)
	}
}
