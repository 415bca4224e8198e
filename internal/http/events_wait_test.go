package http_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"orgd/internal/apikeys"
	"orgd/internal/db"
	"orgd/internal/dbtest"
	"orgd/internal/events"
	orgdhttp "orgd/internal/http"
	"orgd/internal/orgs"
	"orgd/internal/uuid"
)

// waiter is a request for the feed that waits in the background.
type waiter struct {
	result chan answer
	begun  time.Time
}

// wait begins a request for the feed, and returns when the request waits on the server.
func (a *api) wait(t *testing.T, query string) waiter {
	t.Helper()
	before := a.server.Waiting()
	w := waiter{result: make(chan answer, 1), begun: time.Now()}
	go func() { w.result <- a.get(t, "/v1/events"+query) }()
	a.awaitReaders(t, before+1)
	return w
}

func (a *api) awaitReaders(t *testing.T, readers int64) {
	t.Helper()
	await(t, func() bool { return a.server.Waiting() == readers }, func() string {
		return fmt.Sprintf("%d requests wait, want %d", a.server.Waiting(), readers)
	})
}

func (w waiter) page(t *testing.T) (page feedPage, took time.Duration) {
	t.Helper()
	got := <-w.result
	return read[feedPage](t, got, http.StatusOK), time.Since(w.begun)
}

// A change ends the wait only of the requests that get its event.
func TestWaitEndsWithAChange(t *testing.T) {
	t.Parallel()
	a := newAPI(t)
	now := a.events(t, "?cursor=now").Cursor
	all, filtered := a.wait(t, "?wait=30&cursor="+now), a.wait(t, "?wait=2&type=org.deleted&cursor="+now)
	others := *a
	others.account = a.Account(t)
	others.key = a.Key(t, others.account)
	other := others.wait(t, "?wait=2&cursor=now")
	a.create(t, "Acme")
	page, took := all.page(t)
	if typesOf(page) != "org.created" || took > 30*time.Second {
		t.Errorf("%+v after %s", page, took)
	}
	empty, took := filtered.page(t)
	if len(empty.Events) != 0 || took < 2*time.Second || empty.Cursor != page.Cursor {
		t.Errorf("with a filter: %+v after %s; the cursor does not pass %s", empty, took, page.Cursor)
	}
	if page, _ := other.page(t); len(page.Events) != 0 {
		t.Errorf("another account: %+v", page)
	}
}

// Without a change, the wait ends with an empty page and the same cursor.
func TestWaitEndsByItself(t *testing.T) {
	t.Parallel()
	a := newAPI(t)
	now := a.events(t, "?cursor=now").Cursor
	page, took := a.wait(t, "?wait=1&cursor="+now).page(t)
	if len(page.Events) != 0 || page.HasMore || page.Cursor != now || took < time.Second {
		t.Errorf("%+v after %s", page, took)
	}
	a.awaitReaders(t, 0)
}

// A page with events is sent at once.
func TestNoWaitIfEventsExist(t *testing.T) {
	t.Parallel()
	a := newAPI(t)
	begun := time.Now()
	if page := a.events(t, "?wait=30"); len(page.Events) != 1 || time.Since(begun) > 30*time.Second {
		t.Errorf("%+v", page)
	}
}

// The poll finds a change that no server announced.
func TestWaitEndsWithAnUnannouncedChange(t *testing.T) {
	t.Parallel()
	a := newAPI(t)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	go a.hub.Poll(ctx, 10*time.Millisecond, func(error) {})
	w := a.wait(t, "?wait=30&cursor=now")
	a.Exec(t, "INSERT INTO events (account_id, type, request_id) VALUES ($1, 'account.resumed', 'r')", a.account)
	page, took := w.page(t)
	if typesOf(page) != "account.resumed" || took > 30*time.Second {
		t.Errorf("%+v after %s", page, took)
	}
}

// A key that is revoked during the wait gets no events.
func TestRevocationDuringTheWait(t *testing.T) {
	t.Parallel()
	a := newAPI(t)
	revoked := *a
	revoked.key = a.Key(t, a.account)
	w := revoked.wait(t, "?wait=30&cursor=now")
	parsed, err := apikeys.ParseKey(revoked.key)
	if err != nil {
		t.Fatal(err)
	}
	digest := parsed.Digest()
	a.Exec(t, "UPDATE api_keys SET revoked_at = now() WHERE digest = $1", digest[:])
	a.create(t, "Secret")
	got := <-w.result
	got.rejected(t, http.StatusUnauthorized, "invalid_api_key")
}

// A client that disconnects frees its slot.
func TestDisconnectDuringTheWait(t *testing.T) {
	t.Parallel()
	a := newAPIWith(t, dbtest.New(t), func(c *orgdhttp.Config) { c.Limits.Waiting = 2 }) // an account may hold one
	for range 3 {
		conn, err := net.Dial("tcp", strings.TrimPrefix(a.url, "http://"))
		if err != nil {
			t.Fatal(err)
		}
		_, err = io.WriteString(conn, "GET /v1/events?cursor=now&wait=30 HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer "+a.key+"\r\n\r\n")
		if err != nil {
			t.Fatal(err)
		}
		a.awaitReaders(t, 1)
		a.awaitFull(t)
		if err := conn.Close(); err != nil {
			t.Fatal(err)
		}
		a.awaitReaders(t, 0)
	}
	a.awaitLog(t, `"status":499`)
}

// awaitFull waits until the account has no slot left for a waiting request.
func (a *api) awaitFull(t *testing.T) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); {
		if a.get(t, "/v1/events?cursor=now&wait=1").status == http.StatusTooManyRequests {
			return
		}
	}
	t.Fatal("the account still has a slot")
}

// Each account leaves some of the slots for waiting requests to other accounts.
func TestLimitOfWaitingRequests(t *testing.T) {
	t.Parallel()
	seen := &counted{limited: map[string]int{}}
	a := newAPIWith(t, dbtest.New(t), func(c *orgdhttp.Config) { c.Observer, c.Limits.Waiting = seen, 3 })
	first := []waiter{a.wait(t, "?cursor=now&wait=30"), a.wait(t, "?cursor=now&wait=30")}
	a.awaitFull(t)
	other := *a
	other.account = a.Account(t)
	other.key = a.Key(t, other.account)
	second := other.wait(t, "?cursor=now&wait=30")
	got := other.get(t, "/v1/events?cursor=now&wait=30")
	got.rejected(t, http.StatusServiceUnavailable, "unavailable")
	if got.header.Get("Retry-After") == "" {
		t.Errorf("%v", got.header)
	}
	a.events(t, "?cursor=now") // needs no slot
	a.create(t, "Acme")
	other.create(t, "Acme")
	for _, w := range append(first, second) {
		if page, _ := w.page(t); typesOf(page) != "org.created" {
			t.Errorf("%+v", page)
		}
	}
	a.awaitReaders(t, 0)
	again := a.wait(t, "?cursor=now&wait=1")
	if page, _ := again.page(t); len(page.Events) != 0 {
		t.Errorf("%+v", page)
	}
}

// Waiting requests hold no connection of the pool, no slot for requests in flight and no
// memory: with room for one request, 50 requests wait and others are served.
func TestWaitingHoldsNothing(t *testing.T) {
	t.Parallel()
	d := dbtest.New(t)
	conns, err := db.Open(context.Background(), d.URL, db.Options{MaxConns: 1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(conns.Close)
	a := newAPIWith(t, d, func(c *orgdhttp.Config) {
		organizations := orgs.NewRepository(conns)
		organizations.OnChange(c.Hub.Changed)
		c.Orgs, c.Events = organizations, events.NewRepository(conns)
		c.Limits.InFlight, c.Limits.Memory = 2, 4<<20 // an account may hold one slot and 2 MiB
	})
	now := a.events(t, "?cursor=now").Cursor
	var waiting []waiter
	for range 50 {
		waiting = append(waiting, a.wait(t, "?wait=30&cursor="+now))
	}
	time.Sleep(100 * time.Millisecond) // until the last ones have read the feed
	if held := conns.Stat().AcquiredConns(); held != 0 {
		t.Errorf("%d connections are held", held)
	}
	for range 5 {
		a.get(t, "/v1/orgs").page(t)
	}
	a.create(t, "Acme")
	for _, w := range waiting {
		if page, _ := w.page(t); typesOf(page) != "org.created" {
			t.Errorf("%+v", page)
		}
	}
}

// wakeCrowd wakes 40 readers of an account whose share of the memory is enough for 25
// pages. It checks that at most 25 of them read at once, and returns a function that lets
// them continue.
func wakeCrowd(t *testing.T, begin func(a *api, now string)) (goOn func()) {
	t.Helper()
	d := dbtest.New(t)
	seen := &counted{limited: map[string]int{}}
	var reading atomic.Int64
	release := make(chan struct{})
	held := wokenEvents{Repository: events.NewRepository(d.Conns)}
	held.read = func(ctx context.Context, account uuid.UUID, p events.Params) (events.Page, error) {
		reading.Add(1)
		select {
		case <-release:
		case <-ctx.Done():
		}
		return held.Repository.ReadTogether(ctx, account, p)
	}
	a := newAPIWith(t, d, func(c *orgdhttp.Config) {
		c.Events, c.Observer = &held, seen
		c.Limits.Memory = 4 << 20 // 2 MiB for an account, and a page reserves 80 KiB
	})
	now := a.events(t, "?cursor=now").Cursor
	const readers = 40
	for range readers {
		begin(a, now)
	}
	a.create(t, "Acme")
	rejected := func() int64 {
		seen.mu.Lock()
		defer seen.mu.Unlock()
		return int64(seen.limited["memory"])
	}
	await(t, func() bool { return reading.Load()+rejected() >= readers }, func() string {
		return fmt.Sprintf("%d readers read and %d were rejected, of %d", reading.Load(), rejected(), readers)
	})
	if n := reading.Load(); n > 25 {
		t.Errorf("%d readers read at once", n)
	}
	return func() { close(release) }
}

// Requests that are woken reserve memory before they read.
func TestMemoryOfWokenRequests(t *testing.T) {
	t.Parallel()
	var waiting []waiter
	goOn := wakeCrowd(t, func(a *api, now string) { waiting = append(waiting, a.wait(t, "?wait=30&cursor="+now)) })
	goOn()
	served := 0
	for _, w := range waiting {
		if got := <-w.result; got.status == http.StatusOK {
			served++
		} else {
			got.rejected(t, http.StatusServiceUnavailable, "unavailable")
		}
	}
	if served == 0 {
		t.Error("no request was served")
	}
}

// Streams reserve memory before they read, and try again later if there is not enough.
func TestMemoryOfWokenStreams(t *testing.T) {
	t.Parallel()
	var streams []eventStream
	goOn := wakeCrowd(t, func(a *api, now string) {
		s := a.stream(t, "?cursor="+now)
		s.next(t)
		streams = append(streams, s)
	})
	goOn()
	for _, s := range streams {
		if e, _ := s.event(t); e.Type != "org.created" {
			t.Errorf("%+v", e)
		}
	}
}

// A woken request gets an event that is larger than the memory that it reserves at first.
func TestLargeEventAfterAWait(t *testing.T) {
	t.Parallel()
	a := newAPI(t)
	now := a.events(t, "?cursor=now").Cursor
	w, s := a.wait(t, "?wait=30&cursor="+now), a.stream(t, "?cursor="+now)
	a.awaitReaders(t, 2)
	a.Exec(t, `
INSERT INTO events (account_id, type, after, request_id)
SELECT $1, 'account.resumed', jsonb_build_object('a', repeat('a', 100000)), 'r' FROM generate_series(1, 2)`, a.account)
	a.hub.Changed(a.account)
	if page, _ := w.page(t); len(page.Events) != 1 || !page.HasMore {
		t.Errorf("%d events, more %t", len(page.Events), page.HasMore)
	}
	s.next(t)
	for range 2 {
		if e, _ := s.event(t); len(e.After["a"].(string)) != 100_000 {
			t.Errorf("%+v", e)
		}
	}
}

// serve runs the API with the timeouts of production, and returns a function that stops it.
func (a *api) serve(t *testing.T) (stop func()) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- a.server.Serve(ctx, listener, 0) }()
	a.url = "http://" + listener.Addr().String()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("Serve: %v", err)
		}
	})
	t.Cleanup(stop)
	return stop
}

// When a server stops, it answers the waiting requests.
func TestStopDuringTheWait(t *testing.T) {
	t.Parallel()
	a := newAPI(t)
	stop := a.serve(t)
	now := a.events(t, "?cursor=now").Cursor
	w := a.wait(t, "?wait=30&cursor="+now)
	begun := time.Now()
	stop()
	got := <-w.result
	page := read[feedPage](t, got, http.StatusOK)
	if took := time.Since(begun); len(page.Events) != 0 || page.Cursor != now || took > 30*time.Second {
		t.Errorf("%+v after %s", page, took)
	}
}

// A wait may be longer than the deadlines of other requests and connections.
func TestLongWait(t *testing.T) {
	t.Parallel()
	a := newAPI(t)
	a.serve(t)
	now := a.events(t, "?cursor=now").Cursor
	const beyond = 21 // seconds, more than requestDeadline, readTimeout and writeTimeout
	long, woken := a.wait(t, "?wait=22&type=org.deleted&cursor="+now), a.wait(t, "?wait=30&cursor="+now)
	time.Sleep(beyond * time.Second)
	a.create(t, "Acme")
	for _, w := range []waiter{woken, long} {
		if page, took := w.page(t); took < beyond*time.Second || page.Cursor == now {
			t.Errorf("%+v after %s", page, took)
		}
	}
	a.get(t, "/v1/orgs").page(t) // on the same connections
	var line struct{ Milliseconds, WaitedMilliseconds float64 }
	for _, text := range strings.Split(a.log.String(), "\n") {
		if strings.Contains(text, "waitedMilliseconds") {
			if err := json.Unmarshal([]byte(text), &line); err != nil {
				t.Fatal(err)
			}
		}
	}
	if line.WaitedMilliseconds < beyond*1000-100 || line.Milliseconds < line.WaitedMilliseconds {
		t.Errorf("logged %+v", line)
	}
}
