package webhooks_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"orgd/internal/events"
	"orgd/internal/idempotency"
	"orgd/internal/uuid"
	"orgd/internal/webhooks"
)

func TestDelivery(t *testing.T) {
	t.Parallel()
	b := setup(t)
	v := receive(t, nil)
	b.write(t, "org.created", 3)
	made := b.hook(t, v.URL+"/hook?x=1")
	v.trust(t, made.Secret)
	b.work(t, quick())
	b.write(t, "org.updated", 250)
	// The creation of the endpoint is the fourth event.
	await(t, "all events arrive", func() bool { return v.last() == 254 })
	checkOnce(t, v.positions(), 4, 254)
	await(t, "the position is stored", func() bool { return b.get(t, made.Webhook.ID).Position == 254 })
	attempts, err := b.store.Attempts(context.Background(), b.account, made.Webhook.ID)
	if err != nil {
		t.Fatal(err)
	}
	if len(attempts) != 100 || attempts[0].Position != 254 || attempts[99].Position != 155 || attempts[0].Status != 204 || attempts[0].Failure != "" {
		t.Errorf("%d attempts: %+v", len(attempts), attempts[0])
	}
	b.write(t, "org.updated", 1)
	await(t, "the next event arrives", func() bool { return v.last() == 255 })
}

// The poll finds events that no notification announced.
func TestQuietEvents(t *testing.T) {
	t.Parallel()
	b := setup(t)
	v := receive(t, nil)
	b.hook(t, v.URL)
	b.work(t, quick())
	await(t, "the first event arrives", func() bool { return v.last() == 1 })
	await(t, "the worker leaves the endpoint", func() bool { return b.isFree(t) })
	b.writeQuietly(t, "org.created", 5)
	await(t, "all events arrive", func() bool { return v.last() == 6 })
	checkOnce(t, v.positions(), 1, 6)
}

func TestTypes(t *testing.T) {
	t.Parallel()
	b := setup(t)
	v := receive(t, nil)
	made := b.hook(t, v.URL, "org.deleted", "org.created")
	b.work(t, quick())
	b.write(t, "org.updated", 120)
	b.write(t, "org.deleted", 1)
	b.write(t, "org.updated", 120)
	b.write(t, "org.created", 1)
	b.write(t, "org.updated", 10)
	await(t, "the position advances", func() bool { return b.get(t, made.Webhook.ID).Position == 253 })
	if got := v.positions(); !slices.Equal(got, []int64{122, 243}) {
		t.Errorf("positions %v", got)
	}
}

// Events wait while the receiver is down, and later all arrive in order.
func TestReceiverIsDown(t *testing.T) {
	t.Parallel()
	for name, answer := range map[string]func(w http.ResponseWriter, r *http.Request){
		"500": func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusInternalServerError) },
		"404": func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNotFound) },
		"redirect": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Location", "http://169.254.169.254/")
			w.WriteHeader(http.StatusFound)
		},
		"hangs": func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() },
		// The body of this response is the connection, which stays open.
		"switches protocols": func(w http.ResponseWriter, _ *http.Request) {
			conn, _, err := http.NewResponseController(w).Hijack()
			if err != nil {
				t.Error(err)
				return
			}
			t.Cleanup(func() { conn.Close() })
			if _, err := io.WriteString(conn, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n"); err != nil {
				t.Error(err)
			}
		},
		"breaks":      func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
		"huge header": func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("X-Large", strings.Repeat("x", 70_000)) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			// A TLS handshake must fit into the limit, even on a busy machine.
			b := setupWith(t, webhooks.SenderConfig{Targets: local, Timeout: 500 * time.Millisecond})
			v := receive(t, func(n int, w http.ResponseWriter, r *http.Request) {
				if n%2 == 1 || n > 4 && n < 10 {
					answer(w, r)
				}
			})
			made := b.hook(t, v.URL)
			b.work(t, quick())
			b.write(t, "org.created", 20)
			await(t, "all events arrive", func() bool { return v.last() == 21 })
			checkOrder(t, v.positions(), 1, 21)
			await(t, "the state is stored", func() bool {
				found := b.get(t, made.Webhook.ID)
				return found.Position == 21 && found.Failures == 0 && found.FailingSince.IsZero() && found.NextAttemptAt.IsZero()
			})
		})
	}
}

// An endpoint that is down for a long time is retried less and less often, and then
// disabled.
func TestGiveUp(t *testing.T) {
	t.Parallel()
	b := setup(t)
	made := b.hook(t, "https://"+unused(t))
	cfg := quick()
	var seen counts
	cfg.GiveUp, cfg.GiveUpFailures, cfg.Observer = time.Second, 4, &seen
	b.work(t, cfg)
	await(t, "the endpoint fails", func() bool { return b.get(t, made.Webhook.ID).Failures > 1 })
	if found := b.get(t, made.Webhook.ID); found.FailingSince.IsZero() || found.NextAttemptAt.IsZero() && found.DisabledAt.IsZero() || found.Position != 0 {
		t.Errorf("failing: %+v", found)
	}
	await(t, "the endpoint is disabled", func() bool { return !b.get(t, made.Webhook.ID).DisabledAt.IsZero() })
	found := b.get(t, made.Webhook.ID)
	if found.DisabledReason != webhooks.Failing || found.Position != 0 || found.DisabledAt.Sub(found.FailingSince) < time.Second || found.Failures < 4 || found.Failures > 20 {
		t.Errorf("disabled: %+v", found)
	}
	attempts, err := b.store.Attempts(context.Background(), b.account, made.Webhook.ID)
	if err != nil || len(attempts) != found.Failures || attempts[0].Failure != webhooks.FailedConnection || attempts[0].Status != 0 {
		t.Errorf("attempts %+v, %v", attempts, err)
	}
	if n := seen.of("connection"); n != found.Failures {
		t.Errorf("%d attempts were counted, want %d", n, found.Failures)
	}
	await(t, "the disabled endpoint is counted", func() bool { return seen.of("failing") == 1 })
	if n := b.count(t, "webhook.disabled"); n != 1 {
		t.Errorf("%d events webhook.disabled", n)
	}
}

// An endpoint is disabled only after 50 failures in a row, however long it has been failing,
// because the servers may have been down for most of that time.
func TestGiveUpNeedsFailures(t *testing.T) {
	t.Parallel()
	b := setup(t)
	made := b.hook(t, "https://"+unused(t))
	b.Exec(t, "UPDATE webhooks SET failures = 47, failing_since = now() - interval '4 days', due_at = now()")
	b.work(t, quick())
	await(t, "the endpoint is disabled", func() bool { return !b.get(t, made.Webhook.ID).DisabledAt.IsZero() })
	if found := b.get(t, made.Webhook.ID); found.Failures != 50 || found.DisabledReason != webhooks.Failing {
		t.Errorf("%+v", found)
	}
}

func (b bundle) count(t testing.TB, kind string) (n int) {
	t.Helper()
	if err := b.Pool.QueryRow(context.Background(), "SELECT count(*) FROM events WHERE type = $1", kind).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

// A 410 response disables the endpoint at once. When it is enabled again, it continues where
// it stopped.
func TestGone(t *testing.T) {
	t.Parallel()
	b := setup(t)
	v := receive(t, func(n int, w http.ResponseWriter, _ *http.Request) {
		if n == 3 {
			w.WriteHeader(http.StatusGone)
		}
	})
	made := b.hook(t, v.URL)
	b.work(t, quick())
	b.write(t, "org.created", 5)
	await(t, "the endpoint is disabled", func() bool { return b.get(t, made.Webhook.ID).DisabledReason == webhooks.Gone })
	v.getsNothing(t)
	if got := v.positions(); !slices.Equal(got, []int64{1, 2}) {
		t.Errorf("positions %v", got)
	}
	if _, err := b.store.Enable(context.Background(), b.call(), made.Webhook.ID); err != nil {
		t.Fatal(err)
	}
	await(t, "all events arrive", func() bool { return v.last() == 8 }) // disabled, enabled
	checkOnce(t, v.positions(), 1, 8)
}

// A slow endpoint does not delay another endpoint of its account.
func TestSlowEndpoint(t *testing.T) {
	t.Parallel()
	b := setup(t)
	slow := receive(t, func(_ int, _ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	fast := receive(t, nil)
	b.hook(t, slow.URL)
	b.hook(t, fast.URL)
	b.work(t, quick())
	await(t, "the slow endpoint is in use", func() bool { slow.mu.Lock(); defer slow.mu.Unlock(); return slow.requests > 0 })
	for i := range 20 {
		b.write(t, "org.created", 1)
		want := int64(3 + i)
		await(t, "an event arrives", func() bool { return fast.last() == want })
	}
	if n := slow.last(); n > 2 {
		t.Errorf("the slow endpoint got event %d", n)
	}
	checkOnce(t, fast.positions(), 2, 22)
}

// Two workers share the endpoints. When one is cut off from the database, the other takes
// over within seconds, and nothing is lost or out of order.
func TestTwoWorkers(t *testing.T) {
	t.Parallel()
	b := setup(t)
	const endpoints = 4
	var all []*receiver
	for range endpoints {
		v := receive(t, func(_ int, w http.ResponseWriter, _ *http.Request) {
			time.Sleep(time.Millisecond) // so that the crash comes between two deliveries
		})
		all = append(all, v)
		b.hook(t, v.URL)
	}
	first := b.replica(t)
	first.work(t, quick())
	b.write(t, "org.created", 200)
	await(t, "the first worker delivers", func() bool { return all[0].count() > 20 && all[endpoints-1].count() > 20 })
	second := b.replica(t)
	second.work(t, quick())
	first.conns.Close() // like a crash: it stores nothing more, and releases nothing
	cut := time.Now()
	b.writeQuietly(t, "org.created", 100)
	for i, v := range all {
		await(t, "all events arrive", func() bool { return v.last() == endpoints+300 })
		checkOrder(t, v.positions(), int64(i+1), endpoints+300)
		if twice := v.count() - (endpoints + 300 - i); twice > endpoints+300 {
			t.Errorf("%d events came twice", twice)
		}
	}
	t.Logf("all events arrived %s after the crash", time.Since(cut).Round(time.Millisecond))
}

// A worker that stops releases its endpoints at once, so the next worker can take over. No
// event is delivered twice.
func TestHandOver(t *testing.T) {
	t.Parallel()
	b := setup(t)
	v := receive(t, func(_ int, w http.ResponseWriter, _ *http.Request) {
		time.Sleep(2 * time.Millisecond) // so that each worker stops between two deliveries
	})
	b.hook(t, v.URL)
	b.write(t, "org.created", 300)
	cfg := quick()
	cfg.Life = time.Minute // longer than the test: endpoints that are not released stay taken
	for next := 30; next < 300; next += 60 {
		stop := b.replica(t).work(t, cfg)
		await(t, "the worker delivers", func() bool { return v.count() > next })
		stop()
	}
	b.replica(t).work(t, cfg)
	await(t, "all events arrive", func() bool { return v.last() == 301 })
	checkOnce(t, v.positions(), 1, 301)
	var workers int
	if err := b.Pool.QueryRow(context.Background(), "SELECT count(*) FROM webhook_workers").Scan(&workers); err != nil || workers != 1 {
		t.Errorf("%d workers, %v", workers, err)
	}
}

// During the overlap of a rotation, events are signed with both secrets. Afterwards they
// are signed only with the new one.
func TestRotation(t *testing.T) {
	t.Parallel()
	b := setup(t)
	v := receive(t, nil)
	var signatures []string
	v.answer = func(_ int, w http.ResponseWriter, r *http.Request) {
		signatures = append(signatures, r.Header.Get("webhook-signature"))
	}
	made := b.hook(t, v.URL)
	v.trust(t, made.Secret)
	b.work(t, quick())
	await(t, "the first event arrives", func() bool { return v.last() == 1 })
	if _, err := b.store.RotateSecret(context.Background(), b.call(), made.Webhook.ID, time.Hour); err != nil {
		t.Fatal(err)
	}
	await(t, "the second event arrives", func() bool { return v.last() == 2 })
	await(t, "the worker stores the position and reads the new secret", func() bool { return b.get(t, made.Webhook.ID).Position == 2 })
	b.write(t, "org.created", 1)
	await(t, "the third event arrives", func() bool { return v.last() == 3 }) // verified with the first secret
	rotated, err := b.store.RotateSecret(context.Background(), b.call(), made.Webhook.ID, 0)
	if err != nil {
		t.Fatal(err)
	}
	v.trust(t, rotated.Secret)
	await(t, "the fourth event arrives", func() bool { return v.last() == 4 })
	await(t, "the worker stores the position and reads the new secret", func() bool { return b.get(t, made.Webhook.ID).Position == 4 })
	v.mu.Lock()
	v.verify = v.verify[1:]
	v.mu.Unlock()
	b.write(t, "org.created", 1)
	await(t, "the fifth event arrives", func() bool { return v.last() == 5 })
	if n := strings.Count(signatures[2], "v1,"); n != 2 {
		t.Errorf("signatures during the overlap: %s", signatures[2])
	}
	if n := strings.Count(signatures[4], "v1,"); n != 1 {
		t.Errorf("signatures after the overlap: %s", signatures[4])
	}
}

// The old secret stops signing at the end of the overlap, even while events that were
// read before are being delivered.
func TestOverlapEnds(t *testing.T) {
	t.Parallel()
	b := setup(t)
	var made webhooks.Changed
	var ended atomic.Bool
	var after []string // signatures
	v := receive(t, func(_ int, _ http.ResponseWriter, r *http.Request) {
		if !ended.Load() {
			await(t, "the overlap ends during the first request", func() bool { return b.get(t, made.Webhook.ID).OldSecretUntil.IsZero() })
			ended.Store(true)
			return
		}
		after = append(after, r.Header.Get("webhook-signature"))
	})
	made = b.hook(t, v.URL)
	b.write(t, "org.created", 9)
	if _, err := b.store.RotateSecret(context.Background(), b.call(), made.Webhook.ID, time.Second); err != nil {
		t.Fatal(err)
	}
	b.work(t, quick())
	await(t, "all events arrive", func() bool { return v.last() == 11 })
	for _, signature := range after {
		if strings.Count(signature, "v1,") != 1 {
			t.Errorf("signatures after the overlap: %s", signature)
		}
	}
}

// New types also apply to events that the worker had already read.
func TestNewTypesAmidAPage(t *testing.T) {
	t.Parallel()
	b := setup(t)
	var made webhooks.Changed
	v := receive(t, nil)
	v.answer = func(n int, _ http.ResponseWriter, _ *http.Request) {
		switch {
		case n == 1:
			types := []string{"org.deleted"}
			if _, err := b.store.Update(context.Background(), b.call(), made.Webhook.ID, webhooks.Changes{Types: &types}); err != nil {
				t.Error(err)
			}
		case n < 10: // the worker learns of a change when it stores its progress
			await(t, "the progress is stored", func() bool { return b.get(t, made.Webhook.ID).Position >= int64(n-1) })
		}
	}
	made = b.hook(t, v.URL)
	b.write(t, "org.created", 50)
	b.write(t, "org.deleted", 1)
	b.work(t, quick())
	await(t, "the event of the new type arrives", func() bool { return v.last() == 52 })
	if n := v.count(); n > 10 {
		t.Errorf("%d events arrived, most of them of other types", n)
	}
}

func TestReplay(t *testing.T) {
	t.Parallel()
	b := setup(t)
	v := receive(t, nil)
	made := b.hook(t, v.URL)
	b.work(t, quick())
	b.write(t, "org.created", 9)
	await(t, "all events arrive", func() bool { return v.last() == 10 })
	if _, err := b.store.Replay(context.Background(), b.call(), made.Webhook.ID, 3); err != nil {
		t.Fatal(err)
	}
	await(t, "the events arrive again", func() bool { return v.last() == 11 && v.count() >= 10+9 })
	checkOrder(t, v.positions(), 1, 11)
}

// A new URL, new types and a call to disable take effect at once, even while the endpoint
// fails.
func TestChanges(t *testing.T) {
	t.Parallel()
	b := setup(t)
	v := receive(t, nil)
	made := b.hook(t, "https://"+unused(t))
	cfg := quick()
	cfg.Backoff = func(int) time.Duration { return time.Hour }
	b.work(t, cfg)
	await(t, "the endpoint fails", func() bool { return b.get(t, made.Webhook.ID).Failures == 1 })
	url := v.URL
	if _, err := b.store.Update(context.Background(), b.call(), made.Webhook.ID, webhooks.Changes{URL: &url}); err != nil {
		t.Fatal(err)
	}
	await(t, "the events arrive at the new URL", func() bool { return v.last() == 2 })
	types := []string{"org.deleted"}
	if _, err := b.store.Update(context.Background(), b.call(), made.Webhook.ID, webhooks.Changes{Types: &types}); err != nil {
		t.Fatal(err)
	}
	await(t, "the position advances", func() bool { return b.get(t, made.Webhook.ID).Position == 3 })
	b.write(t, "org.created", 5)
	b.write(t, "org.deleted", 1)
	await(t, "the event of the new type arrives", func() bool { return v.last() == 9 })
	if got := v.positions(); slices.Contains(got, 5) {
		t.Errorf("positions %v", got)
	}
	if _, err := b.store.Disable(context.Background(), b.call(), made.Webhook.ID); err != nil {
		t.Fatal(err)
	}
	await(t, "the worker leaves the disabled endpoint", func() bool { return b.isFree(t) })
	b.write(t, "org.deleted", 5)
	v.getsNothing(t)
	if _, err := b.store.Enable(context.Background(), idempotency.Call{AccountID: b.account, RequestID: "r"}, made.Webhook.ID); err != nil {
		t.Fatal(err)
	}
	await(t, "the events arrive", func() bool { return v.last() == 15 })
	if err := b.store.Delete(context.Background(), b.call(), made.Webhook.ID); err != nil {
		t.Fatal(err)
	}
	await(t, "the worker leaves the deleted endpoint", func() bool { return b.hub.Waiting() == 0 })
	b.write(t, "org.deleted", 5)
	v.getsNothing(t)
}

// A suspended account gets nothing until it is resumed.
func TestSuspendedAccount(t *testing.T) {
	t.Parallel()
	b := setup(t)
	v := receive(t, nil)
	b.hook(t, v.URL)
	b.work(t, quick())
	await(t, "the first event arrives", func() bool { return v.last() == 1 })
	b.Exec(t, "UPDATE accounts SET suspended_at = now()")
	await(t, "the worker leaves the endpoint", func() bool { return b.isFree(t) })
	b.write(t, "org.created", 5)
	v.getsNothing(t)
	b.Exec(t, "UPDATE accounts SET suspended_at = NULL")
	await(t, "the events arrive", func() bool { return v.last() == 6 })
	checkOnce(t, v.positions(), 1, 6)
}

// An endpoint is disabled if retention has deleted events that it has not received, because
// its receiver must read the lists again.
func TestDeletedEvents(t *testing.T) {
	t.Parallel()
	b := setup(t)
	v := receive(t, nil)
	made := b.hook(t, v.URL)
	b.write(t, "org.created", 5)
	ctx := context.Background()
	if _, err := b.store.Disable(ctx, b.call(), made.Webhook.ID); err != nil {
		t.Fatal(err)
	}
	if _, err := events.NewRepository(b.conns).NumberAll(ctx, b.account); err != nil {
		t.Fatal(err)
	}
	b.Exec(t, "DELETE FROM events WHERE position <= 3")
	b.Exec(t, "UPDATE feeds SET removed_position = 3, removed_mark = decode(repeat('ab', 16), 'hex')")
	if _, err := b.store.Enable(ctx, b.call(), made.Webhook.ID); !errors.Is(err, webhooks.ErrEventsDeleted) {
		t.Errorf("enable: %v", err)
	}
	if _, err := b.store.Replay(ctx, b.call(), made.Webhook.ID, 2); !errors.Is(err, webhooks.ErrEventsDeleted) {
		t.Errorf("replay: %v", err)
	}
	if _, err := b.store.Replay(ctx, b.call(), made.Webhook.ID, 99); !errors.Is(err, webhooks.ErrPositionAhead) {
		t.Errorf("replay: %v", err)
	}
	b.Exec(t, "UPDATE webhooks SET disabled_at = NULL, disabled_reason = NULL")
	b.work(t, quick())
	await(t, "the endpoint is disabled", func() bool { return b.get(t, made.Webhook.ID).DisabledReason == webhooks.EventsDeleted })
	if _, err := b.store.Replay(ctx, b.call(), made.Webhook.ID, 4); err != nil {
		t.Fatal(err)
	}
	if _, err := b.store.Enable(ctx, b.call(), made.Webhook.ID); err != nil {
		t.Fatal(err)
	}
	await(t, "the remaining events arrive", func() bool { return v.count() > 4 })
	checkOrder(t, v.positions(), 4, v.last())
}

// A failover that loses the last event, and the stored place at that event, does not
// disable the endpoint.
func TestLostEvents(t *testing.T) {
	t.Parallel()
	b := setup(t)
	v := receive(t, nil)
	made := b.hook(t, v.URL)
	b.work(t, quick())
	isStored := func(position int64) func() bool {
		return func() bool { return b.get(t, made.Webhook.ID).Position == position }
	}
	b.write(t, "org.created", 1)
	await(t, "the place is stored", isStored(2))
	b.Exec(t, "CREATE TABLE kept AS SELECT account_id, position, mark FROM webhooks")
	b.write(t, "org.updated", 1)
	await(t, "the next place is stored", isStored(3))
	b.Exec(t, `WITH lost AS (DELETE FROM events WHERE position = 3), feed AS (UPDATE feeds SET last_position = 2)
		UPDATE webhooks SET position = kept.position, mark = kept.mark FROM kept`)
	b.write(t, "org.deleted", 1)
	await(t, "the new event arrives", func() bool { return v.count() == 4 })
	if found := b.get(t, made.Webhook.ID); !found.DisabledAt.IsZero() {
		t.Errorf("%+v", found)
	}
}

// A worker does not store a place whose event a failover has lost. It delivers the events
// that the new primary has there.
func TestLostEventsBeforeTheyAreStored(t *testing.T) {
	t.Parallel()
	b := setup(t)
	v := receive(t, nil)
	made := b.hook(t, v.URL)
	cfg := quick()
	cfg.Save, cfg.Linger = time.Second, 2*time.Second // the place is stored before events are read again
	b.work(t, cfg)
	b.write(t, "org.created", 1)
	await(t, "the event arrives", func() bool { return v.last() == 2 })
	b.Exec(t, `WITH lost AS (DELETE FROM events WHERE position = 2) UPDATE feeds SET last_position = 1`)
	b.writeQuietly(t, "org.deleted", 1)
	await(t, "all events of the new primary arrive", func() bool { return v.count() == 4 })
	if found := b.get(t, made.Webhook.ID); !found.DisabledAt.IsZero() {
		t.Errorf("%+v", found)
	}
}

// A failure that repeats for one endpoint is logged once, with the endpoint's id. When it
// ends, the endpoint gets all events.
func TestLogOfAFailingDelivery(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct{ fault, repair, want string }{
		"take":  {"ALTER TABLE webhooks RENAME old_secret TO hidden", "ALTER TABLE webhooks RENAME hidden TO old_secret", "could not lease a webhook"},
		"read":  {"ALTER TABLE events RENAME request_id TO hidden", "ALTER TABLE events RENAME hidden TO request_id", "could not read the events for a webhook"},
		"store": {"ALTER TABLE webhook_attempts RENAME TO hidden", "ALTER TABLE hidden RENAME TO webhook_attempts", "could not store the progress of a webhook"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := setup(t)
			v := receive(t, nil)
			made := b.hook(t, v.URL)
			b.write(t, "org.created", 1)
			b.Exec(t, tc.fault)
			var log lockedBuffer
			cfg := quick()
			cfg.Logger = slog.New(slog.NewTextHandler(&log, nil))
			b.work(t, cfg)
			await(t, "the failure is logged", func() bool { return strings.Contains(log.String(), tc.want) })
			if name == "read" {
				await(t, "the worker tries again and again", func() bool { return b.term(t) > 3 })
			}
			b.Exec(t, tc.repair)
			await(t, "all events arrive", func() bool { return b.get(t, made.Webhook.ID).Position == 2 && v.last() == 2 })
			line := tc.want + `[^"]*" accountId=` + b.account.String() + " webhookId=" + webhooks.FormatID(made.Webhook.ID) + ` error="`
			if n := len(regexp.MustCompile(line).FindAllString(log.String(), -1)); n != 1 || strings.Count(log.String(), "\n") != 1 {
				t.Errorf("%d lines match %s: %s", n, line, log.String())
			}
		})
	}
}

// term returns how often the endpoint has been taken.
func (b bundle) term(t testing.TB) (n int) {
	t.Helper()
	if err := b.Pool.QueryRow(context.Background(), "SELECT max(term) FROM webhooks").Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

// Endpoints that hang do not use up the slots that other accounts need.
func TestFairness(t *testing.T) {
	t.Parallel()
	b := setupWith(t, webhooks.SenderConfig{Targets: local, Timeout: 3 * time.Second})
	hang := receive(t, func(_ int, _ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	hang.parallel = true
	for range 10 {
		b.hook(t, hang.URL)
	}
	other := b
	other.account = b.Account(t)
	fast := receive(t, nil)
	other.hook(t, fast.URL)
	cfg := quick()
	cfg.Concurrency = 4
	b.work(t, cfg)
	b.hub.Changed(b.account)
	await(t, "the endpoints hang", func() bool { hang.mu.Lock(); defer hang.mu.Unlock(); return hang.busy > 0 })
	for i := range 20 {
		other.write(t, "org.created", 1)
		await(t, "an event arrives", func() bool { return fast.last() == int64(2+i) })
		await(t, "the worker leaves the endpoint", func() bool { return other.isFree(t) })
	}
	hang.mu.Lock()
	defer hang.mu.Unlock()
	if hang.most > 2 {
		t.Errorf("the account had %d of 4 slots", hang.most)
	}
}

// An endpoint that always has more events does not keep the only slot.
func TestBusyEndpointMakesRoom(t *testing.T) {
	t.Parallel()
	b := setup(t)
	const backlog = 10_000
	busy := receive(t, func(int, http.ResponseWriter, *http.Request) {
		time.Sleep(10 * time.Millisecond) // the backlog outlasts the test
	})
	b.hook(t, busy.URL)
	b.write(t, "org.created", backlog)
	other := b
	other.account = b.Account(t)
	fast := receive(t, nil)
	other.hook(t, fast.URL)
	cfg := quick()
	cfg.Concurrency, cfg.Turn = 1, 50*time.Millisecond
	b.work(t, cfg)
	await(t, "the busy endpoint gets events", func() bool { return busy.count() > 0 })
	for i := range 5 {
		other.write(t, "org.created", 1)
		await(t, "an event arrives", func() bool { return fast.last() == int64(2+i) })
	}
	if busy.last() > backlog {
		t.Error("the busy endpoint has already received everything")
	}
	before := busy.count()
	await(t, "the busy endpoint gets more events", func() bool { return busy.count() > before })
	checkOrder(t, busy.positions(), 1, busy.last())
}

func TestBackoff(t *testing.T) {
	t.Parallel()
	total := time.Duration(0)
	for failures := 1; failures <= 400; failures++ {
		want := min(5*time.Second<<min(failures-1, 20), 15*time.Minute)
		got := webhooks.Backoff(failures)
		if got > want || got < want*3/4 {
			t.Errorf("after %d failures: %s, want up to %s", failures, got, want)
		}
		total += got
	}
	if total < 3*24*time.Hour {
		t.Errorf("400 failures take only %s", total)
	}
}

// The Retry-After header of a response postpones the next attempt.
func TestRetryAfter(t *testing.T) {
	t.Parallel()
	b := setup(t)
	v := receive(t, func(n int, w http.ResponseWriter, _ *http.Request) {
		if n == 1 {
			w.Header().Set("Retry-After", "2")
			w.WriteHeader(http.StatusTooManyRequests)
		}
	})
	patient := quick()
	patient.Life = time.Minute // on a busy machine, a worker that loses its lease may not store the Retry-After
	begun := time.Now()
	b.hook(t, v.URL)
	b.work(t, patient)
	await(t, "the event arrives", func() bool { return v.last() == 1 })
	if took := time.Since(begun); took < 2*time.Second {
		t.Errorf("the event arrived after %s", took)
	}
}

// A worker may release an endpoint just after its poll has found that it holds it. The poll
// must not take the endpoint, because that would skip the wait.
func TestReleasedEndpointIsNotTaken(t *testing.T) {
	t.Parallel()
	b := setup(t)
	ctx := context.Background()
	b.hook(t, receive(t, nil).URL)
	worker := uuid.NewV7()
	b.Exec(t, "INSERT INTO webhook_workers VALUES ($1, now() + interval '1 hour')", worker)
	b.Exec(t, "UPDATE webhooks SET worker = $1, due_at = NULL", worker)
	found, err := b.store.Due(ctx, worker, time.Hour, 10)
	if err != nil || len(found) != 1 {
		t.Fatalf("%+v, %v", found, err)
	}
	b.Exec(t, "UPDATE webhooks SET worker = NULL, failures = 1, due_at = now() + interval '1 hour'")
	if ok, err := b.store.Take(ctx, worker, found[0]); err != nil || ok {
		t.Errorf("took the released endpoint: %v, %v", ok, err)
	}
}

// When the database's clock steps back, no endpoint has to wait longer.
func TestClockStepsBack(t *testing.T) {
	t.Parallel()
	for name, sql := range map[string]string{
		"a retry":                "UPDATE webhooks SET failures = 1, failing_since = now() + interval '2 hours', due_at = now() + interval '2 hours'",
		"another worker's turn":  "UPDATE webhooks SET due_at = now() + interval '10 minutes'",
		"a worker that has died": "WITH dead AS (INSERT INTO webhook_workers VALUES (gen_random_uuid(), now() + interval '10 minutes') RETURNING id) UPDATE webhooks SET worker = dead.id FROM dead",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := setup(t)
			v := receive(t, nil)
			b.hook(t, v.URL)
			b.Exec(t, sql)
			b.work(t, quick())
			await(t, "the event arrives", func() bool { return v.last() == 1 })
		})
	}
}

// The receiver in docs/webhooks.md works.
func TestGoExample(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../docs/webhooks.md")
	if err != nil {
		t.Fatal(err)
	}
	_, code, _ := strings.Cut(string(text), "```go\n")
	code, _, _ = strings.Cut(code, "```\n")
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "receiver.go"), []byte(code), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("go", "build", "-o", dir+"/receiver", dir+"/receiver.go").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	b := setupWith(t, webhooks.SenderConfig{Targets: webhooks.Targets{PlainLoopback: true}})
	address := unused(t)
	_, port, _ := net.SplitHostPort(address)
	made := b.hook(t, "http://"+address)
	var out lockedBuffer
	receiver := exec.Command(dir + "/receiver")
	receiver.Env = append(os.Environ(), "PORT="+port, "WEBHOOK_SECRET="+made.Secret.Reveal())
	receiver.Stdout = &out
	if err := receiver.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = receiver.Process.Kill()
		_ = receiver.Wait()
	})
	b.work(t, quick())
	b.write(t, "org.created", 2)
	want := "1 webhook.created \n2 org.created org_" + strings.Repeat("0", 31) + "1\n3 org.created org_" + strings.Repeat("0", 31) + "1\n"
	await(t, "the receiver prints the events", func() bool { return out.String() == want })
}

// lockedBuffer is a buffer for the output of a program.
type lockedBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}
