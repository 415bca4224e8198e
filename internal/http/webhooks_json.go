package http

import (
	"orgd/internal/uuid"
	"orgd/internal/webhooks"
	"orgd/internal/wire"
)

// webhook is the JSON object of an endpoint. Secret is present only in the response to the
// call that created the secret.
type webhook struct {
	WebhookID   string   `json:"webhookId"`
	URL         string   `json:"url"`
	Description string   `json:"description"`
	Types       []string `json:"types,omitempty"`
	IsEnabled   bool     `json:"isEnabled"`

	DisabledAt     *wire.Time      `json:"disabledAt,omitempty"`
	DisabledReason webhooks.Reason `json:"disabledReason,omitempty"`

	Position      int64      `json:"position"`
	Failures      int        `json:"failures"`
	FailingSince  *wire.Time `json:"failingSince,omitempty"`
	NextAttemptAt *wire.Time `json:"nextAttemptAt,omitempty"`

	CreatedAt               wire.Time  `json:"createdAt"`
	CreatedByAPIKeyID       uuid.UUID  `json:"createdByApiKeyId,omitzero"`
	PreviousSecretExpiresAt *wire.Time `json:"previousSecretExpiresAt,omitempty"`
	Secret                  string     `json:"secret,omitempty"`
}

func newWebhook(w webhooks.Webhook) webhook {
	return webhook{
		WebhookID:   webhooks.FormatID(w.ID),
		URL:         w.URL,
		Description: w.Description,
		Types:       w.Types,
		IsEnabled:   w.DisabledAt.IsZero(),

		DisabledAt:     wire.OptionalTime(w.DisabledAt),
		DisabledReason: w.DisabledReason,

		Position:      w.Position,
		Failures:      w.Failures,
		FailingSince:  wire.OptionalTime(w.FailingSince),
		NextAttemptAt: wire.OptionalTime(w.NextAttemptAt),

		CreatedAt:               wire.Time(w.CreatedAt),
		CreatedByAPIKeyID:       w.CreatedByAPIKeyID,
		PreviousSecretExpiresAt: wire.OptionalTime(w.OldSecretUntil),
	}
}

// webhookPage is a page of the endpoints of an account.
type webhookPage struct {
	HasMore  bool      `json:"hasMore"`
	Webhooks []webhook `json:"webhooks"`
	Cursor   string    `json:"cursor,omitempty"`
}

func newWebhookPage(p webhooks.Page) webhookPage {
	page := webhookPage{HasMore: p.Cursor != "", Webhooks: make([]webhook, 0, len(p.Webhooks)), Cursor: p.Cursor}
	for _, w := range p.Webhooks {
		page.Webhooks = append(page.Webhooks, newWebhook(w))
	}
	return page
}

// attempt is the JSON object of an attempt. It has no position if it was a test, no status
// if there was no response, and no error if the event was delivered.
type attempt struct {
	AttemptedAt  wire.Time        `json:"attemptedAt"`
	EventID      string           `json:"eventId"`
	Type         string           `json:"type"`
	Position     int64            `json:"position,omitzero"`
	Status       int              `json:"status,omitzero"`
	Milliseconds int64            `json:"milliseconds"`
	Error        webhooks.Failure `json:"error,omitzero"`
}

func newAttempt(a webhooks.Attempt) attempt {
	return attempt{
		AttemptedAt: wire.Time(a.At), EventID: a.EventID.String(), Type: a.Type, Position: a.Position,
		Status: a.Status, Milliseconds: a.Took.Milliseconds(), Error: a.Failure,
	}
}

// attemptList has the last attempts of an endpoint, newest first.
type attemptList struct {
	Attempts []attempt `json:"attempts"`
}

func newAttemptList(found []webhooks.Attempt) attemptList {
	list := attemptList{Attempts: make([]attempt, 0, len(found))}
	for _, a := range found {
		list.Attempts = append(list.Attempts, newAttempt(a))
	}
	return list
}
