package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	"orgd/internal/db"
	"orgd/internal/dbtest"
	"orgd/internal/orgs"
	"orgd/migrations"
)

func TestServeEndToEnd(t *testing.T) {
	t.Parallel()
	d := dbtest.New(t)
	account := d.Account(t)
	key := d.Key(t, account)
	for range 130 {
		d.Org(t, account, orgs.Org{})
	}
	r := start(t, func(c *serveConfig) { c.databaseURL = d.URL })
	if seen := walk(t, r.url, key); len(seen) != 130 {
		t.Errorf("the walk saw %d organizations, want 130", len(seen))
	}
	if _, header, _ := get(t, r.url+"/v1/orgs?limit=1", key); !strings.HasPrefix(header.Get("Link"), "<"+r.url+"/v1/orgs?") {
		t.Errorf("Link %q", header.Get("Link"))
	}
	for _, base := range []string{r.url, r.adminURL} {
		for _, probe := range []string{"/livez", "/readyz"} {
			if status, _, body := get(t, base+probe, ""); status != http.StatusOK {
				t.Errorf("%s%s: %d %s", base, probe, status, body)
			}
		}
	}
	_, _, metrics := get(t, r.adminURL+"/metrics", "")
	for _, want := range []string{
		`orgd_http_request_duration_seconds_count{method="GET",route="/v1/orgs",status="200"} 3`,
		"orgd_db_pool_max_conns 4", "go_goroutines",
		`orgd_page_entries_sum{route="/v1/orgs"} 131`, `orgd_page_entries_count{route="/v1/orgs"} 3`,
		`orgd_build_info{commit="`, "orgd_keys_from_database_total 3", "orgd_keys_from_memory_total 0",
		fmt.Sprintf("orgd_schema_version %d", migrations.Latest()), fmt.Sprintf("orgd_schema_version_needed %d", migrations.Latest()),
	} {
		if !strings.Contains(string(metrics), want) {
			t.Errorf("%s is not in the metrics", want)
		}
	}
	if status, _, _ := get(t, r.adminURL+"/debug/pprof/heap", ""); status != http.StatusOK {
		t.Errorf("the heap profile: %d", status)
	}
	if err := r.stop(); err != nil {
		t.Errorf("stop: %v", err)
	}
	if strings.Contains(r.log.String(), key) {
		t.Error("the key is in the log")
	}
}

// Without the database, answers are 503 with Retry-After. When the database is back, the
// server serves again without a restart.
func TestDatabaseGoesAndComesBack(t *testing.T) {
	t.Parallel()
	d := dbtest.New(t)
	account := d.Account(t)
	key := d.Key(t, account)
	d.Org(t, account, orgs.Org{})
	cut := newProxy(t, d.URL)
	r := start(t, func(c *serveConfig) { c.databaseURL = cut.url })
	for range 3 {
		if status, _, body := get(t, r.url+"/v1/orgs", key); status != http.StatusOK {
			t.Fatalf("before: %d %s", status, body)
		}
		cut.cut()
		for range 5 {
			status, header, body := get(t, r.url+"/v1/orgs", key)
			seconds, err := strconv.Atoi(header.Get("Retry-After"))
			if status != http.StatusServiceUnavailable || err != nil || seconds < 1 || seconds > 60 {
				t.Errorf("while cut: %d, Retry-After %q, %s", status, header.Get("Retry-After"), body)
			}
		}
		if status, _, _ := get(t, r.url+"/livez", ""); status != http.StatusOK {
			t.Errorf("livez while cut: %d", status)
		}
		awaitStatus(t, r.url+"/readyz", http.StatusServiceUnavailable)
		cut.restore(t)
		awaitStatus(t, r.url+"/readyz", http.StatusOK)
		if status, _, body := get(t, r.url+"/v1/orgs", key); status != http.StatusOK {
			t.Errorf("after: %d %s", status, body)
		}
	}
}

// The first call after an outage succeeds, although the server pauses between attempts to
// connect during the outage.
func TestFirstCallAfterAnOutage(t *testing.T) {
	t.Parallel()
	d := dbtest.New(t)
	key := d.Key(t, d.Account(t))
	cut := newProxy(t, d.URL)
	r := start(t, func(c *serveConfig) { c.databaseURL = cut.url })
	for range 5 {
		cut.cut()
		for range 3 { // after three failures the pause has its maximum length
			if status, _, body := get(t, r.url+"/v1/orgs", key); status != http.StatusServiceUnavailable {
				t.Errorf("while cut: %d %s", status, body)
			}
		}
		cut.restore(t)
		if status, _, body := get(t, r.url+"/v1/orgs", key); status != http.StatusOK {
			t.Errorf("after: %d %s", status, body)
		}
	}
}

// Idle connections that have died cause no error.
func TestConnectionsThatDiedIdle(t *testing.T) {
	t.Parallel()
	d := dbtest.New(t)
	key := d.Key(t, d.Account(t))
	cut := newProxy(t, d.URL)
	r := start(t, func(c *serveConfig) { c.databaseURL = cut.url })
	for range 5 {
		cut.cut()
		cut.restore(t)
		if status, _, body := get(t, r.url+"/v1/orgs", key); status != http.StatusOK {
			t.Errorf("%d %s", status, body)
		}
	}
}

// A server that starts before its database waits for the database.
func TestDatabaseStartsLater(t *testing.T) {
	t.Parallel()
	d := dbtest.New(t)
	cut := newProxy(t, d.URL)
	cut.cut()
	r := start(t, func(c *serveConfig) { c.databaseURL = cut.url })
	if status, _, _ := get(t, r.url+"/readyz", ""); status != http.StatusServiceUnavailable {
		t.Errorf("readyz: %d", status)
	}
	cut.restore(t)
	awaitStatus(t, r.url+"/readyz", http.StatusOK)
}

// mustNotListen is the listen function of a server that must exit before it listens. A
// load balancer could otherwise send it requests that are lost.
func mustNotListen(t *testing.T) func() (listeners, error) {
	return func() (listeners, error) {
		t.Error("the server listens")
		return listen(t.Context(), "127.0.0.1:0", "127.0.0.1:0")
	}
}

func TestSchemaThatIsBehindIsRejected(t *testing.T) {
	t.Parallel()
	err := serve(context.Background(), serveConfig{databaseURL: dbtest.NewURL(t), maxConns: 1, listen: mustNotListen(t)})
	if err == nil || !strings.Contains(err.Error(), "server migrate up") {
		t.Errorf("serve: %v", err)
	}
}

// A release serves a newer schema until the schema's floor is above the schema version of
// the release.
func TestSchemaThatIsAhead(t *testing.T) {
	t.Parallel()
	d := dbtest.New(t)
	r := start(t, func(c *serveConfig) { c.databaseURL = d.URL })
	d.Exec(t, fmt.Sprintf("INSERT INTO orgd_migrations (version_id, is_applied) VALUES (%d, true)", migrations.Latest()+2))
	start(t, func(c *serveConfig) { c.databaseURL = d.URL })

	d.Exec(t, fmt.Sprintf("UPDATE schema_floor SET version = %d", migrations.Latest()+1))
	awaitStatus(t, r.adminURL+"/readyz", http.StatusServiceUnavailable)
	if n := strings.Count(r.log.String(), "not ready for requests"); n != 1 || !strings.Contains(r.log.String(), "supports only releases with schema") {
		t.Errorf("%d log lines say that the server is not ready, want one with the reason: %s", n, r.log.String())
	}
	err := serve(context.Background(), serveConfig{databaseURL: d.URL, maxConns: 1, listen: mustNotListen(t)})
	want := fmt.Sprintf("version %d and supports only releases with schema %d or newer; this release has schema %d",
		migrations.Latest()+2, migrations.Latest()+1, migrations.Latest())
	if err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("serve: %v, want %s", err, want)
	}
}

// When the server stops, it answers the requests in flight.
func TestStopFinishesRequestsInFlight(t *testing.T) {
	t.Parallel()
	d := dbtest.New(t)
	account := d.Account(t)
	key := d.Key(t, account)
	// The list may wait for the lock for 30 s, so a slow machine does not fail the test.
	patient := withParam(t, d.URL, "lock_timeout", "30000")
	r := start(t, func(c *serveConfig) { c.databaseURL = patient })
	tx, err := d.Pool.Begin(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Rollback(context.Background())
	if _, err := tx.Exec(context.Background(), "LOCK TABLE orgs IN ACCESS EXCLUSIVE MODE"); err != nil {
		t.Fatal(err)
	}
	answered := make(chan int, 1)
	go func() {
		status, _, _ := get(t, r.url+"/v1/orgs", key)
		answered <- status
	}()
	awaitWaiter(t, d)
	stopped := make(chan error, 1)
	go func() { stopped <- r.stop() }()
	awaitRefused(t, r.url+"/livez")
	if err := tx.Rollback(context.Background()); err != nil {
		t.Fatal(err)
	}
	if status := <-answered; status != http.StatusOK {
		t.Errorf("the request in flight: %d", status)
	}
	if err := <-stopped; err != nil {
		t.Errorf("stop: %v", err)
	}
}

func withParam(t *testing.T, databaseURL, name, value string) string {
	t.Helper()
	u, err := url.Parse(databaseURL)
	if err != nil {
		t.Fatal(err)
	}
	query := u.Query()
	query.Set(name, value)
	u.RawQuery = query.Encode()
	return u.String()
}

// During the drain the server still answers, but its readiness probes fail.
func TestDrainFailsReadinessFirst(t *testing.T) {
	t.Parallel()
	d := dbtest.New(t)
	key := d.Key(t, d.Account(t))
	r := start(t, func(c *serveConfig) { c.databaseURL, c.drainDelay = d.URL, 3*time.Second })
	stopped := make(chan error, 1)
	go func() { stopped <- r.stop() }()
	awaitStatus(t, r.url+"/readyz", http.StatusServiceUnavailable)
	if status, _, body := get(t, r.url+"/v1/orgs", key); status != http.StatusOK {
		t.Errorf("while draining: %d %s", status, body)
	}
	if status, _, _ := get(t, r.adminURL+"/readyz", ""); status != http.StatusServiceUnavailable {
		t.Errorf("readyz on the admin address while draining: %d", status)
	}
	if err := <-stopped; err != nil {
		t.Errorf("stop: %v", err)
	}
}

func TestOneConnectionIsEnough(t *testing.T) {
	t.Parallel()
	d := dbtest.New(t)
	account := d.Account(t)
	key := d.Key(t, account)
	for range 3 {
		d.Org(t, account, orgs.Org{Name: "Acme"})
	}
	r := start(t, func(c *serveConfig) { c.databaseURL, c.maxConns = d.URL, 1 })
	for _, query := range []string{"", "?orgName=acme", "?orgName=a&isActive=false"} {
		if status, _, body := get(t, r.url+"/v1/orgs"+query, key); status != http.StatusOK {
			t.Errorf("%s: %d %s", query, status, body)
		}
	}
}

// During the drain an idle connection stays open, because a request may be arriving on
// it. The answer to the next request announces the close.
func TestDrainKeepsConnectionsOpen(t *testing.T) {
	t.Parallel()
	d := dbtest.New(t)
	r := start(t, func(c *serveConfig) { c.databaseURL, c.drainDelay = d.URL, 3*time.Second })
	transport := &http.Transport{}
	defer transport.CloseIdleConnections()
	ask := func() (reused, last bool) {
		ctx := httptrace.WithClientTrace(context.Background(), &httptrace.ClientTrace{
			GotConn: func(info httptrace.GotConnInfo) { reused = info.Reused },
		})
		response, err := transport.RoundTrip(mustRequest(t, r.url+"/livez").WithContext(ctx))
		if err != nil {
			t.Fatal(err)
		}
		defer response.Body.Close()
		if _, err := io.Copy(io.Discard, response.Body); err != nil {
			t.Fatal(err)
		}
		return reused, response.Close
	}
	if _, last := ask(); last {
		t.Error("before the drain: an answer announces the close of its connection")
	}
	stopped := make(chan error, 1)
	go func() { stopped <- r.stop() }()
	awaitStatus(t, r.adminURL+"/readyz", http.StatusServiceUnavailable)
	if reused, last := ask(); !reused || !last {
		t.Errorf("while draining: connection reused: %v, close announced: %v; want both", reused, last)
	}
	if err := <-stopped; err != nil {
		t.Errorf("stop: %v", err)
	}
}

// The server has the configured idle timeout. With the default, the connection would stay
// open for longer than the test waits. internal/http tests that no other timeout ends it.
func TestIdleTimeout(t *testing.T) {
	t.Parallel()
	d := dbtest.New(t)
	r := start(t, func(c *serveConfig) { c.databaseURL, c.idleTimeout = d.URL, time.Second })
	conn, err := net.Dial("tcp", strings.TrimPrefix(r.url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(30 * time.Second)); err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(conn, "GET /livez HTTP/1.1\r\nHost: orgd\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	if answer, err := io.ReadAll(conn); err != nil || !strings.HasPrefix(string(answer), "HTTP/1.1 200 ") {
		t.Errorf("the idle connection ended with %v after %q", err, answer)
	}
}

// The pages show the version of the server. They can be turned off.
func TestServePages(t *testing.T) {
	t.Parallel()
	d := dbtest.New(t)
	release, _ := build()
	for name, has := range map[string]struct{ docs, dashboard bool }{
		"all": {true, true}, "only the docs": {true, false}, "only the dashboard": {false, true}, "none": {false, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := start(t, func(c *serveConfig) { c.databaseURL, c.docs, c.dashboard = d.URL, has.docs, has.dashboard })
			for path, shown := range map[string]bool{"/": has.docs, "/dashboard": has.dashboard} {
				status, _, body := get(t, r.url+path, "")
				if shows := status == 200 && strings.Contains(string(body), release); shows != shown || !shown && status != 404 {
					t.Errorf("%s: status %d\n%s", path, status, body)
				}
			}
		})
	}
}

func awaitStatus(t *testing.T, url string, want int) {
	t.Helper()
	await(t, url+" does not become "+strconv.Itoa(want), func() bool {
		status, _, _ := get(t, url, "")
		return status == want
	})
}

func awaitRefused(t *testing.T, url string) {
	t.Helper()
	await(t, url+" still answers", func() bool {
		response, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(mustRequest(t, url))
		if err == nil {
			response.Body.Close()
		}
		return err != nil
	})
}

func mustRequest(t *testing.T, url string) *http.Request {
	t.Helper()
	request, err := http.NewRequestWithContext(context.Background(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	return request
}

// awaitWaiter waits until a statement waits for a lock.
func awaitWaiter(t *testing.T, d *dbtest.DB) {
	t.Helper()
	await(t, "no statement waits for the lock", func() bool {
		var waiting bool
		err := d.Conns.Read(context.Background(), func(ctx context.Context, q db.Querier) error {
			// Other tests wait for locks in their own databases.
			return q.QueryRow(ctx, `SELECT EXISTS (
				SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock')`).Scan(&waiting)
		})
		return err == nil && waiting
	})
}

// await waits until the condition is met. The limit of two minutes is only reached by a
// failing test; it is long so that a busy machine does not cause failures.
func await(t *testing.T, complaint string, met func() bool) {
	t.Helper()
	for deadline := time.Now().Add(2 * time.Minute); !met(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal(complaint)
		}
	}
}
