// Package orgs is the domain: organizations, how they are listed, and where
// they are kept.
package orgs

import (
	"encoding/json"
	"errors"
	"time"

	"orgd/internal/db"
	"orgd/internal/idempotency"
	"orgd/internal/uuid"
)

var (
	// ErrInvalidCursor: the cursor was not made by this list with these filters.
	ErrInvalidCursor = errors.New("orgs: invalid cursor")
	// ErrNotFound: the account has no organization of this id.
	ErrNotFound = errors.New("orgs: no such organization")
	// ErrInactive: the organization is deactivated and takes no new member.
	ErrInactive = errors.New("orgs: organization is deactivated")
	// ErrVersion: the organization has another version than the change is meant for.
	// It comes as a VersionError.
	ErrVersion = errors.New("orgs: another version")
	// ErrInProgress: the call that this one repeats still runs.
	ErrInProgress = idempotency.ErrInProgress
	// ErrKeyReused: the idempotency key has named another call before.
	ErrKeyReused = idempotency.ErrReused
	// ErrUnavailable: the database cannot be asked now.
	ErrUnavailable = db.ErrUnavailable
)

// VersionError is an ErrVersion with the version that the organization has.
type VersionError struct {
	Current int64 // 0 in the replay of a result that an earlier release stored
}

func (e VersionError) Error() string { return ErrVersion.Error() }

// Is makes it an ErrVersion.
func (e VersionError) Is(target error) bool { return target == ErrVersion }

// Metadata is a JSON object of strings as PostgreSQL writes it, "{}" when empty.
// It is not parsed on its way from the database to the wire.
type Metadata string

// encodeMetadata writes a JSON object for PostgreSQL, its keys in order.
func encodeMetadata(m map[string]string) (string, error) {
	if len(m) == 0 {
		return "{}", nil
	}
	text, err := json.Marshal(m)
	return string(text), err
}

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

	// Version rises with every change. A list leaves it zero.
	Version int64
}
