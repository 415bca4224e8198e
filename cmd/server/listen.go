package main

import (
	"errors"
	"net"
)

// listeners are the addresses that a server is bound to.
type listeners struct {
	public, admin net.Listener
}

func listen(addr, adminAddr string) (listeners, error) {
	public, err := net.Listen("tcp", addr)
	if err != nil {
		return listeners{}, err
	}
	admin, err := net.Listen("tcp", adminAddr)
	if err != nil {
		return listeners{}, errors.Join(err, public.Close())
	}
	return listeners{public: public, admin: admin}, nil
}

// localAddr returns the address by which this machine reaches a server that listens on
// addr.
func localAddr(addr string) string {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		panic(err) // Validate has parsed it
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

// close closes the listeners. The server may have closed them before.
func (l listeners) close() {
	_ = l.public.Close()
	_ = l.admin.Close()
}
