package http_test

import (
	"context"
	"net"
	"net/http"
	"strings"
	"testing"

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
