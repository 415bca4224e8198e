package webhooks_test

import (
	"context"
	"log/slog"
	"strings"
	"testing"
	"time"

	"orgd/internal/uuid"
	"orgd/internal/webhooks"
)

// watch runs a monitor until the test ends.
func (b bundle) watch(t *testing.T, logger *slog.Logger) *webhooks.Monitor {
	t.Helper()
	m := webhooks.NewMonitor(b.store, logger, 5*time.Millisecond)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		m.Run(ctx)
	}()
	t.Cleanup(func() {
		cancel()
		<-ended
	})
	return m
}

// isOf returns a condition: the monitor has read these figures, with ages in whole hours.
func isOf(m *webhooks.Monitor, want webhooks.Stats) func() bool {
	return func() bool {
		s, ok := m.Stats()
		s.Behind, s.FailingBehind = s.Behind.Truncate(time.Hour), s.FailingBehind.Truncate(time.Hour)
		return ok && s == want
	}
}

func TestStats(t *testing.T) {
	t.Parallel()
	b := setup(t)
	m := b.watch(t, slog.New(slog.DiscardHandler))
	await(t, "there are no endpoints", isOf(m, webhooks.Stats{}))
	id := b.hook(t, "https://example.com").Webhook.ID
	b.Exec(t, "UPDATE events SET occurred_at = now() - interval '3 hours'")
	await(t, "an event that no worker has seen is waiting", isOf(m, webhooks.Stats{Enabled: 1, Behind: 3 * time.Hour}))
	b.Exec(t, "UPDATE webhooks SET failures = 2, due_at = now()")
	await(t, "an event waits for an endpoint that fails", isOf(m, webhooks.Stats{Failing: 1, FailingBehind: 3 * time.Hour}))
	b.Exec(t, "UPDATE events SET position = 1")
	await(t, "the event has a position", isOf(m, webhooks.Stats{Failing: 1, FailingBehind: 3 * time.Hour}))
	b.Exec(t, "UPDATE webhooks SET failures = 0, due_at = NULL, worker = $1", uuid.UUID{15: 1})
	await(t, "a worker has the endpoint", isOf(m, webhooks.Stats{Enabled: 1, Behind: 3 * time.Hour}))
	b.Exec(t, "UPDATE accounts SET suspended_at = now()")
	await(t, "the account is suspended", isOf(m, webhooks.Stats{Enabled: 1}))
	b.Exec(t, "UPDATE accounts SET suspended_at = NULL")
	b.Exec(t, "UPDATE webhooks SET position = 1, worker = NULL")
	await(t, "the event has arrived", isOf(m, webhooks.Stats{Enabled: 1}))
	if _, err := b.store.Disable(context.Background(), b.call(), id); err != nil {
		t.Fatal(err)
	}
	await(t, "the endpoint is disabled", isOf(m, webhooks.Stats{Disabled: 1}))
	b.Exec(t, "UPDATE webhooks SET disabled_reason = 'failing'")
	await(t, "the endpoint was given up", isOf(m, webhooks.Stats{GivenUp: 1}))
}

// Figures that can no longer be read are unknown. The failure is logged once.
func TestStatsThatCannotBeRead(t *testing.T) {
	t.Parallel()
	b := setup(t)
	var log lockedBuffer
	m := b.watch(t, slog.New(slog.NewTextHandler(&log, nil)))
	isKnown := func() bool { _, ok := m.Stats(); return ok }
	failures := func() int { return strings.Count(log.String(), "could not read the state of webhooks") }
	await(t, "the figures are read", isKnown)
	b.Exec(t, "ALTER TABLE webhooks RENAME TO hidden")
	// Figures also become unknown while a read takes too long.
	await(t, "a read fails, and the figures are unknown", func() bool { return failures() > 0 && !isKnown() })
	b.Exec(t, "ALTER TABLE hidden RENAME TO webhooks")
	await(t, "the figures are read again", isKnown)
	if n := failures(); n != 1 {
		t.Errorf("%d lines: %s", n, log.String())
	}
}
