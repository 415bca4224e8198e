package webhooks

import (
	"context"
	"fmt"

	"orgd/internal/db"
	"orgd/internal/events"
	"orgd/internal/idempotency"
	"orgd/internal/uuid"
)

// NewWebhook describes an endpoint to create.
type NewWebhook struct {
	URL         string   // one that CheckURL accepts
	Description string   // as ValidDescription returns it
	Types       []string // at most MaxTypes of events.Types, each once; empty for all
}

const accountLock = `
SELECT
FROM accounts
WHERE id = $1
FOR NO KEY UPDATE`

const webhookCount = `
SELECT count(*)
FROM webhooks
WHERE account_id = $1`

const webhookCreate = `
INSERT INTO webhooks (account_id, id, url, description, types, secret, position, mark, created_by_api_key_id)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
RETURNING ` + webhookColumns

// Create creates an endpoint. The endpoint gets the events that are written from now on.
// Errors: ErrTooMany, ErrUnavailable, and those of idempotency.Once.
func (r *Repository) Create(ctx context.Context, c idempotency.Call, n NewWebhook) (Changed, error) {
	// Find the end of the feed before the transaction, so that an event that commits in
	// between is delivered too.
	now, err := r.feed.Read(ctx, c.AccountID, events.Params{Limit: 1, Cursor: events.Now})
	if err != nil {
		return Changed{}, fmt.Errorf("create webhook: %w", err)
	}
	types := n.Types
	if types == nil {
		types = []string{}
	}
	return r.change(ctx, c, "create webhook", createRequest(n), func(ctx context.Context, q db.Querier) (Webhook, *Secret, error) {
		if err := r.checkLimit(ctx, q, c.AccountID); err != nil {
			return Webhook{}, nil, err
		}
		secret := newSecret()
		created, err := oneWebhook(q.Query(ctx, webhookCreate, c.AccountID, uuid.NewV7(), n.URL, n.Description, types, secret.key,
			now.Last.Position, now.Last.ID[:], db.OrNull(c.KeyID)))
		if err == nil {
			err = writeEvent(ctx, q, c, eventCreated, created.ID, image{}, described(created))
		}
		return created, &secret, err
	})
}

// checkLimit returns ErrTooMany if the account has the maximum number of endpoints. The
// account's row is locked, so that the count is exact.
func (r *Repository) checkLimit(ctx context.Context, q db.Querier, accountID uuid.UUID) error {
	if _, err := q.Exec(ctx, accountLock, accountID); err != nil || r.limit == 0 {
		return err
	}
	var count int
	err := q.QueryRow(ctx, webhookCount, accountID).Scan(&count)
	if err == nil && count >= r.limit {
		err = ErrTooMany
	}
	return err
}
