package apikeys

import (
	"time"

	"orgd/internal/text"
	"orgd/internal/uuid"
)

// The types in this file define two kinds of JSON: stored results of changes, and
// requests, of which only digests are stored. During an upgrade, servers of two releases
// read and write the same rows, so version 1 must stay as it is in testdata/v1.json. A
// new format of a result needs a new version (see outcome in internal/idempotency) and a
// new golden file. A new format of a request changes the digests: retries across the
// upgrade would then fail with idempotency.ErrReused.

// record is the result of a change, without the key itself. It is converted from and to
// APIKey, so a field that only one of them has is a compile error.
type record struct {
	ID          uuid.UUID `json:"ID"`
	AccountID   uuid.UUID `json:"AccountID"`
	Description string    `json:"Description"`
	Hint        string    `json:"Hint"`
	Scopes      []Scope   `json:"Scopes"`
	RateLimit   *int32    `json:"RateLimit"`
	CreatedAt   time.Time `json:"CreatedAt"`
	ExpiresAt   time.Time `json:"ExpiresAt"`
	RevokedAt   time.Time `json:"RevokedAt"`
	LastUsedAt  time.Time `json:"LastUsedAt"`

	CreatedByAPIKeyID uuid.UUID `json:"CreatedByAPIKeyID"`
}

// createRequest has the parameters of a creation.
type createRequest struct {
	Description string        `json:"Description"`
	Scopes      []Scope       `json:"Scopes"`
	ExpiresAt   time.Time     `json:"ExpiresAt"`
	ExpiresIn   time.Duration `json:"ExpiresIn"` // in nanoseconds
	RateLimit   *int32        `json:"RateLimit"`
}

func newCreateRequest(n NewAPIKey) createRequest {
	return createRequest{n.Description, n.Scopes, n.Expiry.at, n.Expiry.after, n.RateLimit}
}

// updateRequest has the parameters of an update. It does not distinguish an unchanged
// rate limit from a change to the server's default.
type updateRequest struct {
	Description *string       `json:"Description"`
	ExpiresAt   *time.Time    `json:"ExpiresAt"`
	ExpiresIn   time.Duration `json:"ExpiresIn"` // in nanoseconds
	RateLimit   *int32        `json:"RateLimit"`
}

func newUpdateRequest(c Changes) updateRequest {
	request := updateRequest{Description: c.Description, RateLimit: c.RateLimit.value}
	if c.Expiry != nil {
		request.ExpiresAt, request.ExpiresIn = &c.Expiry.at, c.Expiry.after
	}
	return request
}

// callText returns the text whose digest identifies a call with an idempotency key. The
// request is a createRequest for a creation, the id and an updateRequest for an update,
// the id and the overlap in nanoseconds for a rotation, and the id for a revocation.
func callText(c Call, request any) ([]byte, error) {
	return text.MarshalJSON([]any{c.KeyID, c.UserID, request})
}
