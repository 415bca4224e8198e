package main

import (
	"context"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"orgd/internal/dbtest"
)

// hookReceiver records the positions of the events that it receives.
type hookReceiver struct {
	*httptest.Server
	delay time.Duration

	mu   sync.Mutex
	got  []int64
	last time.Time
	gap  time.Duration // the longest time between two events
	busy int
}

func (v *hookReceiver) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var message struct{ Data struct{ Position int64 } }
	if err := json.NewDecoder(r.Body).Decode(&message); err != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	v.mu.Lock()
	v.busy++
	if v.busy > 1 {
		w.WriteHeader(http.StatusConflict) // two servers deliver at once; the event is then sent again, and the test fails
	}
	v.mu.Unlock()
	time.Sleep(v.delay)
	v.mu.Lock()
	defer v.mu.Unlock()
	v.busy--
	now := time.Now()
	if !v.last.IsZero() {
		v.gap = max(v.gap, now.Sub(v.last))
	}
	v.last = now
	v.got = append(v.got, message.Data.Position)
}

func (v *hookReceiver) positions() []int64 {
	v.mu.Lock()
	defer v.mu.Unlock()
	return slices.Clone(v.got)
}

// hookServer starts a server that may reach the receivers of the tests.
func hookServer(t *testing.T, d *dbtest.DB, certificate string, flags ...string) *process {
	t.Helper()
	p := startWith(t, []string{"DATABASE_URL=" + d.URL, "SSL_CERT_FILE=" + certificate},
		slices.Concat(serveFlags, []string{"--webhooks-allow=127.0.0.0/8", "--drain-delay=0s", "--rate-limit=0"}, flags)...)
	p.awaitServing(t)
	return p
}

// certificateOf writes the certificate of a receiver to a file. All receivers have the same.
func certificateOf(t *testing.T, receiver *httptest.Server) (file string) {
	t.Helper()
	file = filepath.Join(t.TempDir(), "ca.pem")
	ca := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: receiver.Certificate().Raw})
	if err := os.WriteFile(file, ca, 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// Of two servers, one delivers. If it is killed, the other takes over within seconds; if
// it is told to stop, within a second. Each receiver gets every event, in order.
func TestWebhooksSurviveServers(t *testing.T) {
	t.Parallel()
	d := dbtest.New(t)
	key := d.Key(t, d.Account(t))
	var all []*hookReceiver
	for range 3 {
		v := &hookReceiver{delay: 5 * time.Millisecond}
		v.Server = httptest.NewTLSServer(v)
		t.Cleanup(v.Close)
		all = append(all, v)
	}
	certificate := certificateOf(t, all[0].Server)
	servers := []*process{hookServer(t, d, certificate), hookServer(t, d, certificate)}
	for _, v := range all {
		status, answer := (&running{url: servers[0].url}).ask(t, key, "POST", "/v1/webhooks", fmt.Sprintf(`{"url":%q,"description":"Test"}`, v.URL))
		if status != http.StatusCreated {
			t.Fatalf("%d %s", status, answer)
		}
	}
	const orgs = 400
	written := make(chan struct{})
	alive := func() *process { return servers[1] } // never stopped before the writes end
	go func() {
		defer close(written)
		for i := range orgs {
			if status, answer := (&running{url: alive().url}).ask(t, key, "POST", "/v1/orgs", fmt.Sprintf(`{"orgName":"Org %d"}`, i)); status != http.StatusCreated {
				t.Errorf("%d %s", status, answer)
				return
			}
			time.Sleep(5 * time.Millisecond) // the writes go on while one server takes over from another
		}
	}()
	await(t, "nothing arrives", func() bool { return len(all[0].positions()) > 50 })
	servers[0].kill()
	third := hookServer(t, d, certificate)
	<-written
	if err := servers[1].Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	_ = servers[1].wait()
	_ = third
	var last int64
	if err := d.Pool.QueryRow(context.Background(), "SELECT count(*) FROM events").Scan(&last); err != nil {
		t.Fatal(err)
	}
	for i, v := range all {
		await(t, "not all events arrive", func() bool {
			got := v.positions()
			return len(got) > 0 && got[len(got)-1] == last
		})
		next, highest, again := int64(i+2), int64(0), 0
		for _, position := range v.positions() {
			switch {
			case position > next:
				t.Fatalf("receiver %d: position %d came before %d", i, position, next)
			case position <= highest:
				again++
			}
			next, highest = position+1, max(highest, position)
		}
		t.Logf("receiver %d: %d events, %d of them repeated, the longest gap was %s", i, len(v.positions()), again, v.gap.Round(time.Millisecond))
		if again > 200 || v.gap > 10*time.Second {
			t.Errorf("receiver %d: %d events were repeated, the longest gap was %s", i, again, v.gap)
		}
	}
	if strings.Contains(third.out.String(), `"level":"ERROR"`) {
		t.Error(third.out.String())
	}
}

// A receiver cannot write into the log, at any level: net/http quotes what arrives after a
// response.
func TestReceiverCannotWriteIntoTheLog(t *testing.T) {
	t.Parallel()
	v := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		conn, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		t.Cleanup(func() { conn.Close() })
		if _, err := io.WriteString(conn, "HTTP/1.1 204 No Content\r\n\r\nforged line"); err != nil {
			t.Error(err)
		}
	}))
	t.Cleanup(v.Close)
	d := dbtest.New(t)
	p := hookServer(t, d, certificateOf(t, v), "--log-level=debug")
	status, answer := (&running{url: p.url}).ask(t, d.Key(t, d.Account(t)), "POST", "/v1/webhooks", fmt.Sprintf(`{"url":%q,"description":"Test"}`, v.URL))
	if status != http.StatusCreated {
		t.Fatalf("%d %s", status, answer)
	}
	await(t, "net/http does not complain", func() bool { return strings.Contains(p.out.String()+p.errs.String(), "Unsolicited response") })
	if all := p.out.String() + p.errs.String(); strings.Contains(all, "forged") {
		t.Errorf("the receiver has written into the log: %s", all)
	}
	if p.errs.String() != "" {
		t.Errorf("standard error: %s", &p.errs)
	}
}

// oldHook returns a database with a webhook that no server has taken yet, although an
// event has been waiting for two hours.
func oldHook(t *testing.T) *dbtest.DB {
	t.Helper()
	d := dbtest.New(t)
	account := d.Account(t)
	d.Exec(t, `
INSERT INTO webhooks (account_id, id, url, description, types, secret, position, mark)
VALUES ($1, gen_random_uuid(), 'https://example.com', 'Test', '{}', sha256(''), 0, decode(repeat('00', 16), 'hex'))`, account)
	d.Exec(t, "INSERT INTO events (account_id, type, request_id, occurred_at) VALUES ($1, 'user.erased', 'r', now() - interval '2 hours')", account)
	return d
}

// A server that does not deliver still exports the state of webhooks.
func TestMetricsWithoutDeliveries(t *testing.T) {
	t.Parallel()
	d := oldHook(t)
	r := start(t, func(c *serveConfig) { c.databaseURL = d.URL })
	oldest := regexp.MustCompile(`\norgd_webhook_oldest_event_seconds\{state="enabled"\} 72\d\d\.`)
	await(t, "the metrics lack the webhook", func() bool {
		metrics := r.metrics(t)
		return strings.Contains(metrics, "\norgd_webhooks{state=\"enabled\"} 1\n") && oldest.MatchString(metrics) &&
			strings.Contains(metrics, "\norgd_webhooks_in_delivery 0\n")
	})
}

// A server that cannot read the state of webhooks exports no figures about it.
func TestMetricsWithoutTheStateOfWebhooks(t *testing.T) {
	t.Parallel()
	d := oldHook(t)
	d.Exec(t, "ALTER TABLE webhooks RENAME TO hidden")
	r := start(t, func(c *serveConfig) { c.databaseURL = d.URL })
	await(t, "the failure is not logged", func() bool { return strings.Contains(r.log.String(), "could not read the state of webhooks") })
	if metrics := r.metrics(t); strings.Contains(metrics, "\norgd_webhooks{") || strings.Contains(metrics, "\norgd_webhook_oldest_event_seconds") {
		t.Error("there are figures that were not read")
	}
	if strings.Contains(r.log.String(), "not delivered") {
		t.Errorf("the log says that webhooks are not delivered: %s", r.log)
	}
}
