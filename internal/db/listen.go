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

// A dead network is as silent as a channel on which nothing happens. It is noticed
// within probeEvery and probeLimit.
const (
	probeEvery = 2 * time.Second
	probeLimit = time.Second

	firstBackoff = 100 * time.Millisecond
	longestWait  = 3 * time.Second
)

// Listener hears the notifications of one channel, on a connection of its own.
type Listener struct {
	URL     string
	Channel string // a plain name
	// Lock is an advisory lock that the connection holds, shared, while it listens: so
	// other sessions can tell that this process lives. 0 for none.
	Lock int64
	// Began is called whenever the channel is listened to anew, before the first
	// notification of it: what was said before then is lost.
	Began func()
	// Heard is called for each notification.
	Heard func(payload string)
	// Lost is called when the connection is gone, or was not to be had.
	Lost func(error)
}

// Run listens until ctx is done, and connects again as often as it takes. An
// error means that the URL cannot be read.
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

// listen hears one connection out. It says whether it ever listened.
func (l Listener) listen(ctx context.Context, cfg *pgx.ConnConfig) (began bool, err error) {
	conn, err := connect(ctx, cfg)
	if err != nil {
		return false, cannotConnect("connect: ", err)
	}
	defer hangUp(conn)
	if err := probe(ctx, conn, "LISTEN "+pgx.Identifier{l.Channel}.Sanitize()); err != nil {
		return false, fmt.Errorf("listen: %w", err)
	}
	if err := l.lock(ctx, conn); err != nil {
		return false, fmt.Errorf("lock: %w", err)
	}
	l.Began()
	for {
		heard, err := wait(ctx, conn)
		switch {
		case err == nil:
			l.Heard(heard.Payload)
		case ctx.Err() != nil:
			return true, ctx.Err()
		case errors.Is(err, context.DeadlineExceeded):
			if err := isStillRight(ctx, conn, cfg); err != nil {
				return true, fmt.Errorf("no sign of life, or not of the right host: %w", err)
			}
		default:
			return true, fmt.Errorf("wait: %w", err)
		}
	}
}

// lock shares the lock, since a lost connection may still hold it.
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

// isStillRight asks for a sign of life, and whether the host is yet one that the URL
// wants: a primary that has stepped down may live on, and has no news to tell.
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
