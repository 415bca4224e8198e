package webhooks

import (
	"context"
	"fmt"

	"orgd/internal/db"
	"orgd/internal/idempotency"
	"orgd/internal/uuid"
)

const (
	webhookDelete = `
DELETE FROM webhooks
WHERE account_id = $1 AND id = $2`

	attemptsDelete = `
DELETE FROM webhook_attempts
WHERE account_id = $1 AND webhook_id = $2`
)

// Delete deletes an endpoint and its attempts. Errors: ErrNotFound, ErrUnavailable.
func (r *Repository) Delete(ctx context.Context, c idempotency.Call, id uuid.UUID) error {
	share := r.db.For(c.AccountID).AfterWrite(func() { r.changed(c.AccountID) }).InTurn(turnOf(c.AccountID))
	err := share.WriteTx(ctx, func(ctx context.Context, q db.Querier) error {
		old, err := locked(ctx, q, c.AccountID, id)
		if err != nil {
			return err
		}
		if _, err := q.Exec(ctx, webhookDelete, c.AccountID, id); err != nil {
			return err
		}
		if _, err := q.Exec(ctx, attemptsDelete, c.AccountID, id); err != nil {
			return err
		}
		return writeEvent(ctx, q, c, eventDeleted, id, described(old), image{})
	})
	if err != nil {
		return fmt.Errorf("delete webhook: %w", err)
	}
	return nil
}
