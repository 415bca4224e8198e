package webhooks

import (
	"context"
	"fmt"

	"orgd/internal/db"
	"orgd/internal/uuid"
)

const webhooksMissing = `
SELECT count(id)
FROM webhooks
WHERE account_id = $1 AND position >= $2 AND position < $3`

// Missing returns how many of the account's endpoints, enabled or not, had not received
// one of the events with positions greater than after and at most upTo. If Missing is called
// after each deletion of old events, it counts each endpoint once.
func (r *Repository) Missing(ctx context.Context, accountID uuid.UUID, after, upTo int64) (n int, err error) {
	err = r.db.For(accountID).Read(ctx, func(ctx context.Context, q db.Querier) error {
		return q.QueryRow(ctx, webhooksMissing, accountID, after, upTo).Scan(&n)
	})
	if err != nil {
		return 0, fmt.Errorf("count webhooks that had not received deleted events: %w", err)
	}
	return n, nil
}
