package main

import (
	"context"
	"errors"
	"net"
)

// listeners are the sockets on which a server listens: one for the API, and one for the
// admin address. Both serve plain HTTP; a load balancer terminates TLS.
type listeners struct {
	public, admin net.Listener
}

func listen(ctx context.Context, addr, adminAddr string) (listeners, error) {
	var config net.ListenConfig
	public, err := config.Listen(ctx, "tcp", addr)
	if err != nil {
		return listeners{}, err
	}
	admin, err := config.Listen(ctx, "tcp", adminAddr)
	if err != nil {
		return listeners{}, errors.Join(err, public.Close())
	}
	return listeners{public: public, admin: admin}, nil
}

// localAddr returns an address at which this machine can reach a server that listens on
// addr.
func localAddr(addr string) string {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		panic(err) // Validate has checked it
	}
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		host = "localhost"
	}
	return net.JoinHostPort(host, port)
}

func isLoopback(addr net.Addr) bool {
	tcp, ok := addr.(*net.TCPAddr)
	return ok && tcp.IP.IsLoopback()
}

// close closes the listeners. Errors do not matter: the server may already have closed
// them.
func (l listeners) close() {
	_ = l.public.Close()
	_ = l.admin.Close()
}
