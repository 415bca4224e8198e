package webhooks

import (
	"context"
	"slices"

	"orgd/internal/db"
	"orgd/internal/idempotency"
	"orgd/internal/uuid"
)

// Changes are the fields of an endpoint to change. Nil leaves a field unchanged.
type Changes struct {
	URL         *string // see NewWebhook for the values
	Description *string
	Types       *[]string
}

// A new URL starts a new generation, so that the next event goes to it. The new URL is
// tried at once, even if the previous one failed.
const webhookUpdate = `
UPDATE webhooks
SET url = $3, description = $4, types = $5,
    generation = generation + (url <> $3)::integer,
    failures = CASE WHEN url = $3 THEN failures ELSE 0 END,
    failing_since = CASE WHEN url = $3 THEN failing_since END,
    due_at = CASE WHEN url = $3 OR due_at IS NULL THEN due_at ELSE now() END,
    version = version + 1
WHERE account_id = $1 AND id = $2
RETURNING ` + webhookColumns

// Update changes an endpoint. Errors: ErrNotFound, ErrUnavailable, and those of
// idempotency.Once.
func (r *Repository) Update(ctx context.Context, c idempotency.Call, id uuid.UUID, changes Changes) (Changed, error) {
	request := updateRequest{id, changes.URL, changes.Description, changes.Types}
	return r.change(ctx, c, "update webhook", request, func(ctx context.Context, q db.Querier) (Webhook, *Secret, error) {
		old, err := locked(ctx, q, c.AccountID, id)
		if err != nil {
			return Webhook{}, nil, err
		}
		wanted := changes.apply(old)
		if isSame(old, wanted) {
			return old, nil, nil
		}
		updated, err := oneWebhook(q.Query(ctx, webhookUpdate, c.AccountID, id, wanted.URL, wanted.Description, wanted.Types))
		if err != nil {
			return Webhook{}, nil, err
		}
		before, after := differences(old, updated)
		return updated, nil, writeEvent(ctx, q, c, eventUpdated, id, before, after)
	})
}

func (c Changes) apply(w Webhook) Webhook {
	if c.URL != nil {
		w.URL = *c.URL
	}
	if c.Description != nil {
		w.Description = *c.Description
	}
	if c.Types != nil {
		w.Types = append([]string{}, *c.Types...)
	}
	return w
}

func isSame(a, b Webhook) bool {
	return a.URL == b.URL && a.Description == b.Description && slices.Equal(a.Types, b.Types)
}

// differences returns the fields in which two endpoints differ.
func differences(from, to Webhook) (before, after image) {
	before, after = described(from), described(to)
	if from.URL == to.URL {
		before.URL, after.URL = "", ""
	}
	if from.Description == to.Description {
		before.Description, after.Description = "", ""
	}
	if slices.Equal(from.Types, to.Types) {
		before.Types, after.Types = nil, nil
	}
	return before, after
}
