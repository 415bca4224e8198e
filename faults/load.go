package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"time"
)

// pace is the intensity of the load. Each worker sends a request, waits for the response,
// pauses for the duration `every`, and sends the next. On a slow machine there are fewer
// requests, not a longer queue.
type pace struct {
	workers int
	every   time.Duration
}

// retryPause is shorter than Retry-After, so that the load notices the recovery early.
const retryPause = 50 * time.Millisecond

// load is a set of workers that use one account. Each worker changes only its own
// organizations.
type load struct {
	pace
	name   string // part of every request id
	urls   []string
	key    string
	ledger *ledger

	gate    gate
	running sync.WaitGroup
	cancel  context.CancelFunc
	stopped chan struct{}
}

func newLoad(name string, p pace, urls []string, key string) *load {
	return &load{pace: p, name: name, urls: urls, key: key, ledger: &ledger{}, stopped: make(chan struct{})}
}

func (l *load) start(ctx context.Context) {
	ctx, l.cancel = context.WithCancel(ctx)
	for i := range l.workers {
		w := &worker{load: l, number: i, replica: i % len(l.urls), client: newClient(l.key), deleted: map[string]bool{}}
		l.running.Go(func() { w.work(ctx) })
	}
}

// stop lets each worker finish its last call, within the limit.
func (l *load) stop(limit time.Duration) {
	close(l.stopped)
	l.gate.open()
	timer := time.AfterFunc(limit, l.cancel)
	defer timer.Stop()
	l.running.Wait()
	l.cancel()
}

// worker makes one call after another at one replica.
type worker struct {
	*load
	number, replica int
	client          *client
	calls, sent     int
	org             string // the newest one that it created
	members         []string
	deleted         map[string]bool // organizations
}

// steps are the calls that a worker makes in a loop.
var steps = []kind{
	createKeyed, read, change, addMember, list, eraseUser, createBatch,
	createMarked, addMember, deactivate, deleteOrg, list,
	createOnce, change, addMember, addMember, read, removeMember,
}

// firstStep returns where a worker begins. At each replica, every second worker begins by
// creating the organization that it will delete.
func (w *worker) firstStep() int {
	return slices.Index(steps, []kind{createKeyed, createMarked}[w.number/len(w.urls)%2])
}

func (w *worker) work(ctx context.Context) {
	defer w.client.http.CloseIdleConnections()
	if !sleep(ctx, w.turn()) {
		return
	}
	for step := w.firstStep(); ; step++ {
		k := steps[step%len(steps)]
		if w.org == "" && !k.creates() && k != createBatch && k != list || len(w.members) == 0 && (k == removeMember || k == eraseUser) {
			continue // the previous call, which it depends on, failed
		}
		if !w.do(ctx, w.next(k)) {
			return
		}
	}
}

// turn returns the delay of a worker's first call. It spreads the workers over the pause
// between calls.
func (w *worker) turn() time.Duration {
	return w.every * time.Duration(w.number) / time.Duration(w.workers)
}

// next returns a new call.
func (w *worker) next(k kind) *call {
	w.calls++
	c := &call{worker: w.number, kind: k, org: w.org, value: fmt.Sprintf("%s-%d-%d", w.name, w.number, w.calls)}
	switch k {
	case createKeyed, createMarked, createOnce, createBatch, list:
		c.org = ""
	case addMember:
		c.value = fmt.Sprintf("usr_%016x%016x", rand.Uint64(), rand.Uint64())
	case removeMember, eraseUser:
		c.value = w.members[0]
	}
	return c
}

// do makes the call with all its retries. It returns false when the worker should stop.
func (w *worker) do(ctx context.Context, c *call) (more bool) {
	w.ledger.begin(c)
	for {
		if waited, open := w.gate.pass(ctx); !open || waited && !sleep(ctx, w.turn()) {
			return false
		}
		a := w.attempt(ctx, c)
		if ctx.Err() != nil && a.status == 0 {
			a.err = errors.New("the harness gave up")
		}
		w.ledger.note(c, a)
		if a.succeeded() {
			w.learn(c, a)
		}
		done := a.succeeded() || c.kind == createOnce || c.kind.reads() || a.rejected() && !isRetryable(a.status, a.code)
		select {
		case <-ctx.Done():
			return false
		case <-w.stopped:
			if done {
				return false
			}
		default:
		}
		if !sleep(ctx, w.pause(done)) {
			return false
		}
		if done {
			return true
		}
	}
}

func (w *worker) pause(done bool) time.Duration {
	if done {
		return w.every
	}
	return max(w.every, retryPause)
}

func (w *worker) learn(c *call, a attempt) {
	switch {
	case c.kind.creates():
		w.org, w.members = a.orgID, nil
	case c.kind == addMember:
		w.members = append(w.members, c.value)
	case c.kind == removeMember, c.kind == eraseUser:
		w.members = w.members[1:]
	case c.kind == deleteOrg:
		w.deleted[c.org] = true
		w.org, w.members = "", nil
	}
}

func (w *worker) attempt(ctx context.Context, c *call) attempt {
	w.sent++
	a := attempt{requestID: fmt.Sprintf("%s-%d-r%d", w.name, w.number, w.sent), replica: w.replica}
	w.client.send(ctx, w.request(c), &a)
	switch {
	case c.kind == read && a.succeeded() && a.orgID != c.org:
		a.flaw = "wrong organization: " + a.orgID
	case c.kind == createBatch && a.succeeded() && len(a.listed) != batchSize:
		a.flaw = fmt.Sprintf("%d organizations, want %d", len(a.listed), batchSize)
	case c.kind == deleteOrg:
		a.gone = a.status == http.StatusNotFound && c.unknowns() > 0
	case slices.ContainsFunc(a.listed, func(id string) bool { return w.deleted[id] }):
		a.flaw = "a deleted organization is listed"
	}
	return a
}

func (w *worker) request(c *call) request {
	at := w.urls[w.replica] + "/v1/orgs"
	switch c.kind {
	case change:
		return request{method: http.MethodPatch, url: at + "/" + c.org, body: object("metadata", map[string]string{"value": c.value})}
	case addMember:
		return request{method: http.MethodPost, url: at + "/" + c.org + "/users", body: object("userId", c.value)}
	case removeMember:
		return request{method: http.MethodDelete, url: at + "/" + c.org + "/users", body: object("userId", c.value)}
	case deactivate:
		return request{method: http.MethodPost, url: at + "/" + c.org + "/deactivate"}
	case deleteOrg:
		return request{method: http.MethodDelete, url: at + "/" + c.org}
	case eraseUser:
		return request{method: http.MethodDelete, url: w.urls[w.replica] + "/v1/users/" + c.value}
	case createBatch:
		return request{method: http.MethodPost, url: at + "/batch", body: batchOf(c), header: map[string]string{"Idempotency-Key": strconv.Quote(c.value)}}
	case read:
		return request{method: http.MethodGet, url: at + "/" + c.org}
	case list:
		return request{method: http.MethodGet, url: at + "?limit=20"}
	}
	r := request{method: http.MethodPost, url: at, body: object("orgName", c.value)}
	switch c.kind {
	case createKeyed:
		r.header = map[string]string{"Idempotency-Key": strconv.Quote(c.value)}
	case createMarked:
		r.header = map[string]string{"X-Stainless-Retry-Count": strconv.Itoa(len(c.attempts))}
	}
	return r
}

func batchOf(c *call) string {
	var all []map[string]string
	for _, name := range c.names() {
		all = append(all, map[string]string{"orgName": name})
	}
	return object("organizations", all)
}

func object(name string, value any) string {
	text, err := json.Marshal(map[string]any{name: value})
	if err != nil {
		panic(err) // cannot happen: the values are strings, and maps and slices of strings
	}
	return string(text)
}

// gate stops the workers between two attempts while it is shut.
type gate struct {
	mu   sync.Mutex
	shut chan struct{} // closed when the gate opens; nil while it is open
}

func (g *gate) close() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.shut == nil {
		g.shut = make(chan struct{})
	}
}

func (g *gate) open() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.shut != nil {
		close(g.shut)
		g.shut = nil
	}
}

// pass waits until the gate is open. waited reports whether it had to wait; open is false
// if ctx is done first.
func (g *gate) pass(ctx context.Context) (waited, open bool) {
	g.mu.Lock()
	shut := g.shut
	g.mu.Unlock()
	if shut == nil {
		return false, ctx.Err() == nil
	}
	select {
	case <-shut:
		return true, true
	case <-ctx.Done():
		return true, false
	}
}

func sleep(ctx context.Context, d time.Duration) bool {
	if d <= 0 {
		return ctx.Err() == nil
	}
	select {
	case <-ctx.Done():
		return false
	case <-time.After(d):
		return true
	}
}
