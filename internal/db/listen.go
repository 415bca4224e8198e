package db

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// A dead network looks like a channel without notifications. A probe detects it within
// probeEvery plus probeLimit.
const (
	probeEvery = 2 * time.Second
	probeLimit = time.Second

	firstBackoff = 100 * time.Millisecond
	longestWait  = 3 * time.Second
)

// Listener receives the notifications of channels, on its own connection.
type Listener struct {
	URL string
	// Heard has, for each channel, the function that is called with the payload of each
	// notification. Channel names are unquoted.
	Heard map[string]func(payload string)
	// Lock is the id of an advisory lock. The connection holds it in shared mode while it
	// listens, to show other sessions that this process is alive. 0 means no lock.
	Lock int64
	// Began is called when a connection starts to listen, before its first notification.
	// Earlier notifications may be lost.
	Began func()
	// Lost is called when the connection is lost or cannot be opened.
	Lost func(error)
}

// Run listens until ctx is done, and reconnects as often as needed. An error means that
// the URL cannot be parsed.
func (l Listener) Run(ctx context.Context) error {
	pool, err := parse(l.URL, UserTimeout)
	if err != nil {
		return err
	}
	cfg := pool.ConnConfig
	cfg.RuntimeParams["application_name"] = "orgd listener"
	backoff := firstBackoff
	for {
		began, err := l.listen(ctx, cfg)
		if ctx.Err() != nil {
			return nil
		}
		l.Lost(err)
		if began {
			backoff = firstBackoff
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(backoff/2 + rand.N(backoff/2)):
		}
		backoff = min(2*backoff, longestWait)
	}
}

// listen listens on one connection until it fails. began reports whether it started to
// listen.
func (l Listener) listen(ctx context.Context, cfg *pgx.ConnConfig) (began bool, err error) {
	conn, err := connect(ctx, cfg)
	if err != nil {
		return false, cannotConnect("connect: ", err)
	}
	defer hangUp(conn)
	for channel := range l.Heard {
		if err := probe(ctx, conn, "LISTEN "+pgx.Identifier{channel}.Sanitize()); err != nil {
			return false, fmt.Errorf("listen: %w", err)
		}
	}
	if err := l.lock(ctx, conn); err != nil {
		return false, fmt.Errorf("lock: %w", err)
	}
	l.Began()
	for {
		heard, err := wait(ctx, conn)
		switch {
		case err == nil:
			l.Heard[heard.Channel](heard.Payload)
		case ctx.Err() != nil:
			return true, ctx.Err()
		case errors.Is(err, context.DeadlineExceeded):
			if err := isStillRight(ctx, conn, cfg); err != nil {
				return true, fmt.Errorf("the host does not answer, or no longer matches target_session_attrs: %w", err)
			}
		default:
			return true, fmt.Errorf("wait: %w", err)
		}
	}
}

// lock takes the lock in shared mode. In exclusive mode, it might have to wait until
// PostgreSQL notices that an earlier connection is dead.
func (l Listener) lock(ctx context.Context, conn *pgx.Conn) error {
	if l.Lock == 0 {
		return nil
	}
	return probe(ctx, conn, fmt.Sprintf("SELECT pg_advisory_lock_shared(%d)", l.Lock))
}

func wait(ctx context.Context, conn *pgx.Conn) (*pgconn.Notification, error) {
	waiting, cancel := context.WithTimeout(ctx, probeEvery)
	defer cancel()
	return conn.WaitForNotification(waiting)
}

// isStillRight checks that the host answers and still has the role that the URL requires
// (target_session_attrs). A demoted primary may stay up, but it sends no notifications.
func isStillRight(ctx context.Context, conn *pgx.Conn, cfg *pgx.ConnConfig) error {
	if cfg.ValidateConnect == nil {
		return probe(ctx, conn, "SELECT 1")
	}
	limited, cancel := context.WithTimeout(ctx, probeLimit)
	defer cancel()
	return cfg.ValidateConnect(limited, conn.PgConn())
}

func probe(ctx context.Context, conn *pgx.Conn, sql string) error {
	limited, cancel := context.WithTimeout(ctx, probeLimit)
	defer cancel()
	_, err := conn.Exec(limited, sql)
	return err
}
