package webhooks

import (
	"context"
	"time"

	"orgd/internal/db"
)

// Stats are the figures about all endpoints for the metrics.
type Stats struct {
	Enabled  int // endpoints that do not fail
	Failing  int // endpoints whose last attempt failed
	Disabled int // endpoints that a call has disabled
	GivenUp  int // endpoints that a worker has disabled

	// How old the oldest event is that an endpoint has yet to get.
	Behind        time.Duration // of those that do not fail
	FailingBehind time.Duration
}

const (
	webhookStates = `
SELECT count(account_id) FILTER (WHERE disabled_at IS NULL AND failures = 0),
    count(account_id) FILTER (WHERE disabled_at IS NULL AND failures > 0),
    count(account_id) FILTER (WHERE disabled_reason = 'requested'),
    count(account_id) FILTER (WHERE disabled_reason <> 'requested')
FROM webhooks`

	// webhooksOldest reads the next event of endpoints that are not known to have
	// everything. Events without a position are newer than those with one.
	webhooksOldest = `
SELECT coalesce(max(extract(epoch FROM now() - next.occurred_at)) FILTER (WHERE failures = 0), 0)::float8,
    coalesce(max(extract(epoch FROM now() - next.occurred_at)) FILTER (WHERE failures > 0), 0)::float8
FROM (
    SELECT account_id, position, failures
    FROM webhooks
    WHERE disabled_at IS NULL AND (due_at IS NOT NULL OR worker IS NOT NULL)
      AND NOT EXISTS (SELECT FROM accounts WHERE accounts.id = webhooks.account_id AND suspended_at IS NOT NULL)
    LIMIT $1
) AS active,
LATERAL (
    (SELECT occurred_at FROM events WHERE events.account_id = active.account_id AND events.position = active.position + 1)
    UNION ALL
    (SELECT occurred_at FROM events WHERE events.account_id = active.account_id AND events.position IS NULL ORDER BY id LIMIT 1)
    LIMIT 1
) AS next`
)

// maxMeasured is at how many endpoints webhooksOldest looks.
const maxMeasured = 5000

func (r *Repository) stats(ctx context.Context) (s Stats, err error) {
	var behind, failingBehind float64
	err = r.db.Read(ctx, func(ctx context.Context, q db.Querier) error {
		if err := q.QueryRow(ctx, webhookStates).Scan(&s.Enabled, &s.Failing, &s.Disabled, &s.GivenUp); err != nil {
			return err
		}
		return q.QueryRow(ctx, webhooksOldest, maxMeasured).Scan(&behind, &failingBehind)
	})
	s.Behind = max(0, time.Duration(behind*float64(time.Second)))
	s.FailingBehind = max(0, time.Duration(failingBehind*float64(time.Second)))
	return s, err
}

func (w *Worker) readStats(ctx context.Context) {
	w.attempt(ctx, "read the state of webhooks", func(ctx context.Context) error {
		s, err := w.store.stats(ctx)
		if err == nil {
			w.stats.Store(&s)
		}
		return err
	})
}

// Stats returns the figures that the worker read last.
func (w *Worker) Stats() Stats {
	if s := w.stats.Load(); s != nil {
		return *s
	}
	return Stats{}
}
