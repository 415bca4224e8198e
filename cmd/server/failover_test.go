package main

import (
	"net/http"
	"strings"
	"testing"

	"orgd/internal/db/dbtest"
)

// eitherOf is the URL of the database on whichever of the servers can be written to.
func eitherOf(t *testing.T, first, second string) string {
	t.Helper()
	u := mustParse(t, first)
	u.Host += "," + mustParse(t, second).Host
	return withParam(t, u.String(), "target_session_attrs", "read-write")
}

// A host that refuses connections is passed over, whichever it is.
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

// awaitAnswer waits for the server to serve again, with no answer meanwhile but 503.
func (r *running) awaitAnswer(t *testing.T, key string) {
	t.Helper()
	await(t, "it does not go on", func() bool {
		status, _, body := get(t, r.url+"/v1/orgs", key)
		if status != http.StatusOK && status != http.StatusServiceUnavailable || strings.Contains(string(body), "127.0.0.1:") {
			t.Errorf("%d %s", status, body)
		}
		return status == http.StatusOK
	})
}

// A host that takes connections and says nothing holds nobody up for good.
func TestOneOfTwoHostsIsSilent(t *testing.T) {
	t.Parallel()
	d := dbtest.New(t)
	key := d.Key(t, d.Account(t))
	silent := newProxy(t, d.URL)
	silent.answers.hold(t, "")
	r := start(t, func(c *serveConfig) { c.databaseURL = eitherOf(t, silent.url, d.URL) })
	r.awaitLog(t, hearing, 1)
	awaitStatus(t, r.url+"/readyz", http.StatusOK)
	r.awaitAnswer(t, key)
}

// A primary that goes silent is left for the standby that was promoted, within 10 s, by
// a server that is idle and by one under load, and by their listeners.
func TestSilentPrimary(t *testing.T) {
	t.Parallel()
	primary := startPostgres(t)
	if primary == nil {
		return
	}
	d := primary.database(t, "orgd")
	standby := primary.standby(t)
	promoted := standby.open(t, "orgd")
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
		"the busy server's listener": func() bool { return strings.Count(busy.log.String(), hearing) == 2 },
		"the idle server's listener": func() bool { return strings.Count(idle.log.String(), hearing) == 2 },
	}
	await(t, "the silent primary is not left", func() bool {
		for name, done := range left {
			if done() {
				t.Logf("%s has left it after %s", name, time.Since(begun))
				delete(left, name)
			}
		}
		return len(left) == 0
	})
	if took := time.Since(begun); took > 10*time.Second {
		t.Errorf("the silent primary was left after %s", took)
	}
	stopped.Store(true)
	calls()
}
