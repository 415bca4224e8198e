package main

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"orgd/internal/db"
	"orgd/internal/dbtest"
	"orgd/internal/standby"
)

// standby starts a second PostgreSQL that replicates the first one.
func (p *postgres) standby(t *testing.T) *postgres {
	t.Helper()
	second := &postgres{options: p.options}
	second.options.Dir = serverDir(t)
	if err := standby.Make(t.Context(), p.server.URL("postgres"), second.options.Dir); err != nil {
		t.Fatal(err)
	}
	second.run(t)
	return second
}

// eitherOf returns a URL that lists both servers and connects to the one that accepts
// writes.
func eitherOf(t *testing.T, first, second string) string {
	t.Helper()
	u := mustParse(t, first)
	u.Host += "," + mustParse(t, second).Host
	return withParam(t, u.String(), "target_session_attrs", "read-write")
}

// The server skips a host that refuses connections, whether that host is first or second
// in the URL.
func TestOneOfTwoHostsIsGone(t *testing.T) {
	t.Parallel()
	d := dbtest.New(t)
	key := d.Key(t, d.Account(t))
	one, two := newProxy(t, d.URL), newProxy(t, d.URL)
	one.cut()
	r := start(t, func(c *serveConfig) { c.databaseURL = eitherOf(t, one.url, two.url) })
	for _, next := range []struct{ up, down *proxy }{{one, two}, {two, one}} {
		if status, _, body := get(t, r.url+"/v1/orgs", key); status != http.StatusOK {
			t.Errorf("%d %s", status, body)
		}
		next.up.restore(t)
		next.down.cut()
		r.awaitAnswer(t, key)
	}
}

// awaitAnswer waits until a call succeeds. Until then the answers must be 503.
func (r *running) awaitAnswer(t *testing.T, key string) {
	t.Helper()
	await(t, "the server does not serve again", func() bool {
		status, _, body := get(t, r.url+"/v1/orgs", key)
		if status != http.StatusOK && status != http.StatusServiceUnavailable || strings.Contains(string(body), "127.0.0.1:") {
			t.Errorf("%d %s", status, body)
		}
		return status == http.StatusOK
	})
}

// A host that accepts connections but never answers does not block callers forever.
func TestOneOfTwoHostsIsSilent(t *testing.T) {
	t.Parallel()
	d := dbtest.New(t)
	key := d.Key(t, d.Account(t))
	silent := newProxy(t, d.URL)
	silent.answers.holdBack(t, "")
	r := start(t, func(c *serveConfig) { c.databaseURL = eitherOf(t, silent.url, d.URL) })
	r.awaitLog(t, hearing, 1)
	awaitStatus(t, r.url+"/readyz", http.StatusOK)
	r.awaitAnswer(t, key)
}

// startedPair is a primary, its standby, and the database on each.
type startedPair struct {
	primary, standby *postgres
	first, second    *dbtest.DB
}

func startPair(t *testing.T) *startedPair {
	t.Helper()
	primary := startPostgres(t)
	first := primary.database(t, "orgd")
	standby := primary.standby(t)
	return &startedPair{primary, standby, first, standby.open(t, "orgd")}
}

// If the URL has several hosts, a new connection may reach another host, which does not
// know the statement. The server must not conclude that the statement is lost.
func TestStatementOnAnotherHostIsNotCut(t *testing.T) {
	t.Parallel()
	pair := startPair(t)
	between := newProxy(t, pair.first.URL)
	either := mustParse(t, between.url)
	either.Host += "," + mustParse(t, pair.standby.server.URL("orgd")).Host
	pool, err := db.Open(context.Background(), either.String(), db.Options{MaxConns: 1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	done := make(chan error, 1)
	go func() {
		done <- pool.Write(context.Background(), func(ctx context.Context, q db.Querier) error {
			_, err := q.Exec(ctx, "SELECT pg_sleep(4)")
			return err
		})
	}()
	const running = "SELECT count(*) FROM pg_stat_activity WHERE query = 'SELECT pg_sleep(4)' AND state = 'active'"
	await(t, "the statement does not run", func() bool { return count(t, pair.first, running) == 1 })
	between.refuse()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// When the primary goes silent and the standby is promoted, an idle server, a busy server
// and their listeners switch to the new primary. The test logs how long that takes, for
// docs/operating.md.
func TestSilentPrimary(t *testing.T) {
	t.Parallel()
	pair := startPair(t)
	d, standby, promoted := pair.first, pair.standby, pair.second
	key := d.Key(t, d.Account(t))
	between := newProxy(t, d.URL)
	behindProxy := func(c *serveConfig) {
		remembering(eitherOf(t, between.url, standby.server.URL("orgd")))(c)
		c.maxConns = 8
	}
	idle, busy := start(t, behindProxy), start(t, behindProxy)
	idle.awaitLog(t, hearing, 1)
	busy.awaitLog(t, hearing, 1)
	j := newJournal(key)
	j.insist(t, idle.url, creation("before", true), 0)
	await(t, "the standby does not catch up", func() bool {
		return count(t, promoted, "SELECT count(*) FROM orgs") == 1
	})
	var stopped atomic.Bool
	calls := clients(t, func(client, n int) call { return creation(fmt.Sprint("client ", client, " call ", n), true) }, func(c call) bool {
		j.insist(t, busy.url, c, 0)
		return !stopped.Load()
	})
	j.awaitMore(t, 50)
	between.blackHole()
	promoted.Exec(t, "SELECT pg_promote()")
	begun, before := time.Now(), j.done()
	left := map[string]func() bool{
		"the busy server": func() bool { return j.done() > before+8 },
		"the idle server": func() bool {
			status, _, _ := get(t, idle.url+"/v1/orgs", key)
			return status == http.StatusOK
		},
		"the busy server's listener": func() bool { return strings.Count(busy.log.String(), hearing) >= 2 },
		"the idle server's listener": func() bool { return strings.Count(idle.log.String(), hearing) >= 2 },
	}
	await(t, "a server does not switch to the new primary", func() bool {
		for name, done := range left {
			if done() {
				t.Logf("%s switched after %s", name, time.Since(begun))
				delete(left, name)
			}
		}
		return len(left) == 0
	})
	stopped.Store(true)
	calls()
}
