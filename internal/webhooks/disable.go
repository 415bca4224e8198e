package webhooks

import (
	"context"

	"orgd/internal/db"
	"orgd/internal/idempotency"
	"orgd/internal/uuid"
)

// The worker that holds the endpoint keeps it, and reads the new state before it continues.
const webhookDisable = `
UPDATE webhooks
SET disabled_at = now(), disabled_reason = $3, due_at = NULL, version = version + 1
WHERE account_id = $1 AND id = $2
RETURNING ` + webhookColumns

// Disable stops deliveries to an endpoint. The endpoint keeps its position. Disable
// changes nothing if the endpoint is already disabled. Errors: ErrNotFound, ErrUnavailable, and those of
// idempotency.Once.
//
// A worker disables an endpoint that keeps failing; see giveUpAfter.
func (r *Repository) Disable(ctx context.Context, c idempotency.Call, id uuid.UUID) (Changed, error) {
	return r.change(ctx, c, "disable webhook", id, func(ctx context.Context, q db.Querier) (Webhook, *Secret, error) {
		old, err := locked(ctx, q, c.AccountID, id)
		if err != nil || !old.DisabledAt.IsZero() {
			return old, nil, err
		}
		disabled, err := oneWebhook(q.Query(ctx, webhookDisable, c.AccountID, id, Requested))
		if err == nil {
			err = writeEvent(ctx, q, c, eventDisabled, id, image{IsEnabled: new(true)}, image{IsEnabled: new(false), DisabledReason: Requested})
		}
		return disabled, nil, err
	})
}
