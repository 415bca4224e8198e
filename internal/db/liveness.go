package db

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// A dead network reports no error. Three checks detect a dead connection: a ping before
// the first statement after a silence (answers), the watchdog during a statement, and
// TCP's own timeouts (tcp.go).

const (
	// A connection that has been silent for pingAfter must answer a ping before its next
	// statement.
	pingAfter = time.Second
	pingLimit = time.Second
)

// answers reports whether a connection works. It pings the connection if it has been
// silent for pingAfter. If the ping times out, the other silent connections are probably
// dead too. answers then evicts them all, because each of them would delay a caller by
// pingLimit.
func (p *Pool) answers(ctx context.Context, conn *pgxpool.Conn) bool {
	s, began := socketOf(conn.Conn().PgConn()), clock()
	if s.heard.Load() > max(began-int64(pingAfter), p.doubted.Load()) {
		return true
	}
	// The ping does not use ctx: if the caller canceled it, pgx would close the
	// connection.
	limited, cancel := context.WithTimeout(context.WithoutCancel(ctx), pingLimit)
	defer cancel()
	s.pinged.Store(true)
	err := conn.Ping(limited)
	s.pinged.Store(false)
	if err != nil && limited.Err() != nil {
		s.cut()
		p.evict(ctx, began)
	}
	return err == nil
}

// evict cuts the connections that run no statement and have received nothing since the
// given time.
func (p *Pool) evict(ctx context.Context, since int64) {
	silent := func(s *socket) bool { return s.heard.Load() < since }
	for _, s := range p.sockets.where(func(s *socket) bool { return s.pinged.Load() && silent(s) }) {
		s.cut()
	}
	for _, conn := range p.pool.AcquireAllIdle(ctx) {
		if s := socketOf(conn.Conn().PgConn()); silent(s) {
			s.cut()
		}
		p.release(conn, func() {})
	}
}

const (
	watchEvery = 250 * time.Millisecond
	// suspectAfter is how long a connection may wait for an answer before the watchdog
	// asks PostgreSQL whether it still runs the statement.
	suspectAfter = time.Second
	// askEvery is the time between two such queries.
	askEvery = 500 * time.Millisecond
	askLimit = time.Second
)

// watchdog cuts connections that wait for an answer that will never arrive. A slow
// statement may be fine, and a network may acknowledge bytes that it does not deliver.
// The watchdog therefore asks PostgreSQL, on a separate connection, whether an answer
// will come.
type watchdog struct {
	sockets   *sockets
	cfg       *pgx.ConnConfig
	anyHost   bool      // the URL allows several servers, and an answer from one says nothing about the others
	conn      *pgx.Conn // nil while nothing is suspect
	notBefore int64
}

// suspect is a connection that has waited for an answer for longer than suspectAfter.
type suspect struct {
	socket *socket
	since  int64
}

func newWatchdog(sockets *sockets, cfg *pgx.ConnConfig) *watchdog {
	cfg = cfg.Copy()
	cfg.ConnectTimeout = min(cfg.ConnectTimeout, askLimit) // for each host
	return &watchdog{sockets: sockets, cfg: cfg, anyHost: newHosts(cfg).several && cfg.ValidateConnect == nil}
}

func (w *watchdog) run(ctx context.Context) {
	ticker := time.NewTicker(watchEvery)
	defer ticker.Stop()
	defer w.hangUp()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			w.look(ctx)
		}
	}
}

func (w *watchdog) look(ctx context.Context) {
	suspects := w.suspects()
	if len(suspects) == 0 {
		w.hangUp()
		return
	}
	if clock() < w.notBefore {
		return
	}
	w.notBefore = clock() + int64(askEvery)
	serving, err := w.ask(ctx, suspects)
	if err != nil {
		w.hangUp() // without an answer, nothing is known
		return
	}
	for _, s := range suspects {
		if !serving[s.socket.backend] && s.socket.waiting.Load() == s.since && s.socket.busy.Load() {
			s.socket.cut()
		}
	}
}

// suspects returns the suspect connections. A connection without a statement, in the pool
// or in a transaction, is not suspect, even if a Read is in flight: during a slow Write, pgx
// reads in the background, and that Read may continue after the answer.
func (w *watchdog) suspects() (found []suspect) {
	before := clock() - int64(suspectAfter)
	for _, s := range w.sockets.where(func(s *socket) bool { return s.backend.pid != 0 }) {
		if since := s.waiting.Load(); since != 0 && since < before && s.busy.Load() {
			found = append(found, suspect{s, since})
		}
	}
	return found
}

// ask returns the backends (PostgreSQL processes) of the suspects that may still answer.
// If ask reaches a different server, that server must have replaced the backend's, so the
// backend counts as gone. If the URL allows several servers, both may be up, so the backend
// counts as alive.
func (w *watchdog) ask(ctx context.Context, suspects []suspect) (map[backend]bool, error) {
	limited, cancel := context.WithTimeout(ctx, time.Duration(1+len(w.cfg.Fallbacks))*askLimit)
	defer cancel()
	if w.conn == nil {
		conn, err := connect(limited, w.cfg)
		if err != nil {
			return nil, err
		}
		w.conn = conn
	}
	var pids []string
	for _, s := range suspects {
		pids = append(pids, fmt.Sprint(s.socket.backend.pid))
	}
	results, err := w.conn.PgConn().Exec(limited, identify+fmt.Sprintf(backendsServing, strings.Join(pids, ", "))).ReadAll()
	if err != nil {
		return nil, err
	}
	server := string(results[0].Rows[0][1])
	serving := map[backend]bool{}
	for _, s := range suspects {
		if w.anyHost && s.socket.backend.server != server {
			serving[s.socket.backend] = true
		}
		for _, row := range results[1].Rows {
			if string(row[0]) == fmt.Sprint(s.socket.backend.pid) {
				serving[backend{s.socket.backend.pid, server}] = true
			}
		}
	}
	return serving, nil
}

// backendsServing excludes backends that have been idle for half a second while we wait
// for their answer. If a backend has been idle for less, its answer may be in flight.
const backendsServing = `
SELECT pid FROM pg_stat_activity
WHERE pid IN (%s)
  AND NOT coalesce(state LIKE 'idle%%' AND state_change < clock_timestamp() - interval '500 ms', false)`

func (w *watchdog) hangUp() {
	if w.conn != nil {
		hangUp(w.conn)
		w.conn = nil
	}
}
