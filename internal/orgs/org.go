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
	// ErrNotMember means that the user is not a member of the organization.
	ErrNotMember = errors.New("orgs: no such member")
	// ErrInactive means that the organization is deactivated and takes no new members.
	ErrInactive = errors.New("orgs: organization is deactivated")
	// ErrExternalIDTaken means that another organization of the account has the external
	// id. The error is an ExternalIDTakenError.
	ErrExternalIDTaken = errors.New("orgs: external id is taken")
	// ErrTooManyPairs means that the metadata would have more than MaxMetadataPairs.
	ErrTooManyPairs = errors.New("orgs: too many metadata pairs")
	// ErrActive means that the organization is active, so it cannot be deleted.
	ErrActive = errors.New("orgs: organization is active")
	// ErrRevision means that the organization's revision is not the one that the change is
	// for. The error is a RevisionError.
	ErrRevision = errors.New("orgs: revision does not match")
	// ErrVersion means that the organization's version is not one of those that the change is for.
	// The error is a VersionError.
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

// RevisionError is an ErrRevision with the organization's present revision and version.
type RevisionError struct{ Current, Version int64 }

func (e RevisionError) Error() string { return ErrRevision.Error() }

// Is reports whether target is ErrRevision.
func (e RevisionError) Is(target error) bool { return target == ErrRevision }

// ExternalIDTakenError is an ErrExternalIDTaken with the organization that has the id.
type ExternalIDTakenError struct{ OrgID uuid.UUID }

func (e ExternalIDTakenError) Error() string { return ErrExternalIDTaken.Error() }

// Is reports whether target is ErrExternalIDTaken.
func (e ExternalIDTakenError) Is(target error) bool { return target == ErrExternalIDTaken }

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

	// The API key and the user that created it; zero and empty if unknown.
	CreatedByAPIKeyID uuid.UUID
	CreatedByUserID   string

	ExternalID string // the client's id for the organization; empty for none
	Revision   int64  // rises with every change of the fields, but not of the members

	// Version rises with every change of the fields or members. Lists leave it zero.
	Version int64
}

// Membership is a user's part in an organization.
type Membership struct {
	Roles   []string // sorted; orgd gives them no meaning
	AddedAt time.Time
}
