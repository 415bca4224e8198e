package webhooks

import (
	"context"
	"errors"
	"fmt"

	"orgd/internal/db"
	"orgd/internal/events"
	"orgd/internal/idempotency"
	"orgd/internal/uuid"
)

// The worker that holds the endpoint keeps it, so that no two workers deliver at once.
// The worker reads the new state before it continues.
const webhookEnable = `
UPDATE webhooks
SET disabled_at = NULL, disabled_reason = NULL, failures = 0, failing_since = NULL, due_at = now(),
    generation = generation + 1, version = version + 1
WHERE account_id = $1 AND id = $2
RETURNING ` + webhookColumns

// Enable lets a disabled endpoint get events again, from where it stopped. It changes
// nothing if the endpoint is already enabled. Errors: ErrNotFound, ErrEventsDeleted,
// ErrUnavailable, and those of idempotency.Once.
func (r *Repository) Enable(ctx context.Context, c idempotency.Call, id uuid.UUID) (Changed, error) {
	complete, err := r.hasEvents(ctx, c.AccountID, id)
	if err != nil {
		return Changed{}, fmt.Errorf("enable webhook: %w", err)
	}
	return r.change(ctx, c, "enable webhook", id, func(ctx context.Context, q db.Querier) (Webhook, *Secret, error) {
		old, err := locked(ctx, q, c.AccountID, id)
		if err != nil || old.DisabledAt.IsZero() {
			return old, nil, err
		}
		if !complete {
			return Webhook{}, nil, ErrEventsDeleted
		}
		enabled, err := oneWebhook(q.Query(ctx, webhookEnable, c.AccountID, id))
		if err == nil {
			err = writeEvent(ctx, q, c, eventEnabled, id, image{IsEnabled: new(false), DisabledReason: old.DisabledReason}, image{IsEnabled: new(true)})
		}
		return enabled, nil, err
	})
}

const webhookPlace = `
SELECT position, mark
FROM webhooks
WHERE account_id = $1 AND id = $2`

// hasEvents reports whether all events that the endpoint has not received still exist. It
// returns true for an endpoint that does not exist.
func (r *Repository) hasEvents(ctx context.Context, accountID, id uuid.UUID) (bool, error) {
	var place events.Place
	err := r.db.For(accountID).Read(ctx, func(ctx context.Context, q db.Querier) error {
		var mark []byte
		err := q.QueryRow(ctx, webhookPlace, accountID, id).Scan(&place.Position, &mark)
		copy(place.ID[:], mark)
		return err
	})
	if errors.Is(err, db.ErrNoRows) {
		return true, nil
	}
	if err != nil {
		return false, err
	}
	_, err = r.feed.Read(ctx, accountID, events.Params{Limit: 1, After: &place})
	if errors.Is(err, events.ErrCursorExpired) || errors.Is(err, events.ErrCursorLost) {
		return false, nil
	}
	return true, err
}
