package main

import (
	"io"
	"net"
	"net/url"
	"sync"
	"testing"
)

// proxy stands between the server and its database, and can be cut.
type proxy struct {
	url    string // the database's, through the proxy
	addr   string
	target string

	mu    sync.Mutex
	ln    net.Listener
	conns map[net.Conn]bool
}

func newProxy(t *testing.T, databaseURL string) *proxy {
	t.Helper()
	u, err := url.Parse(databaseURL)
	if err != nil {
		t.Fatal(err)
	}
	p := &proxy{target: u.Host, addr: "127.0.0.1:0", conns: map[net.Conn]bool{}}
	p.restore(t)
	t.Cleanup(p.cut)
	u.Host = p.addr
	p.url = u.String()
	return p
}

// cut ends every connection and refuses new ones.
func (p *proxy) cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.ln.Close()
	for c := range p.conns {
		c.Close()
	}
	clear(p.conns)
}

// restore lets connections in again, at the same address.
func (p *proxy) restore(t *testing.T) {
	t.Helper()
	ln, err := net.Listen("tcp", p.addr)
	if err != nil {
		t.Fatal(err)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.ln, p.addr = ln, ln.Addr().String()
	go p.accept(ln)
}

func (p *proxy) accept(ln net.Listener) {
	for {
		client, err := ln.Accept()
		if err != nil {
			return // it was cut
		}
		database, err := net.Dial("tcp", p.target)
		if err != nil {
			client.Close()
			continue
		}
		p.join(ln, client, database)
	}
}

func (p *proxy) join(ln net.Listener, client, database net.Conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if ln != p.ln { // cut meanwhile
		client.Close()
		database.Close()
		return
	}
	p.conns[client], p.conns[database] = true, true
	copyAndClose := func(to, from net.Conn) {
		// The end of either side, however it came, is the end of both.
		_, _ = io.Copy(to, from)
		to.Close()
		from.Close()
	}
	go copyAndClose(client, database)
	go copyAndClose(database, client)
}
