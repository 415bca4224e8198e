package webhooks

import (
	"time"

	"orgd/internal/idempotency"
	"orgd/internal/text"
	"orgd/internal/uuid"
)

// The types in this file define two kinds of JSON: stored results of changes, and
// requests, of which only digests are stored. Version 1 must stay as it is in
// testdata/v1.json; record.go in internal/apikeys says why.

// record is the result of a change, without the secret. It is converted from and to
// Webhook, so a field that only one of them has is a compile error.
type record struct {
	ID          uuid.UUID `json:"ID"`
	URL         string    `json:"URL"`
	Description string    `json:"Description"`
	Types       []string  `json:"Types"`
	CreatedAt   time.Time `json:"CreatedAt"`

	CreatedByAPIKeyID uuid.UUID `json:"CreatedByAPIKeyID"`

	DisabledAt     time.Time `json:"DisabledAt"`
	DisabledReason Reason    `json:"DisabledReason"`
	OldSecretUntil time.Time `json:"OldSecretUntil"`

	Position      int64     `json:"Position"`
	Failures      int       `json:"Failures"`
	FailingSince  time.Time `json:"FailingSince"`
	NextAttemptAt time.Time `json:"NextAttemptAt"`
}

// createRequest has the parameters of a creation.
type createRequest struct {
	URL         string   `json:"URL"`
	Description string   `json:"Description"`
	Types       []string `json:"Types"`
}

// updateRequest has the parameters of an update.
type updateRequest struct {
	ID          uuid.UUID `json:"ID"`
	URL         *string   `json:"URL"`
	Description *string   `json:"Description"`
	Types       *[]string `json:"Types"`
}

// callText returns the text whose digest identifies a call with an idempotency key. The
// request is a createRequest or an updateRequest, the id and the overlap in nanoseconds
// for a rotation, the id and the position for a replay, and otherwise the id.
func callText(c idempotency.Call, request any) ([]byte, error) {
	return text.MarshalJSON([]any{c.KeyID, c.UserID, request})
}
