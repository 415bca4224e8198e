package webhooks

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"

	"orgd/internal/uuid"
)

// task is an operation that is retried until it succeeds.
type task struct {
	name        string
	consequence string // of a failure, for the log
	accountID   uuid.UUID
	webhookID   uuid.UUID // zero if the task is not about one endpoint
}

// reporter logs the first of several failures of a task in a row. The failures of one task
// do not hide those of another.
type reporter struct {
	logger *slog.Logger

	mu     sync.Mutex
	failed map[task]bool // an entry stays if its endpoint is deleted before the task succeeds
}

func newReporter(logger *slog.Logger) *reporter {
	return &reporter{logger: logger, failed: map[task]bool{}}
}

// report takes the result of each try.
func (r *reporter) report(t task, err error) {
	if !r.isNews(t, err) {
		return
	}
	logger := r.logger
	if t.webhookID != (uuid.UUID{}) {
		logger = logger.With("accountId", t.accountID.String(), "webhookId", FormatID(t.webhookID))
	}
	logger.Warn(t.consequence, "error", fmt.Errorf("%s: %w", t.name, err))
}

// isNews remembers the result, and reports whether it is the first failure after a success.
func (r *reporter) isNews(t task, err error) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if err == nil {
		delete(r.failed, t)
		return false
	}
	again := r.failed[t]
	r.failed[t] = true
	return !again
}

// The tasks of a delivery.
var (
	takeWebhook   = task{name: "lease the webhook", consequence: "could not lease a webhook, so it is not receiving events; retrying"}
	readEvents    = task{name: "read the webhook's events", consequence: "could not read the events for a webhook, so it is not receiving any; retrying"}
	storeProgress = task{name: "store the webhook's progress", consequence: "could not store the progress of a webhook, so it may receive some events twice; retrying"}
)

// report reports the result of a task of this delivery. It ignores the temporary errors of
// an overload or a database outage, because the poll reports these once for all endpoints.
func (d *delivery) report(t task, err error) {
	if isTemporary(err) {
		return
	}
	t.accountID, t.webhookID = d.accountID, d.id
	d.w.reports.report(t, err)
}

func isTemporary(err error) bool {
	return errors.Is(err, ErrUnavailable) || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)
}
