package db

import (
	"errors"
	"time"

	"github.com/jackc/pgx/v5"
)

// IsBusy reports whether a statement on the connection waits for its answer.
func IsBusy(conn *pgx.Conn) bool { return socketOf(conn.PgConn()).busy.Load() }

// ReadInBackground reads from the socket of the connection, as pgx does during a slow
// Write, until stop is called.
func ReadInBackground(conn *pgx.Conn) (stop func() error) {
	s := socketOf(conn.PgConn())
	done := make(chan struct{})
	go func() {
		defer close(done)
		_, _ = s.Read(make([]byte, 1)) // stop ends it with an error
	}()
	return func() error {
		err := s.SetReadDeadline(time.Now())
		<-done
		return errors.Join(err, s.SetReadDeadline(time.Time{}))
	}
}

// IsFailing reports whether the last attempt to connect failed.
func (p *Pool) IsFailing() bool { return p.dials.lastError() != nil }
