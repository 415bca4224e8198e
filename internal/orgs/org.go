// Package orgs is the domain: organizations, how they are listed, and where
// they are kept.
package orgs

import (
	"errors"
	"time"

	"orgd/internal/db"
	"orgd/internal/uuid"
)

var (
	// ErrInvalidCursor: the cursor was not made by this list with these filters.
	ErrInvalidCursor = errors.New("orgs: invalid cursor")
	// ErrUnavailable: the database cannot be asked now.
	ErrUnavailable = db.ErrUnavailable
)

// Metadata is a JSON object of strings as PostgreSQL writes it, "{}" when empty.
// It is not parsed on its way from the database to the wire.
type Metadata string

// Org is an organization of one account.
type Org struct {
	ID        uuid.UUID
	Name      string
	IsActive  bool
	Metadata  Metadata
	UserCount int32 // the number of members at every commit
	CreatedAt time.Time
	UpdatedAt time.Time

	// Who made it; zero if unknown.
	CreatedByAPIKeyID uuid.UUID
	CreatedByUserID   uuid.UUID
}
