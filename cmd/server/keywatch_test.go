package main

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"orgd/internal/apikeys"
	"orgd/internal/dbtest"
)

const hearing = "listening for key changes"

// remembering configures a server that keeps keys in its cache for longer than a test
// takes, so only a notification removes them.
func remembering(url string) func(*serveConfig) {
	return func(c *serveConfig) { c.databaseURL, c.keyTTL = url, 5*time.Minute }
}

func (r *running) awaitLog(t *testing.T, text string, times int) {
	t.Helper()
	await(t, "the log lacks "+text, func() bool { return strings.Count(r.log.String(), text) >= times })
}

func (r *running) opens(t *testing.T, key string) bool {
	t.Helper()
	switch status, _, body := get(t, r.url+"/v1/orgs", key); status {
	case http.StatusOK:
		return true
	case http.StatusUnauthorized:
		return false
	default:
		t.Fatalf("%d %s", status, body)
		return false
	}
}

func revoke(t *testing.T, d *dbtest.DB, key string) {
	t.Helper()
	parsed, err := apikeys.ParseKey(key)
	if err != nil {
		t.Fatal(err)
	}
	digest := parsed.Digest()
	d.Exec(t, "UPDATE api_keys SET revoked_at = now() WHERE digest = $1", digest[:])
}

// Every server stops accepting a key that is revoked in the database, even if the key is
// in its cache.
func TestRevocationReachesEveryServer(t *testing.T) {
	t.Parallel()
	d := dbtest.New(t)
	account := d.Account(t)
	one, two := start(t, remembering(d.URL)), start(t, remembering(d.URL))
	one.awaitLog(t, hearing, 1)
	two.awaitLog(t, hearing, 1)
	for range 20 {
		key, other := d.Key(t, account), d.Key(t, account)
		for _, r := range []*running{one, two} {
			if !r.opens(t, key) || !r.opens(t, other) {
				t.Fatal("a key does not work")
			}
		}
		revoke(t, d, key)
		for _, r := range []*running{one, two} {
			await(t, "a revoked key works", func() bool { return !r.opens(t, key) })
			if !r.opens(t, other) {
				t.Fatal("another key was revoked with it")
			}
		}
	}
}

// hearingThroughProxy starts a server that reaches its database through a proxy. The
// server listens for key changes and has a key in its cache.
func hearingThroughProxy(t *testing.T) (d *dbtest.DB, p *proxy, r *running, key string) {
	t.Helper()
	d = dbtest.New(t)
	key = d.Key(t, d.Account(t))
	p = newProxy(t, d.URL)
	r = start(t, remembering(p.url))
	r.awaitLog(t, hearing, 1)
	if !r.opens(t, key) {
		t.Fatal("the key does not work")
	}
	return d, p, r, key
}

// The server misses notifications while it does not listen, so it drops all cached keys
// when it listens again.
func TestRevocationWhileNobodyListens(t *testing.T) {
	t.Parallel()
	d, p, r, key := hearingThroughProxy(t)
	p.cut()
	r.awaitLog(t, "not listening for key changes", 1)
	if !r.opensFromMemory(t, key) {
		t.Error("a cached key does not work during an outage")
	}
	revoke(t, d, key)
	p.restore(t)
	r.awaitLog(t, hearing, 2)
	await(t, "a key that was revoked during the outage still works", func() bool { return !r.opens(t, key) })
	_, _, metrics := get(t, r.adminURL+"/metrics", "")
	if !strings.Contains(string(metrics), "orgd_key_listener_up 1") {
		t.Errorf("the metrics do not show that the server listens: %s", metrics)
	}
}

// opensFromMemory reports whether the server accepts the key without asking the database.
// The server checks the key first, and then rejects limit=0.
func (r *running) opensFromMemory(t *testing.T, key string) bool {
	t.Helper()
	status, _, _ := get(t, r.url+"/v1/orgs?limit=0", key)
	return status == http.StatusBadRequest
}

// The server notices that its connection has gone silent, and then drops all cached keys.
func TestSilentPartition(t *testing.T) {
	t.Parallel()
	d, p, r, key := hearingThroughProxy(t)
	p.answers.holdBack(t, "")
	revoke(t, d, key)
	r.awaitLog(t, "not listening for key changes", 1)
	p.cut()
	p.answers.release()
	p.restore(t)
	await(t, "a key that was revoked during the outage still works", func() bool { return !r.opens(t, key) })
}

// Without a notification, a revoked key is rejected when its cache entry expires.
func TestRevocationWithoutNotification(t *testing.T) {
	t.Parallel()
	d := dbtest.New(t)
	d.Exec(t, "DROP TRIGGER api_keys_updated ON api_keys")
	key := d.Key(t, d.Account(t))
	r := start(t, func(c *serveConfig) { c.databaseURL, c.keyTTL = d.URL, 300*time.Millisecond })
	r.awaitLog(t, hearing, 1) // starting to listen also drops all cached keys
	if !r.opens(t, key) {
		t.Fatal("the key does not work")
	}
	revoke(t, d, key)
	await(t, "a revoked key works", func() bool { return !r.opens(t, key) })
}

// No log line, metric or profile contains a key that a client sent.
func TestKeysAreInNoLogOrMetric(t *testing.T) {
	t.Parallel()
	d := dbtest.New(t)
	key, revoked := d.Key(t, d.Account(t)), d.Key(t, d.Account(t))
	revoke(t, d, revoked)
	r := start(t, remembering(d.URL))
	for _, k := range []string{key, revoked} {
		for _, target := range []string{"/v1/orgs", "/v1/orgs?key=" + k, "/v1/orgs/" + k, "/" + k} {
			get(t, r.url+target, k)
		}
	}
	told := r.log.String()
	for _, target := range []string{"/metrics", "/debug/pprof/goroutine?debug=2", "/debug/pprof/cmdline", "/debug/vars"} {
		_, _, body := get(t, r.adminURL+target, "")
		told += string(body)
	}
	for _, k := range []string{key, revoked} {
		if strings.Contains(told, k[5:35]) {
			t.Errorf("a key is in the log or in an admin page: %s", told)
		}
	}
}

// The time of a key's last use is written in the background, rounded down to the hour.
// When the server stops, it writes what is left.
func TestUseOfKeysIsWritten(t *testing.T) {
	t.Parallel()
	for _, every := range []time.Duration{10 * time.Millisecond, time.Hour} {
		t.Run("flushed every "+every.String(), func(t *testing.T) {
			t.Parallel()
			d := dbtest.New(t)
			key := d.Key(t, d.Account(t))
			d.Key(t, d.Account(t)) // never used
			r := start(t, func(c *serveConfig) {
				remembering(d.URL)(c)
				c.flushEvery = every
			})
			before := time.Now().Truncate(time.Hour)
			r.opens(t, key)
			written := func() bool { return count(t, d, "SELECT count(last_used_at) FROM api_keys") == 1 }
			if every < time.Second {
				await(t, "the use of a key is not written", written)
			} else if written() {
				t.Error("a request waited for a write")
			}
			if err := r.stop(); err != nil {
				t.Fatal(err)
			}
			if !written() {
				t.Fatal("the use of a key was lost")
			}
			var used time.Time
			if err := d.Pool.QueryRow(context.Background(), "SELECT max(last_used_at) FROM api_keys").Scan(&used); err != nil {
				t.Fatal(err)
			}
			if used.Before(before) || used.After(time.Now()) || !used.Equal(used.Truncate(time.Hour)) {
				t.Errorf("used at %s, want the start of an hour, %s or later", used, before)
			}
		})
	}
}
