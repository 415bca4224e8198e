package db

import (
	"context"
	"net"
	"syscall"
	"testing"
	"time"
)

// Sockets detect a dead network according to the URL's parameters, or the defaults.
func TestSocketOptions(t *testing.T) {
	t.Parallel()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ln.Close() })
	for name, c := range map[string]struct {
		params      string
		small       bool // the connection carries only small statements
		idle, count int
		timeout     time.Duration
	}{
		"small statements":                 {"", true, 10, 3, 5 * time.Second},
		"COPY":                             {"", false, 10, 3, 0}, // PostgreSQL may stop reading for seconds
		"small statements, set in the URL": {"?keepalives_idle=7&keepalives_count=5&tcp_user_timeout=1500", true, 7, 5, 1500 * time.Millisecond},
		"COPY, set in the URL":             {"?tcp_user_timeout=1500", false, 10, 3, 1500 * time.Millisecond},
		"no timeout, set in the URL":       {"?tcp_user_timeout=0", true, 10, 3, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var timeout time.Duration
			if c.small {
				timeout = UserTimeout
			}
			cfg, err := parse("postgres://u@"+ln.Addr().String()+"/d"+c.params, timeout)
			if err != nil {
				t.Fatal(err)
			}
			conn, err := cfg.ConnConfig.DialFunc(context.Background(), "tcp", ln.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			for option, want := range map[int]int{
				syscall.TCP_KEEPIDLE: c.idle, syscall.TCP_KEEPCNT: c.count, tcpUserTimeout: int(c.timeout.Milliseconds()),
			} {
				if got := socketOption(t, conn, option); got != want {
					t.Errorf("option %#x is %d, want %d", option, got, want)
				}
			}
		})
	}
}

func socketOption(t *testing.T, conn net.Conn, option int) (value int) {
	t.Helper()
	raw, err := conn.(*net.TCPConn).SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	var failed error
	if err := raw.Control(func(fd uintptr) {
		value, failed = syscall.GetsockoptInt(int(fd), syscall.IPPROTO_TCP, option)
	}); err != nil {
		t.Fatal(err)
	}
	if failed != nil {
		t.Fatal(failed)
	}
	return value
}
