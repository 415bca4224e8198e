package webhooks_test

import (
	"context"
	"crypto/x509"
	"encoding/json"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"sync"
	"testing"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"orgd/internal/db"
	"orgd/internal/dbtest"
	"orgd/internal/events"
	"orgd/internal/idempotency"
	"orgd/internal/uuid"
	"orgd/internal/webhooks"
)

func TestMain(m *testing.M) { dbtest.Main(m) }

// bundle has everything that a test of deliveries needs.
type bundle struct {
	*dbtest.DB
	conns   *db.Pool
	hub     *events.Hub
	store   *webhooks.Repository
	account uuid.UUID
}

// local allows the addresses of the tests' receivers.
var local = webhooks.Targets{Allowed: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}}

func setup(t testing.TB) bundle {
	t.Helper()
	return setupWith(t, webhooks.SenderConfig{Targets: local})
}

func setupWith(t testing.TB, cfg webhooks.SenderConfig) bundle {
	t.Helper()
	d := dbtest.New(t)
	b := bundle{DB: d, account: d.Account(t)}
	b.open(t, d.Conns, cfg)
	return b
}

// replica returns the bundle of another process. It has its own pool and its own hub.
func (b bundle) replica(t testing.TB) bundle {
	t.Helper()
	conns, err := db.Open(context.Background(), b.URL, db.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(conns.Close)
	b.open(t, conns, webhooks.SenderConfig{Targets: local})
	return b
}

func (b *bundle) open(t testing.TB, conns *db.Pool, cfg webhooks.SenderConfig) {
	t.Helper()
	if cfg.RootCAs == nil {
		cfg.RootCAs = receiverCAs()
	}
	sender := webhooks.NewSender(cfg)
	t.Cleanup(sender.Close)
	b.conns, b.hub = conns, events.NewHub(conns)
	b.store = webhooks.NewRepository(conns, events.NewRepository(conns), sender)
	b.store.OnChange(b.hub.Changed)
}

// quick has intervals and back-offs that are short enough for a test.
func quick() webhooks.WorkerConfig {
	return webhooks.WorkerConfig{
		Logger: slog.New(slog.DiscardHandler), Observer: &counts{},
		Poll: 50 * time.Millisecond, Life: time.Second, Linger: 100 * time.Millisecond, Save: 20 * time.Millisecond, Grace: 500 * time.Millisecond,
		Backoff: func(failures int) time.Duration { return min(10*time.Millisecond<<failures, 200*time.Millisecond) },
	}
}

// counts counts attempts by their results, and disabled endpoints by their reasons.
type counts struct {
	mu  sync.Mutex
	all map[string]int
}

func (c *counts) ObserveAttempt(result string, _ time.Duration) { c.ObserveGivenUp(result) }

func (c *counts) ObserveGivenUp(result string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.all == nil {
		c.all = map[string]int{}
	}
	c.all[result]++
}

func (c *counts) of(result string) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.all[result]
}

// work runs a worker until the test ends or stop is called. stop returns when the worker
// has stopped.
func (b bundle) work(t testing.TB, cfg webhooks.WorkerConfig) (stop func()) {
	t.Helper()
	w := webhooks.NewWorker(b.store, b.hub, cfg)
	b.hub.Follow(w.Wake)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		w.Run(ctx)
	}()
	stop = func() {
		cancel()
		<-ended
	}
	t.Cleanup(stop)
	return stop
}

// write writes n events of an organization, and tells the hub.
func (b bundle) write(t testing.TB, kind string, n int) {
	t.Helper()
	b.writeQuietly(t, kind, n)
	b.hub.Changed(b.account)
}

func (b bundle) writeQuietly(t testing.TB, kind string, n int) {
	t.Helper()
	b.Exec(t, `
INSERT INTO events (account_id, type, org_id, after, request_id)
SELECT $1, $2, $3, jsonb_build_object('n', n), 'request-1' FROM generate_series(1, $4) AS n`, b.account, kind, uuid.UUID{15: 1}, n)
}

func (b bundle) call() idempotency.Call {
	return idempotency.Call{AccountID: b.account, KeyID: uuid.UUID{15: 1}, RequestID: "request"}
}

// hook creates an endpoint at the end of the feed.
func (b bundle) hook(t testing.TB, url string, types ...string) webhooks.Changed {
	t.Helper()
	made, err := b.store.Create(context.Background(), b.call(), webhooks.NewWebhook{URL: url, Description: "Test", Types: types})
	if err != nil {
		t.Fatal(err)
	}
	return made
}

func (b bundle) get(t testing.TB, id uuid.UUID) webhooks.Webhook {
	t.Helper()
	found, err := b.store.Get(context.Background(), b.account, id)
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// isFree reports whether no worker holds an endpoint of the account.
func (b bundle) isFree(t testing.TB) (free bool) {
	t.Helper()
	err := b.Pool.QueryRow(context.Background(), "SELECT NOT EXISTS (SELECT FROM webhooks WHERE account_id = $1 AND worker IS NOT NULL)", b.account).Scan(&free)
	if err != nil {
		t.Fatal(err)
	}
	return free
}

// await waits until the condition is true.
func await(t testing.TB, what string, is func() bool) {
	t.Helper()
	for end := time.Now().Add(2 * time.Minute); time.Now().Before(end); time.Sleep(2 * time.Millisecond) { // poll
		if is() {
			return
		}
	}
	t.Fatalf("timeout: %s", what)
}

// receiver is an endpoint. It verifies each request, and records the positions of the
// events in requests that it answers with 2xx.
type receiver struct {
	*httptest.Server
	answer func(n int, w http.ResponseWriter, r *http.Request) // n counts the requests from 1; the default is 204

	mu       sync.Mutex
	verify   []*standardwebhooks.Webhook // one of them must verify
	requests int
	got      []int64
	types    []string
	bodies   []string
	at       []time.Time
	busy     int  // requests in progress
	most     int  // the highest value that busy has had
	parallel bool // several endpoints use the receiver
	faults   []string
}

type received struct {
	Type, Timestamp string
	Data            struct {
		EventID, Type, OccurredAt string
		Position                  int64
	}
}

var receiverTLS = sync.OnceValue(func() *httptest.Server { return httptest.NewTLSServer(http.NotFoundHandler()) })

// receiverCAs returns the certificate of every receiver.
func receiverCAs() *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(receiverTLS().Certificate())
	return pool
}

func receive(t testing.TB, answer func(n int, w http.ResponseWriter, r *http.Request)) *receiver {
	t.Helper()
	v := &receiver{answer: answer}
	v.Server = httptest.NewUnstartedServer(http.HandlerFunc(v.serve))
	v.Server.StartTLS()
	t.Cleanup(v.Close)
	t.Cleanup(func() {
		v.mu.Lock()
		defer v.mu.Unlock()
		for _, fault := range v.faults {
			t.Error(fault)
		}
	})
	return v
}

// trust makes the receiver accept signatures with the secret too.
func (v *receiver) trust(t testing.TB, secret *webhooks.Secret) {
	t.Helper()
	verifier, err := standardwebhooks.NewWebhook(secret.Reveal())
	if err != nil {
		t.Fatal(err)
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	v.verify = append(v.verify, verifier)
}

func (v *receiver) serve(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	var got received
	if err == nil {
		err = json.Unmarshal(body, &got)
	}
	v.mu.Lock()
	v.requests++
	n := v.requests
	if err != nil || r.Header.Get("Content-Type") != "application/json" {
		v.faults = append(v.faults, "not a message: "+string(body))
	}
	if len(v.verify) > 0 && !v.isVerified(body, r.Header) {
		v.faults = append(v.faults, "the signature is wrong")
	}
	if got.Type != got.Data.Type || got.Timestamp != got.Data.OccurredAt || got.Data.EventID != r.Header.Get("webhook-id") {
		v.faults = append(v.faults, "the message does not match its event: "+string(body))
	}
	v.busy++
	v.most = max(v.most, v.busy)
	if v.busy > 1 && !v.parallel {
		v.faults = append(v.faults, "two requests at once")
	}
	v.mu.Unlock()
	defer v.leave()
	recorder := &statusRecorder{ResponseWriter: w, status: 200}
	if v.answer != nil {
		v.answer(n, recorder, r)
	} else {
		recorder.WriteHeader(http.StatusNoContent)
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	if recorder.status < 300 && r.Context().Err() == nil {
		v.got, v.types, v.bodies, v.at = append(v.got, got.Data.Position), append(v.types, got.Type), append(v.bodies, string(body)), append(v.at, time.Now())
	}
}

func (v *receiver) leave() {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.busy--
}

func (v *receiver) isVerified(body []byte, h http.Header) bool {
	for _, verifier := range v.verify {
		if verifier.Verify(body, h) == nil {
			return true
		}
	}
	return false
}

type statusRecorder struct {
	http.ResponseWriter
	status int
}

func (s *statusRecorder) Unwrap() http.ResponseWriter { return s.ResponseWriter }

func (s *statusRecorder) WriteHeader(status int) {
	s.status = status
	s.ResponseWriter.WriteHeader(status)
}

func (v *receiver) positions() []int64 {
	v.mu.Lock()
	defer v.mu.Unlock()
	return append([]int64{}, v.got...)
}

func (v *receiver) count() int { return len(v.positions()) }

// getsNothing checks that nothing arrives for a while.
func (v *receiver) getsNothing(t testing.TB) {
	t.Helper()
	before := v.count()
	time.Sleep(4 * quick().Poll) // several polls
	if got := v.positions(); len(got) != before {
		t.Errorf("the receiver got %v", got[before:])
	}
}

// last returns the last position that the receiver got, or 0.
func (v *receiver) last() int64 {
	if got := v.positions(); len(got) > 0 {
		return got[len(got)-1]
	}
	return 0
}

// checkOrder checks that the positions are those from first to last, in order. A
// position may come again if all positions after it come again too.
func checkOrder(t testing.TB, got []int64, first, last int64) {
	t.Helper()
	next := first
	for _, position := range got {
		if position > next {
			t.Fatalf("position %d came before %d: %v", position, next, got)
		}
		next = position + 1
	}
	if next != last+1 {
		t.Fatalf("the last position is %d, want %d: %v", next-1, last, got)
	}
}

// checkOnce checks that each position came once and in order.
func checkOnce(t testing.TB, got []int64, first, last int64) {
	t.Helper()
	for i, position := range got {
		if position != first+int64(i) {
			t.Fatalf("positions %v, want %d to %d", got, first, last)
		}
	}
	if int64(len(got)) != last-first+1 {
		t.Fatalf("%d positions, want %d to %d", len(got), first, last)
	}
}

// unused returns an address on which nothing listens.
func unused(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}
