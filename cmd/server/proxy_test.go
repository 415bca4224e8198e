package main

import (
	"bytes"
	"io"
	"net"
	"net/url"
	"sync"
	"sync/atomic"
	"testing"
)

// proxy is a TCP proxy between the server and its database. It can cut or silence
// connections, and hold back the bytes of either side.
type proxy struct {
	url    string // of the database, through the proxy
	addr   string
	target string

	requests, answers valve // from the server, from the database

	dials atomic.Int64 // connections that the server made
	hole  atomic.Bool  // new connections are silent from the start

	mu    sync.Mutex
	ln    net.Listener
	conns map[net.Conn]bool
	pairs []*pair // those that are not silenced
}

// pair is a connection from the server and the connection to the database to which it is
// forwarded.
type pair struct {
	silent atomic.Bool
	left   chan struct{} // closed when the server has closed its side
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

// refuse refuses new connections. Existing ones continue.
func (p *proxy) refuse() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.ln.Close()
}

// cut ends every connection and refuses new ones.
func (p *proxy) cut() {
	p.refuse()
	p.mu.Lock()
	defer p.mu.Unlock()
	for c := range p.conns {
		c.Close()
	}
	clear(p.conns)
	p.pairs = nil
}

// restore accepts connections again, at the same address.
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
			return // the listener was closed
		}
		p.dials.Add(1)
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
	if ln != p.ln { // the proxy was cut during the dial
		client.Close()
		database.Close()
		return
	}
	p.conns[client], p.conns[database] = true, true
	joined := &pair{left: make(chan struct{})}
	joined.silent.Store(p.hole.Load())
	p.pairs = append(p.pairs, joined)
	copyAndClose := func(to, from net.Conn, through *valve) {
		_, _ = io.Copy(joined.before(through.before(to)), from)
		// If one side closes, both are closed, unless the pair is silenced.
		from.Close()
		if !joined.silent.Load() {
			to.Close()
		}
	}
	go copyAndClose(client, database, &p.answers)
	go func() {
		defer close(joined.left)
		copyAndClose(database, client, &p.requests)
	}()
}

// silence drops all further bytes of the existing connections, like a firewall that has
// dropped their state: neither side gets an error. New connections work. silence returns
// the silenced pairs.
func (p *proxy) silence() []*pair {
	p.mu.Lock()
	defer p.mu.Unlock()
	silenced := p.pairs
	for _, s := range silenced {
		s.silent.Store(true)
	}
	p.pairs = nil
	return silenced
}

// blackHole silences all existing and all new connections.
func (p *proxy) blackHole() {
	p.hole.Store(true)
	p.silence()
}

func (p *pair) before(w io.Writer) io.Writer {
	return writerFunc(func(b []byte) (int, error) {
		if p.silent.Load() {
			return len(b), nil
		}
		return w.Write(b)
	})
}

// valve forwards bytes or holds them back.
type valve struct {
	mu   sync.Mutex
	shut chan struct{} // closed when the valve opens again; nil while it is open
	from []byte
	held []byte
}

// holdBack holds back all bytes, beginning with the first write that contains the text,
// until release is called or the test ends.
func (v *valve) holdBack(t *testing.T, from string) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.shut, v.from = make(chan struct{}), []byte(from)
	t.Cleanup(v.release)
}

func (v *valve) release() {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.shut != nil {
		close(v.shut)
	}
	v.shut, v.held = nil, nil
}

func (v *valve) holds() bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	return len(v.held) > 0
}

// take returns the channel for which the write of b must wait, or nil.
func (v *valve) take(b []byte) <-chan struct{} {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.shut == nil || len(v.held) == 0 && !bytes.Contains(b, v.from) {
		return nil
	}
	v.held = append(v.held, b...)
	return v.shut
}

func (v *valve) before(w io.Writer) io.Writer {
	return writerFunc(func(b []byte) (int, error) {
		if opened := v.take(b); opened != nil {
			<-opened
		}
		return w.Write(b)
	})
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(b []byte) (int, error) { return f(b) }
