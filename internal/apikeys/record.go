package apikeys

import (
	"encoding/json"
	"time"

	"orgd/internal/uuid"
)

// The types in this file name each field of the JSON that is stored for a change and
// for its repeats. During an upgrade other releases read and write the same rows, so
// version 1 stays as testdata/v1.json has it. A new format of a record needs a new
// version (see idempotency.Once) and a new file. A new format of a request changes the
// digests: repeats across the upgrade would then fail with idempotency.ErrReused.

// record is the result of a change, without the key itself. It is converted from and to
// APIKey, so a field that only one of them has does not compile.
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

// createRequest is everything that a creation asks for.
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

// updateRequest is everything that an update asks for. It does not distinguish an
// unchanged rate limit from the server's default.
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
	return json.Marshal([]any{c.KeyID, c.UserID, request})
}
