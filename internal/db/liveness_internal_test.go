package db

import (
	"net"
	"testing"
)

// A connection that waits too long for a response is suspect. An idle connection in the
// pool is not: pgx may read from it in the background.
func TestIdleConnectionsAreNotSuspect(t *testing.T) {
	t.Parallel()
	near, far := net.Pipe()
	sockets := newSockets(func() {})
	s := &socket{Conn: near, sockets: sockets, hosts: &hosts{}, backend: backend{pid: 1}}
	if err := sockets.open(s); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.cut)
	w := &watchdog{sockets: sockets}
	s.waiting.Store(clock() - 2*int64(suspectAfter))
	if found := w.suspects(); len(found) != 1 {
		t.Errorf("%d suspects while the connection waits, want 1", len(found))
	}
	s.idle.Store(true)
	if found := w.suspects(); len(found) != 0 {
		t.Errorf("%d suspects while the connection is idle, want 0", len(found))
	}
	go func() { _, _ = far.Read(make([]byte, 1)) }() // returns when the pipe closes
	if _, err := s.Write([]byte{1}); err != nil {
		t.Fatal(err)
	}
	if found := w.suspects(); len(found) != 1 {
		t.Errorf("%d suspects after a statement was sent, want 1", len(found))
	}
}
