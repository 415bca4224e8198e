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

const webhookReplay = `
UPDATE webhooks
SET position = $3, mark = $4, generation = generation + 1, failures = 0, failing_since = NULL,
    due_at = CASE WHEN disabled_at IS NULL THEN now() END, version = version + 1
WHERE account_id = $1 AND id = $2
RETURNING ` + webhookColumns

// Replay makes the event at the position the next one that the endpoint gets. The position
// may be one after the end of the feed. A disabled endpoint stays disabled. Errors:
// ErrNotFound, ErrEventsDeleted, ErrPositionAhead, ErrUnavailable, and those of
// idempotency.Once.
func (r *Repository) Replay(ctx context.Context, c idempotency.Call, id uuid.UUID, position int64) (Changed, error) {
	place, notThere := r.feed.PlaceReached(ctx, c.AccountID, position-1)
	switch {
	case errors.Is(notThere, events.ErrCursorExpired):
		notThere = ErrEventsDeleted
	case errors.Is(notThere, events.ErrAhead):
		notThere = ErrPositionAhead
	case notThere != nil:
		return Changed{}, fmt.Errorf("replay: %w", notThere)
	}
	return r.change(ctx, c, "replay", []any{id, position}, func(ctx context.Context, q db.Querier) (Webhook, *Secret, error) {
		old, err := locked(ctx, q, c.AccountID, id)
		if err == nil {
			err = notThere
		}
		if err != nil {
			return Webhook{}, nil, err
		}
		moved, err := oneWebhook(q.Query(ctx, webhookReplay, c.AccountID, id, place.Position, place.ID[:]))
		if err == nil {
			err = writeEvent(ctx, q, c, eventReplayed, id, image{Position: &old.Position}, image{Position: &moved.Position})
		}
		return moved, nil, err
	})
}
