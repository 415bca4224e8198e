package webhooks

import (
	"context"
	"net/url"

	"orgd/internal/db"
	"orgd/internal/idempotency"
	"orgd/internal/text"
	"orgd/internal/uuid"
)

// The types of events about endpoints. A worker that disables an endpoint writes
// webhook.disabled too; see migration 00015.
const (
	eventCreated       = "webhook.created"
	eventUpdated       = "webhook.updated"
	eventSecretRotated = "webhook.secret_rotated"
	eventEnabled       = "webhook.enabled"
	eventDisabled      = "webhook.disabled"
	eventReplayed      = "webhook.replayed"
	eventDeleted       = "webhook.deleted"
)

const webhookEvent = `
INSERT INTO events (account_id, type, webhook_id, before, after, actor_api_key_id, actor_user_id, request_id, occurred_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, clock_timestamp())`

// image is the part of an endpoint that an event records. The fields are named as in the
// API.
type image struct {
	URL            string   `json:"url,omitzero"`
	Description    string   `json:"description,omitzero"`
	Types          []string `json:"types,omitempty"`
	IsEnabled      *bool    `json:"isEnabled,omitzero"`
	DisabledReason Reason   `json:"disabledReason,omitzero"`
	Position       *int64   `json:"position,omitzero"`
}

// writeEvent records a change of an endpoint in the transaction of the change.
func writeEvent(ctx context.Context, q db.Querier, c idempotency.Call, kind string, id uuid.UUID, before, after image) error {
	was, err := text.MarshalJSON(before)
	if err != nil {
		return err
	}
	is, err := text.MarshalJSON(after)
	if err != nil {
		return err
	}
	_, err = q.Exec(ctx, webhookEvent, c.AccountID, kind, id, string(was), string(is), db.OrNull(c.KeyID), db.OrNull(c.UserID), c.RequestID)
	return err
}

// described returns the image of the fields that the client chose.
func described(w Webhook) image {
	return image{URL: withoutPath(w.URL), Description: w.Description, Types: w.Types}
}

// withoutPath returns a URL with … in place of its path and query, which often contain a
// secret. A client that may read events must not learn this secret.
func withoutPath(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return "…"
	}
	short := u.Scheme + "://" + u.Host + "/"
	if short == address || short == address+"/" {
		return address
	}
	return short + "…"
}
