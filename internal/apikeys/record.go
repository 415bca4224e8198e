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
// digests: repeats across the upgrade would then fail with ErrKeyReused.

// record is the result of a change, without the key itself. It is converted from
// APIKey and to it, so a change of that type does not compile until this one is looked
// at.
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
}

// createRequest is a NewAPIKey.
type createRequest struct {
	Description string        `json:"Description"`
	Scopes      []Scope       `json:"Scopes"`
	ExpiresAt   time.Time     `json:"ExpiresAt"`
	ExpiresIn   time.Duration `json:"ExpiresIn"` // in nanoseconds
	RateLimit   *int32        `json:"RateLimit"`
}

// updateRequest is Changes.
type updateRequest struct {
	Description *string       `json:"Description"`
	ExpiresAt   *time.Time    `json:"ExpiresAt"`
	ExpiresIn   time.Duration `json:"ExpiresIn"` // in nanoseconds
	RateLimit   **int32       `json:"RateLimit"`
}

// callText returns the text that a keyed call is compared by. The request of an update
// is the id and an updateRequest, of a rotation the id and the overlap in nanoseconds,
// and of a revocation the id.
func callText(c Call, request any) ([]byte, error) {
	return json.Marshal([]any{c.KeyID, c.UserID, request})
}
