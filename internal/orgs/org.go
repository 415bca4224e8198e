// Package orgs is the domain: organizations and their members, the lists of them, and
// the repository that stores them in PostgreSQL.
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
	// ErrInvalidCursor means that the cursor is not from this list with these filters.
	ErrInvalidCursor = errors.New("orgs: invalid cursor")
	// ErrNotFound means that the account has no organization with this id.
	ErrNotFound = errors.New("orgs: no such organization")
	// ErrInactive means that the organization is deactivated and takes no new members.
	ErrInactive = errors.New("orgs: organization is deactivated")
	// ErrVersion means that the organization's version is not one of those that the change
	// is for. The error is a VersionError.
	ErrVersion = errors.New("orgs: version does not match")
	// ErrInProgress means that an earlier identical call is still running.
	ErrInProgress = idempotency.ErrInProgress
	// ErrKeyReused means that the idempotency key belongs to a different call.
	ErrKeyReused = idempotency.ErrReused
	// ErrUnavailable means that the database is unavailable.
	ErrUnavailable = db.ErrUnavailable
)

// VersionError is an ErrVersion with the organization's present version.
type VersionError struct {
	Current int64 // 0 in the replay of a result that an earlier release stored
}

func (e VersionError) Error() string { return ErrVersion.Error() }

// Is reports whether target is ErrVersion.
func (e VersionError) Is(target error) bool { return target == ErrVersion }

// Metadata is a JSON object of strings as PostgreSQL writes it, "{}" when empty. It goes
// from the database to the response without being parsed.
type Metadata string

// encodeMetadata returns a JSON object for PostgreSQL, with sorted keys.
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

	// The API key and the user that created it; zero if unknown.
	CreatedByAPIKeyID uuid.UUID
	CreatedByUserID   uuid.UUID

	// Version rises with every change. Lists leave it zero.
	Version int64
}
