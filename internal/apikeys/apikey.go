package apikeys

import (
	"time"

	"orgd/internal/uuid"
)

// APIKey is the record of a key, without the key itself. Absent times are zero.
type APIKey struct {
	ID          uuid.UUID
	AccountID   uuid.UUID
	Description string
	Hint        string
	Scopes      []Scope
	RateLimit   *int32 // requests per second; 0 for no limit; nil for the server's default
	CreatedAt   time.Time
	ExpiresAt   time.Time
	RevokedAt   time.Time
	LastUsedAt  time.Time
}
