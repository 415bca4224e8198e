package db

import (
	"context"
	"fmt"
	"net"
	"strconv"
	"syscall"
	"time"
)

// dialer opens sockets that detect a dead network. The settings come from parameters of
// the database URL that libpq defines. pgx does not know these parameters and would send
// them to PostgreSQL.
// https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-PARAMKEYWORDS
type dialer struct {
	keepalive   net.KeepAliveConfig
	userTimeout time.Duration // how long sent bytes may stay unacknowledged or unread; 0 means the system's default
}

// UserTimeout is the value of Options.UserTimeout for connections with small statements.
// PostgreSQL reads these immediately, so unacknowledged bytes mean that the network is
// dead.
const UserTimeout = 5 * time.Second

// Defaults of the dialer. Idle connections are probed often enough that firewalls and NAT
// gateways do not drop them (AWS does so after 350 s, Azure after 240 s).
const (
	defaultKeepaliveIdle     = 10 * time.Second
	defaultKeepaliveInterval = 2 * time.Second
	defaultKeepaliveCount    = 3
)

// newDialer reads the parameters of the dialer and removes them from params. userTimeout
// is the default for tcp_user_timeout.
func newDialer(params map[string]string, userTimeout time.Duration) (dialer, error) {
	d := dialer{
		keepalive: net.KeepAliveConfig{
			Enable: true, Idle: defaultKeepaliveIdle, Interval: defaultKeepaliveInterval, Count: defaultKeepaliveCount,
		},
		userTimeout: userTimeout,
	}
	for name, set := range map[string]func(n int){
		"keepalives":          func(n int) { d.keepalive.Enable = n != 0 },
		"keepalives_idle":     func(n int) { d.keepalive.Idle = time.Duration(n) * time.Second },
		"keepalives_interval": func(n int) { d.keepalive.Interval = time.Duration(n) * time.Second },
		"keepalives_count":    func(n int) { d.keepalive.Count = n },
		"tcp_user_timeout":    func(n int) { d.userTimeout = time.Duration(n) * time.Millisecond },
	} {
		value, given := params[name]
		delete(params, name)
		if !given {
			continue
		}
		n, err := strconv.ParseUint(value, 10, 31)
		if err != nil {
			return dialer{}, fmt.Errorf("%s in the database URL is %q; it must be a whole number, 0 or more", name, value)
		}
		set(int(n))
	}
	return d, nil
}

// dial is a pgconn.DialFunc. pgconn bounds it by the connect timeout. The cancel request
// of a lost connection uses the same function, bounded by cancelLimit.
func (d dialer) dial(ctx context.Context, network, address string) (net.Conn, error) {
	// A negative KeepAlive turns off package net's default keepalive if d.keepalive is
	// off.
	n := net.Dialer{KeepAlive: -1, KeepAliveConfig: d.keepalive}
	if d.userTimeout > 0 && network != "unix" {
		n.Control = func(_, _ string, c syscall.RawConn) error { return setUserTimeout(c, d.userTimeout) }
	}
	return n.DialContext(ctx, network, address)
}
