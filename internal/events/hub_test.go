package events_test

import (
	"context"
	"testing"
	"time"

	"orgd/internal/events"
	"orgd/internal/uuid"
)

// The lag is the age of the oldest event that readers at the end of a feed cannot get yet.
// Events that nobody waits for do not count, and neither do those that a reader can get.
func TestLag(t *testing.T) {
	t.Parallel()
	b := setup(t)
	hub := events.NewHub(b.Conns)
	wantLag := func(when string, hours int) {
		t.Helper()
		if err := hub.PollOnce(context.Background()); err != nil {
			t.Fatal(err)
		}
		if got := int(hub.Lag() / time.Hour); got != hours {
			t.Errorf("%s: %d hours, want %d", when, got, hours)
		}
	}
	writeOld := func(hours int) {
		b.Exec(t, `
INSERT INTO events (account_id, type, request_id, occurred_at)
VALUES ($1, 'account.resumed', 'r', now() - make_interval(hours => $2))`, b.account, hours)
	}
	writeOld(5)
	wantLag("nobody reads", 0)
	ahead, behind := hub.Wait(b.account), hub.Wait(b.account)
	defer ahead.Close()
	wantLag("readers that have just begun", 0)
	first, err := b.repository.NumberAll(context.Background(), b.account)
	if err != nil {
		t.Fatal(err)
	}
	behind.Woken(first)
	ahead.Woken(first)
	wantLag("nothing new", 0)
	writeOld(4)
	wantLag("an event without a position", 4)
	writeOld(3)
	wantLag("another one", 4)
	second, err := b.repository.NumberAll(context.Background(), b.account)
	if err != nil {
		t.Fatal(err)
	}
	wantLag("events with positions", 0)
	writeOld(2)
	wantLag("readers that can get other events first", 0)
	ahead.Woken(second)
	wantLag("a reader at the end", 2)
	ahead.Close()
	wantLag("without this reader", 0)
	behind.Close()
	wantLag("without readers", 0)
}

// A poll wakes readers only for events that they have not read, in their own account.
func TestPollWakesReaders(t *testing.T) {
	t.Parallel()
	b := setup(t)
	hub := events.NewHub(b.Conns)
	wakes := func(w *events.Waiter, position int64) bool {
		t.Helper()
		woken := w.Woken(position)
		if err := hub.PollOnce(context.Background()); err != nil {
			t.Fatal(err)
		}
		select {
		case <-woken:
			return true
		default:
			return false
		}
	}
	one, other := hub.Wait(b.account), hub.Wait(uuid.NewV7())
	defer one.Close()
	defer other.Close()
	if wakes(one, 0) {
		t.Error("woken without an event")
	}
	b.write(t, 1, "org.created", 2)
	if !wakes(one, 0) || wakes(other, 0) {
		t.Error("an event without a position wakes the wrong readers")
	}
	if _, err := b.repository.NumberAll(context.Background(), b.account); err != nil {
		t.Fatal(err)
	}
	if !wakes(one, 1) || wakes(one, 2) {
		t.Error("events with positions wake the wrong readers")
	}
}
