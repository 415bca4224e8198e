package main

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	cryptorand "crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"maps"
	"math/big"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
)

// hookTypes are the types of events that the webhook gets. The load also causes events of
// other types, which it must not get.
var hookTypes = []string{"org.created", "org.updated", "org.deactivated", "org.deleted", "org.member_removed"}

// deliverLimit is how long the last events may take to arrive. Until the load ends, the
// receiver sometimes fails, and each failure makes orgd wait for about 5 s or longer.
const deliverLimit = 60 * time.Second

// receiver is the server of a webhook. It keeps the events in the order in which they first
// arrived. While it is moody, some of its responses are errors, and it drops some
// connections before or after it has kept the event.
type receiver struct {
	server      *http.Server
	url         string
	certificate string // the file that has the certificate

	mu         sync.Mutex
	webhook    *standardwebhooks.Webhook
	after      int64 // the position at which the webhook began
	moody      bool
	seen       []feedEvent
	byID       map[string]feedEvent // the events in seen
	rewinds    int                  // events that first arrived after later events
	violations []string
}

// newReceiver starts a receiver. It writes the certificate to the directory.
func newReceiver(dir string) (*receiver, error) {
	certificate, err := newCertificate()
	if err != nil {
		return nil, err
	}
	v := &receiver{certificate: filepath.Join(dir, "receiver.pem"), moody: true, byID: map[string]feedEvent{}}
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: certificate.Certificate[0]})
	if err := os.WriteFile(v.certificate, text, 0o600); err != nil {
		return nil, err
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	v.url = "https://" + listener.Addr().String() + "/hook"
	v.server = &http.Server{
		Handler:   v,
		TLSConfig: &tls.Config{Certificates: []tls.Certificate{certificate}, MinVersion: tls.VersionTLS12},
		ErrorLog:  log.New(io.Discard, "", 0), // killed servers abort handshakes
	}
	go func() { _ = v.server.ServeTLS(listener, "", "") }() // it ends with close
	return v, nil
}

func (v *receiver) close() error { return v.server.Close() }

// newCertificate returns a self-signed certificate for 127.0.0.1.
func newCertificate() (tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), cryptorand.Reader)
	if err != nil {
		return tls.Certificate{}, err
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1),
		NotAfter:     time.Now().Add(24 * time.Hour),
		IPAddresses:  []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	der, err := x509.CreateCertificate(cryptorand.Reader, template, template, &key.PublicKey, key)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, err
}

// env lets a replica reach the receiver.
func (v *receiver) env() []string {
	return []string{"ORGD_WEBHOOKS_ALLOW=127.0.0.0/8", "SSL_CERT_FILE=" + v.certificate}
}

// subscribe creates the webhook at a replica.
func (v *receiver) subscribe(ctx context.Context, replica, key string) error {
	body, err := json.Marshal(map[string]any{"url": v.url, "description": "Receiver", "types": hookTypes})
	if err != nil {
		return err
	}
	asked, err := http.NewRequestWithContext(ctx, http.MethodPost, replica+"/v1/webhooks", bytes.NewReader(body))
	if err != nil {
		return err
	}
	asked.Header.Set("Authorization", "Bearer "+key)
	asked.Header.Set("Content-Type", "application/json")
	answer, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(asked)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	var created struct {
		Secret   string
		Position int64
	}
	if answer.StatusCode != http.StatusCreated {
		return fmt.Errorf("create a webhook: %s", answer.Status)
	}
	if err := json.NewDecoder(answer.Body).Decode(&created); err != nil {
		return err
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	v.after = created.Position
	v.webhook, err = standardwebhooks.NewWebhook(created.Secret)
	return err
}

// ServeHTTP implements http.Handler.
func (v *receiver) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return // the sender closed the connection
	}
	const (
		anError = iota
		noAnswer
		lostAnswer
		outOf = 600 // each failure happens once in this many requests
	)
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.webhook == nil { // the response to the creation, which has the secret, has not arrived yet
		w.WriteHeader(http.StatusServiceUnavailable)
		return
	}
	mood := outOf
	if v.moody {
		mood = rand.N(outOf)
	}
	switch mood {
	case anError:
		w.WriteHeader(http.StatusInternalServerError)
		return
	case noAnswer:
		panic(http.ErrAbortHandler)
	}
	if err := v.take(r.Header, body); err != nil {
		v.add("%v: %.300s", err, body)
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	if mood == lostAnswer {
		panic(http.ErrAbortHandler)
	}
	w.WriteHeader(http.StatusNoContent)
}

// take verifies a message and keeps its event. The caller holds mu.
func (v *receiver) take(header http.Header, body []byte) error {
	if err := v.webhook.Verify(body, header); err != nil {
		return err
	}
	var message struct {
		Data struct {
			EventID string
			feedEvent
		}
	}
	if err := json.Unmarshal(body, &message); err != nil {
		return err
	}
	id, event := message.Data.EventID, message.Data.feedEvent
	known, is := v.byID[id]
	if known == event {
		return nil
	}
	if n := len(v.seen); is || n > 0 && v.seen[n-1].Position >= event.Position {
		v.rewind(event.Position, known)
	}
	if known.Position = event.Position; is && known != event {
		v.add("got %+v with the id of %+v", event, known)
	}
	v.seen = append(v.seen, event)
	v.byID[id] = event
	return nil
}

// rewind forgets the events from the position on, because a different event has this
// position now. It also forgets moved, which has a new position. This may happen only if a
// fault undoes commits: an event whose position was undone gets another position, and is
// delivered again.
func (v *receiver) rewind(position int64, moved feedEvent) {
	v.rewinds++
	isOld := func(e feedEvent) bool { return e.Position >= position || e == moved }
	v.seen = slices.DeleteFunc(v.seen, isOld)
	maps.DeleteFunc(v.byID, func(_ string, e feedEvent) bool { return isOld(e) })
}

func (v *receiver) add(format string, args ...any) {
	const kept = 5
	if len(v.violations) < kept {
		v.violations = append(v.violations, "webhook: "+fmt.Sprintf(format, args...))
	}
}

// calm ends the failures of the receiver.
func (v *receiver) calm() {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.moody = false
}

// check waits for the last of all events that the webhook must deliver, and compares what
// was received with them. mayRewind allows a fault to undo events that were delivered.
func (v *receiver) check(ctx context.Context, all []feedEvent, mayRewind bool) []string {
	want := slices.DeleteFunc(slices.Clone(all), func(e feedEvent) bool {
		return e.Position <= v.after || !slices.Contains(hookTypes, e.Type)
	})
	err := await(ctx, "the webhook delivers the last event", deliverLimit, func() (bool, error) {
		v.mu.Lock()
		defer v.mu.Unlock()
		return len(want) == 0 || slices.Contains(v.seen, want[len(want)-1]), nil
	})
	v.mu.Lock()
	defer v.mu.Unlock()
	if err != nil {
		v.add("%v", err)
	}
	if len(want) == 0 {
		v.add("the load caused no event that it must deliver")
	}
	if v.rewinds > 0 && !mayRewind {
		v.add("%d events first arrived after later events", v.rewinds)
	}
	v.compare(want, all, mayRewind)
	return v.violations
}

// compare finds the events that did not arrive, and those that do not exist. A fault may
// undo events that were delivered. If no event for the webhook has their positions now,
// the receiver cannot notice that. The caller holds mu.
func (v *receiver) compare(want, all []feedEvent, mayUndo bool) {
	for _, e := range want {
		if !slices.Contains(v.seen, e) {
			v.add("%+v did not arrive", e)
		}
	}
	for _, e := range v.seen {
		if !slices.Contains(want, e) && !(mayUndo && e.isUndone(all)) {
			v.add("got %+v, which is not in the database", e)
		}
	}
}

// isUndone reports whether the database has no such event at any position.
func (e feedEvent) isUndone(all []feedEvent) bool {
	return !slices.ContainsFunc(all, func(other feedEvent) bool {
		other.Position = e.Position
		return other == e
	})
}
