package http_test

import (
	"bufio"
	"context"
	"encoding/json"
	"net/http"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"
	"weak"

	"orgd/internal/dbtest"
	"orgd/internal/events"
	orgdhttp "orgd/internal/http"
	"orgd/internal/uuid"
)

// eventStream is an open event stream.
type eventStream struct {
	response *http.Response
	lines    *bufio.Reader
	close    func()
}

// message is one message of an event stream.
type message struct{ id, kind, data string }

func (a *api) stream(t *testing.T, query string, headers ...string) eventStream {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	request := a.request(t, http.MethodGet, "/v1/events"+query, nil, append([]string{
		"Authorization", "Bearer " + a.key, "Accept", "text/event-stream",
	}, headers...)...)
	response, err := http.DefaultTransport.RoundTrip(request.WithContext(ctx))
	if err != nil {
		t.Fatal(err)
	}
	s := eventStream{response: response, lines: bufio.NewReader(response.Body), close: func() { cancel(); response.Body.Close() }}
	t.Cleanup(s.close)
	if response.StatusCode != http.StatusOK || response.Header.Get("Content-Type") != "text/event-stream" {
		t.Fatalf("%d %v", response.StatusCode, response.Header)
	}
	return s
}

// next returns the next message, or false at the end of the stream.
func (s eventStream) next(t *testing.T) (m message, ok bool) {
	t.Helper()
	for {
		line, err := s.lines.ReadString('\n')
		if err != nil {
			return m, false
		}
		name, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), ": ")
		switch name {
		case "id":
			m.id = value
		case "event":
			m.kind = value
		case "data":
			m.data = value
		case "":
			return m, true
		}
	}
}

func (s eventStream) event(t *testing.T) (e feedEvent, id string) {
	t.Helper()
	m, ok := s.next(t)
	if !ok {
		t.Fatal("the stream has ended")
	}
	if err := json.Unmarshal([]byte(m.data), &e); err != nil || m.kind != e.Type {
		t.Fatalf("%+v: %v", m, err)
	}
	return e, m.id
}

// A stream sends the existing events, then each new one, with cursors as their ids.
func TestStream(t *testing.T) {
	t.Parallel()
	a := newAPI(t)
	a.create(t, "Before")
	s := a.stream(t, "")
	a.awaitReaders(t, 1)
	a.create(t, "After")
	var last string
	for i, want := range []string{"api_key.created", "org.created", "org.created"} {
		e, id := s.event(t)
		if e.Type != want || e.Position != i+1 {
			t.Errorf("%+v, want %s", e, want)
		}
		last = id
	}
	if page := a.events(t, ""); page.Cursor != last {
		t.Errorf("the last id %s is not the cursor %s", last, page.Cursor)
	}
	s.close()
	a.awaitReaders(t, 0)
	a.create(t, "While away")
	again := a.stream(t, "?cursor=now", "Last-Event-ID", last)
	if e, _ := again.event(t); e.Position != 4 {
		t.Errorf("after a reconnect: %+v", e)
	}
}

// The first message of a stream without events has a cursor, so that a client that
// reconnects misses nothing.
func TestStreamFromNow(t *testing.T) {
	t.Parallel()
	a := newAPI(t)
	s := a.stream(t, "?cursor=now&type=org.created")
	m, _ := s.next(t)
	if m.data != "" || m.id != a.events(t, "?cursor=now").Cursor {
		t.Errorf("%+v", m)
	}
	path := a.create(t, "One")
	a.do(t, http.MethodPost, path+"/deactivate", "")
	a.create(t, "Two")
	for _, want := range []int{2, 4} {
		if e, _ := s.event(t); e.Position != want {
			t.Errorf("%+v, want %d", e, want)
		}
	}
}

// A long feed is sent page after page.
func TestStreamOfALongFeed(t *testing.T) {
	t.Parallel()
	a := newAPI(t)
	a.Exec(t, "INSERT INTO events (account_id, type, request_id) SELECT $1, 'account.resumed', 'r' FROM generate_series(1, 1499)", a.account)
	s := a.stream(t, "?limit=1")
	for i := range 1500 {
		if e, _ := s.event(t); e.Position != i+1 {
			t.Fatalf("position %d after %d", e.Position, i)
		}
	}
}

// Errors before the stream are like those of other requests.
func TestErrorsOfStreams(t *testing.T) {
	t.Parallel()
	a := newAPIWith(t, dbtest.New(t), func(c *orgdhttp.Config) { c.Limits.Waiting = 2 })
	accept := []string{"Accept", "text/event-stream"}
	a.get(t, "/v1/events?cursor=AAAA", accept...).rejected(t, 400, "invalid_cursor")
	a.get(t, "/v1/events", append(accept, "Last-Event-ID", "AAAA")...).rejected(t, 400, "invalid_cursor")
	lost := events.CursorAt(a.account, events.Place{Position: 7})
	a.get(t, "/v1/events?cursor="+lost, accept...).rejected(t, 410, "cursor_expired")
	a.get(t, "/v1/events", "Accept", "text/html").rejected(t, 406, "not_acceptable")
	a.get(t, "/v1/orgs", accept...).rejected(t, 406, "not_acceptable")
	a.stream(t, "")
	a.awaitReaders(t, 1)
	a.get(t, "/v1/events", accept...).rejected(t, 429, "rate_limited")
	if got := a.get(t, "/v1/events", "Accept", "application/json, text/event-stream"); got.header.Get("Content-Type") != "application/json" {
		t.Errorf("JSON or a stream: %v", got.header)
	}
	head := a.call(t, http.MethodHead, "/v1/events", "Authorization", "Bearer "+a.Key(t, a.Account(t)), "Accept", "text/event-stream")
	if head.status != 200 || head.header.Get("Content-Type") != "text/event-stream" {
		t.Errorf("HEAD: %d %v", head.status, head.header)
	}
}

// A stream ends cleanly when the server stops.
func TestStreamEndsWhenTheServerStops(t *testing.T) {
	t.Parallel()
	a := newAPI(t)
	stop := a.serve(t)
	s := a.stream(t, "")
	s.event(t)
	a.awaitReaders(t, 1)
	begun := time.Now()
	stop()
	if m, ok := s.next(t); ok || time.Since(begun) > 5*time.Second {
		t.Errorf("%+v after %s", m, time.Since(begun))
	}
	a.awaitLog(t, `"status":200`)
}

// The delay is measured for events that a stream waited for, but not for events that
// already existed.
func TestDelayOfStreams(t *testing.T) {
	t.Parallel()
	seen := &delays{ages: make(chan time.Duration, 10)}
	a := newAPIWith(t, dbtest.New(t), func(c *orgdhttp.Config) { c.Observer = seen })
	s := a.stream(t, "")
	s.event(t)
	a.create(t, "Acme")
	s.event(t)
	if <-seen.ages; len(seen.ages) > 0 {
		t.Error("more than one delay was measured")
	}
}

// delays collects the delays of events.
type delays struct {
	orgdhttp.Unobserved
	ages chan time.Duration
}

func (d *delays) ObserveFeedDelay(age time.Duration) { d.ages <- age }

// A stream ends when its key is revoked, before it sends another event.
func TestStreamEndsWithItsKey(t *testing.T) {
	t.Parallel()
	a := newAPI(t)
	revoked := *a
	revoked.key = a.Key(t, a.account)
	s := revoked.stream(t, "?cursor=now")
	s.next(t)
	key := a.events(t, "").Events[1].APIKeyID
	if got := a.do(t, http.MethodPost, "/v1/api-keys/"+key+"/revoke", ""); got.status != 200 {
		t.Fatalf("%d %s", got.status, got.body)
	}
	a.create(t, "Secret")
	if m, ok := s.next(t); ok {
		t.Errorf("%+v", m)
	}
	a.awaitReaders(t, 0)
}

// A stream survives an outage of the database.
func TestStreamSurvivesAnOutage(t *testing.T) {
	t.Parallel()
	d := dbtest.New(t)
	flaky := wokenEvents{Repository: events.NewRepository(d.Conns)}
	var failures atomic.Int64
	flaky.read = func(ctx context.Context, account uuid.UUID, p events.Params) (events.Page, error) {
		if failures.Add(-1) >= 0 {
			return events.Page{}, events.ErrUnavailable
		}
		return flaky.Repository.ReadTogether(ctx, account, p)
	}
	a := newAPIWith(t, d, func(c *orgdhttp.Config) { c.Events = &flaky })
	s := a.stream(t, "?cursor=now")
	s.next(t)
	failures.Store(2)
	a.create(t, "Acme")
	if e, _ := s.event(t); e.After["orgName"] != "Acme" {
		t.Errorf("%+v", e)
	}
}

// An idle stream sends keep-alive messages. If filters have excluded events, the message is
// the cursor after these events.
func TestIdleStream(t *testing.T) {
	t.Parallel()
	a := newAPI(t)
	a.server.WithStreamBeat(100 * time.Millisecond)
	a.serve(t)
	s, filtered := a.stream(t, "?cursor=now"), a.stream(t, "?cursor=now&type=org.deleted")
	s.next(t)
	filtered.next(t)
	a.create(t, "Acme")
	s.event(t)
	beat, ok := s.next(t)
	mark, marked := filtered.next(t)
	if !ok || beat != (message{}) || !marked || mark.data != "" || mark.id != a.events(t, "").Cursor {
		t.Errorf("%+v, %+v", beat, mark)
	}
}

// If its client does not read, a stream ends and releases its memory and its slot.
func TestStreamThatNobodyReads(t *testing.T) {
	t.Parallel()
	a := newAPI(t)
	a.Exec(t, `
INSERT INTO events (account_id, type, after, request_id)
SELECT $1, 'account.resumed', jsonb_build_object('a', repeat('a', 100000)), 'r' FROM generate_series(1, 300)`, a.account)
	s := a.stream(t, "")
	a.awaitReaders(t, 1)
	time.Sleep(stallTimeout)
	a.awaitReaders(t, 0)
	s.close()
}

// stallTimeout is how long a client may stop reading.
const stallTimeout = 5 * time.Second

// wokenEvents replaces ReadTogether, which reads for woken requests, with a function.
type wokenEvents struct {
	*events.Repository
	read func(ctx context.Context, account uuid.UUID, p events.Params) (events.Page, error)
}

func (w *wokenEvents) ReadTogether(ctx context.Context, account uuid.UUID, p events.Params) (events.Page, error) {
	return w.read(ctx, account, p)
}

// A stream whose filter excludes a long series of events keeps sending its cursor.
func TestBeatOfAStreamThatCatchesUp(t *testing.T) {
	t.Parallel()
	d := dbtest.New(t)
	position := int64(1000)
	endless := func(_ context.Context, account uuid.UUID, _ events.Params) (events.Page, error) {
		position++
		last := events.Place{Position: position}
		return events.Page{Last: last, Cursor: events.CursorAt(account, last), HasMore: true}, nil
	}
	a := newAPIWith(t, d, func(c *orgdhttp.Config) { c.Events = &wokenEvents{events.NewRepository(d.Conns), endless} })
	a.server.WithStreamBeat(10 * time.Millisecond)
	s := a.stream(t, "?cursor=now&type=org.deleted")
	s.next(t)
	a.create(t, "Acme")
	seen := map[string]bool{}
	for len(seen) < 3 {
		m, ok := s.next(t)
		if !ok || m.data != "" || seen[m.id] {
			t.Fatalf("%+v after %v", m, seen)
		}
		if m.id != "" { // otherwise the message is from before the change
			seen[m.id] = true
		}
	}
}

// A stream that waits does not keep the events that it has sent.
func TestIdleStreamKeepsNoEvents(t *testing.T) {
	t.Parallel()
	d := dbtest.New(t)
	tracked := trackedEvents{events.NewRepository(d.Conns), make(chan weak.Pointer[events.Event], 10)}
	a := newAPIWith(t, d, func(c *orgdhttp.Config) { c.Events = tracked })
	s := a.stream(t, "")
	for range 2 { // the first page, and one after a wait
		s.event(t)
		page := <-tracked.pages
		for deadline := time.Now().Add(10 * time.Second); page.Value() != nil; runtime.GC() {
			if time.Now().After(deadline) {
				t.Fatal("the stream keeps its last page")
			}
		}
		a.create(t, "Acme")
	}
}

// trackedEvents reports the first event of each page.
type trackedEvents struct {
	*events.Repository
	pages chan weak.Pointer[events.Event]
}

func (r trackedEvents) Read(ctx context.Context, account uuid.UUID, p events.Params) (events.Page, error) {
	return r.track(r.Repository.Read(ctx, account, p))
}

func (r trackedEvents) ReadTogether(ctx context.Context, account uuid.UUID, p events.Params) (events.Page, error) {
	return r.track(r.Repository.ReadTogether(ctx, account, p))
}

func (r trackedEvents) track(page events.Page, err error) (events.Page, error) {
	if len(page.Events) > 0 {
		page.Events = slices.Clone(page.Events)
		r.pages <- weak.Make(&page.Events[0])
	}
	return page, err
}
