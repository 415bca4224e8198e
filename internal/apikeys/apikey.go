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
	RateLimit   *int32 // requests per second; 0 for no limit, nil for the server's default
	CreatedAt   time.Time
	ExpiresAt   time.Time
	RevokedAt   time.Time
	LastUsedAt  time.Time
	// CreatedByAPIKeyID is the key that created this one, or zero if an operator did.
	CreatedByAPIKeyID uuid.UUID
}

// Expiry is when a key expires. The zero value means never.
type Expiry struct {
	at    time.Time
	after time.Duration // from now, by the database's clock
}

// ExpiresAt returns an expiry at a time.
func ExpiresAt(at time.Time) Expiry { return Expiry{at: at} }

// ExpiresIn returns an expiry a duration from now, by the database's clock.
func ExpiresIn(after time.Duration) Expiry { return Expiry{after: after} }

// params returns the parameters of a statement: a time, and a number of seconds from now.
// At most one of them is not NULL.
func (e Expiry) params() (at *time.Time, seconds *float64) {
	if !e.at.IsZero() {
		at = &e.at
	}
	if e.after != 0 {
		s := e.after.Seconds()
		seconds = &s
	}
	return at, seconds
}

// from returns the time at which a key expires, where now is the database's time. Zero
// means never.
func (e Expiry) from(now time.Time) time.Time {
	if e.after != 0 {
		return now.Add(e.after)
	}
	return e.at
}
