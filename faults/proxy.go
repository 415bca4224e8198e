package main

import (
	"bytes"
	"encoding/binary"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// proxy forwards connections between one replica and PostgreSQL. Each kind of failure is
// a method that counts its effects, so that a fault without an effect is noticed.
type proxy struct {
	addr   string
	target string

	dials    atomic.Int64 // connections that the replica opened or tried to open
	refusals atomic.Int64 // dials that were refused
	withheld atomic.Int64 // bytes that arrived while their link was held
	broken   atomic.Int64 // links that were cut or reset

	mu       sync.Mutex
	ln       net.Listener
	links    map[*link]bool
	hold     side          // what new links hold back
	delay    time.Duration // of all bytes, in each direction
	refuseBy []byte        // the answer to a new connection before it is closed; nil for none
	refuse   bool
}

// side says which bytes a link holds back.
type side int

const (
	nothing side = iota
	answers      // from PostgreSQL
	everything
)

// link is one connection of the replica and the matching one to PostgreSQL.
type link struct {
	*proxy
	client, database net.Conn
	listener         bool // it listens for notifications, such as key changes

	mu     sync.Mutex
	held   side
	opened chan struct{} // closed when held changes
	gone   chan struct{}
	once   sync.Once
}

func newProxy(target string) (*proxy, error) {
	p := &proxy{target: target, links: map[*link]bool{}}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	p.ln, p.addr = ln, ln.Addr().String()
	go p.accept(ln)
	return p, nil
}

func (p *proxy) close() {
	p.ln.Close()
	p.cut(all)
}

func (p *proxy) accept(ln net.Listener) {
	for {
		client, err := ln.Accept()
		if err != nil {
			return // closed
		}
		p.dials.Add(1)
		go p.join(client)
	}
}

func (p *proxy) join(client net.Conn) {
	p.mu.Lock()
	refuse, answer, target := p.refuse, p.refuseBy, p.target
	p.mu.Unlock()
	if refuse {
		p.refusals.Add(1)
		p.reject(client, answer)
		return
	}
	startup, err := readStartup(client)
	if err != nil {
		client.Close()
		return
	}
	database, err := net.DialTimeout("tcp", target, 3*time.Second)
	if err != nil {
		reset(client)
		return
	}
	l := &link{
		proxy: p, client: client, database: database, opened: make(chan struct{}), gone: make(chan struct{}),
		listener: bytes.Contains(startup, []byte("orgd listener")),
	}
	p.mu.Lock()
	l.held = p.hold
	p.links[l] = true
	p.mu.Unlock()
	go l.copy(client, database, answers, nil)
	l.copy(database, client, everything, startup)
}

// reject rejects a connection with an answer in PostgreSQL's protocol, or with a reset, as
// if nothing listened on the port.
func (p *proxy) reject(client net.Conn, answer []byte) {
	if answer == nil {
		reset(client)
		return
	}
	defer client.Close()
	if _, err := readStartup(client); err == nil {
		_, _ = client.Write(answer) // the client may be gone
	}
}

// readStartup reads the first message: its length and the rest.
func readStartup(client net.Conn) ([]byte, error) {
	const longest = 10_000 // PostgreSQL's limit
	head := make([]byte, 4)
	if _, err := io.ReadFull(client, head); err != nil {
		return nil, err
	}
	size := binary.BigEndian.Uint32(head)
	if size < 8 || size > longest {
		return nil, io.ErrUnexpectedEOF
	}
	message := append(head, make([]byte, size-4)...)
	_, err := io.ReadFull(client, message[4:])
	return message, err
}

// copy forwards bytes from one connection to the other. It waits while the link holds
// back that direction. It begins with the bytes in first.
func (l *link) copy(to, from net.Conn, held side, first []byte) {
	defer l.end(false)
	buffer := make([]byte, 32<<10)
	for n := copy(buffer, first); ; {
		if n > 0 {
			if !l.await(held, n) || !l.wait() {
				return
			}
			if _, err := to.Write(buffer[:n]); err != nil {
				return
			}
		}
		var err error
		if n, err = from.Read(buffer); err != nil {
			return
		}
	}
}

// await waits until the direction is not held. It returns false if the link ends.
func (l *link) await(direction side, bytes int) bool {
	counted := false
	for {
		l.mu.Lock()
		held, opened := l.held, l.opened
		l.mu.Unlock()
		if held < direction {
			return true
		}
		if !counted {
			l.withheld.Add(int64(bytes))
			counted = true
		}
		select {
		case <-opened:
		case <-l.gone:
			return false
		}
	}
}

// wait waits for the delay of the simulated network.
func (l *link) wait() bool {
	l.proxy.mu.Lock()
	delay := l.delay
	l.proxy.mu.Unlock()
	if delay == 0 {
		return true
	}
	select {
	case <-time.After(delay):
		return true
	case <-l.gone:
		return false
	}
}

func (l *link) setHeld(s side) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.held = s
	close(l.opened)
	l.opened = make(chan struct{})
}

// end closes both connections, with a reset if abrupt is true.
func (l *link) end(abrupt bool) {
	l.once.Do(func() {
		close(l.gone)
		if abrupt {
			reset(l.client)
		}
		l.client.Close()
		l.database.Close()
		l.proxy.mu.Lock()
		defer l.proxy.mu.Unlock()
		delete(l.links, l)
	})
}

// reset closes the connection with RST. It ignores errors, which mean that the connection
// is already closed.
func reset(c net.Conn) {
	if tcp, ok := c.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
	_ = c.Close()
}

func all(*link) bool       { return true }
func listens(l *link) bool { return l.listener }

func (p *proxy) chosen(which func(*link) bool) (found []*link) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for l := range p.links {
		if which(l) {
			found = append(found, l)
		}
	}
	return found
}

// silence holds back everything on the existing links. New links work.
func (p *proxy) silence() {
	for _, l := range p.chosen(all) {
		l.setHeld(everything)
	}
}

// holdBack makes all links, including new ones, hold back PostgreSQL's answers,
// everything, or nothing. In the last case, held bytes flow again.
func (p *proxy) holdBack(s side) {
	p.mu.Lock()
	p.hold = s
	p.mu.Unlock()
	for _, l := range p.chosen(all) {
		l.setHeld(s)
	}
}

// cut resets the chosen links.
func (p *proxy) cut(which func(*link) bool) {
	for _, l := range p.chosen(which) {
		p.broken.Add(1)
		l.end(true)
	}
}

// slow delays everything by d in each direction.
func (p *proxy) slow(d time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.delay = d
}

// rejectNew rejects new connections with the answer, or with a reset if it is nil.
func (p *proxy) rejectNew(answer []byte) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.refuse, p.refuseBy = true, answer
}

// acceptNew accepts new connections again.
func (p *proxy) acceptNew() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.refuse, p.refuseBy = false, nil
}

// tooManyClients is PostgreSQL's ErrorResponse when max_connections is exhausted.
var tooManyClients = errorResponse("FATAL", "53300", "sorry, too many clients already")

// errorResponse returns an ErrorResponse message of the protocol:
// https://www.postgresql.org/docs/current/protocol-message-formats.html
func errorResponse(severity, sqlstate, message string) []byte {
	var fields bytes.Buffer
	for _, field := range []struct {
		name  byte
		value string
	}{{'S', severity}, {'V', severity}, {'C', sqlstate}, {'M', message}} {
		fields.WriteByte(field.name)
		fields.WriteString(field.value)
		fields.WriteByte(0)
	}
	fields.WriteByte(0)
	return append(binary.BigEndian.AppendUint32([]byte{'E'}, uint32(4+fields.Len())), fields.Bytes()...)
}
