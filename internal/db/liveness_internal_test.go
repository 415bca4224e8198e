package db

import (
	"net"
	"testing"
)

// A connection that waits too long for the answer to a statement is suspect. One without a
// statement is not: pgx may read from it in the background.
func TestOnlyBusyConnectionsAreSuspect(t *testing.T) {
	t.Parallel()
	near, _ := net.Pipe()
	sockets := newSockets(func() {})
	s := &socket{Conn: near, sockets: sockets, hosts: &hosts{}, backend: backend{pid: 1}}
	if err := sockets.open(s); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.cut)
	w := &watchdog{sockets: sockets}
	s.waiting.Store(clock() - 2*int64(suspectAfter))
	if found := w.suspects(); len(found) != 0 {
		t.Errorf("%d suspects without a statement, want 0", len(found))
	}
	s.busy.Store(true)
	if found := w.suspects(); len(found) != 1 {
		t.Errorf("%d suspects while a statement waits for its answer, want 1", len(found))
	}
}
