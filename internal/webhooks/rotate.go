package webhooks

import (
	"context"
	"time"

	"orgd/internal/db"
	"orgd/internal/idempotency"
	"orgd/internal/uuid"
)

const webhookRotate = `
UPDATE webhooks
SET secret = $3,
    old_secret = CASE WHEN $4::float8 > 0 THEN secret END,
    old_secret_until = CASE WHEN $4::float8 > 0 THEN now() + make_interval(secs => $4::float8) END,
    version = version + 1
WHERE account_id = $1 AND id = $2
RETURNING ` + webhookColumns

// RotateSecret gives an endpoint a new secret. Until the end of the overlap (0 to
// MaxOverlap), events are signed with the previous secret too. A secret that was still in
// the overlap of an earlier rotation is no longer used. Errors: ErrNotFound,
// ErrUnavailable, and those of idempotency.Once.
func (r *Repository) RotateSecret(ctx context.Context, c idempotency.Call, id uuid.UUID, overlap time.Duration) (Changed, error) {
	request := []any{id, overlap}
	return r.change(ctx, c, "rotate secret", request, func(ctx context.Context, q db.Querier) (Webhook, *Secret, error) {
		secret := newSecret()
		rotated, err := oneWebhook(q.Query(ctx, webhookRotate, c.AccountID, id, secret.key, overlap.Seconds()))
		if err == nil {
			err = writeEvent(ctx, q, c, eventSecretRotated, id, image{}, image{})
		}
		return rotated, &secret, err
	})
}
