package db

import (
	"context"
	"net"
	"testing"
	"time"
)

// deadlined is a socket that records its deadline.
type deadlined struct {
	net.Conn
	at time.Time
}

func (d *deadlined) SetDeadline(at time.Time) error {
	d.at = at
	return nil
}

// A statement ends at once when its deadline passes. After a cancellation, it may run for a
// little longer.
func TestWhenAStatementEnds(t *testing.T) {
	t.Parallel()
	canceled, cancel := context.WithCancel(context.Background())
	cancel()
	late, end := context.WithDeadline(context.Background(), time.Now())
	defer end()
	for name, c := range map[string]struct {
		ctx  context.Context
		want time.Duration
	}{"canceled": {canceled, finishLimit}, "deadline": {late, 0}} {
		t.Run(name, func(t *testing.T) {
			var socket deadlined
			before := time.Now()
			canceling{&socket}.HandleCancel(c.ctx)
			after := time.Now()
			if socket.at.Before(before.Add(c.want)) || socket.at.After(after.Add(c.want)) {
				t.Errorf("the deadline is %v after the call, want %v", socket.at.Sub(before), c.want)
			}
			canceling{&socket}.HandleUnwatchAfterCancel()
			if !socket.at.IsZero() {
				t.Error("the deadline was not cleared")
			}
		})
	}
}
