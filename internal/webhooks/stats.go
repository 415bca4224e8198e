package webhooks

import (
	"context"
	"errors"
	"log/slog"
	"sync/atomic"
	"time"

	"orgd/internal/db"
)

// Stats are the figures about all endpoints for the metrics.
type Stats struct {
	Enabled  int // endpoints that do not fail
	Failing  int // endpoints whose last attempt failed
	Disabled int // endpoints that a call has disabled
	GivenUp  int // endpoints that a worker has disabled

	// The age of the oldest event that an endpoint has not received yet.
	Behind        time.Duration // of the endpoints that do not fail
	FailingBehind time.Duration
}

const (
	webhookStates = `
SELECT count(account_id) FILTER (WHERE disabled_at IS NULL AND failures = 0),
    count(account_id) FILTER (WHERE disabled_at IS NULL AND failures > 0),
    count(account_id) FILTER (WHERE disabled_reason = 'requested'),
    count(account_id) FILTER (WHERE disabled_reason <> 'requested')
FROM webhooks`

	// webhooksOldest returns the age of the oldest next event of the endpoints that work, and
	// of those that fail. Disabled endpoints and suspended accounts do not count. Events
	// without a position are newer than those with one.
	webhooksOldest = `
SELECT coalesce(max(age) FILTER (WHERE failures = 0), 0)::float8,
    coalesce(max(age) FILTER (WHERE failures > 0), 0)::float8
FROM (
    SELECT failures, extract(epoch FROM now() - coalesce(
        (SELECT occurred_at FROM events WHERE events.account_id = webhooks.account_id AND events.position = webhooks.position + 1),
        (SELECT occurred_at FROM events WHERE events.account_id = webhooks.account_id AND events.position IS NULL ORDER BY id LIMIT 1)
    )) AS age
    FROM webhooks
    WHERE disabled_at IS NULL
      AND NOT EXISTS (SELECT FROM accounts WHERE accounts.id = webhooks.account_id AND suspended_at IS NOT NULL)
) AS next`
)

func (r *Repository) stats(ctx context.Context) (s Stats, err error) {
	var behind, failingBehind float64
	err = r.db.Read(ctx, func(ctx context.Context, q db.Querier) error {
		if err := q.QueryRow(ctx, webhookStates).Scan(&s.Enabled, &s.Failing, &s.Disabled, &s.GivenUp); err != nil {
			return err
		}
		return q.QueryRow(ctx, webhooksOldest).Scan(&behind, &failingBehind)
	})
	s.Behind = max(0, time.Duration(behind*float64(time.Second)))
	s.FailingBehind = max(0, time.Duration(failingBehind*float64(time.Second)))
	return s, err
}

const (
	// StatsEvery is the time between two reads of the figures for the metrics.
	StatsEvery = 15 * time.Second
	// staleAfter is the number of failed reads after which the figures are unknown.
	staleAfter = 4
)

var readStats = task{name: "read the state of webhooks", consequence: "could not read the state of webhooks, so their metrics are missing; retrying"}

// Monitor reads the figures about all endpoints. Every server has one, even if it does
// not deliver.
type Monitor struct {
	store   *Repository
	every   time.Duration
	reports *reporter
	last    atomic.Pointer[reading]
}

type reading struct {
	stats Stats
	at    time.Time
}

// NewMonitor returns a monitor that reads the figures once per interval.
func NewMonitor(store *Repository, logger *slog.Logger, every time.Duration) *Monitor {
	return &Monitor{store: store, every: every, reports: newReporter(logger)}
}

// Run reads the figures until ctx is done.
func (m *Monitor) Run(ctx context.Context) {
	tick := time.NewTicker(m.every)
	defer tick.Stop()
	for {
		m.read(ctx)
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

func (m *Monitor) read(ctx context.Context) {
	limited, cancel := context.WithTimeout(ctx, storeLimit)
	defer cancel()
	begun := time.Now()
	s, err := m.store.stats(limited)
	if err == nil {
		m.last.Store(&reading{s, begun})
	}
	// The readiness probes already report that the database is unavailable.
	if ctx.Err() == nil && !errors.Is(err, ErrUnavailable) {
		m.reports.report(readStats, err)
	}
}

// Stats returns the figures that were read last. ok is false if they were never read, or
// if the last reads failed for so long that the figures may be wrong.
func (m *Monitor) Stats() (s Stats, ok bool) {
	last := m.last.Load()
	if last == nil || time.Since(last.at) > staleAfter*m.every {
		return Stats{}, false
	}
	return last.stats, true
}
