// Package orgs is the domain of orgd: organizations and their members. It lists and
// changes them, and stores them in PostgreSQL.
package orgs

import (
	"errors"
	"time"

	"orgd/internal/db"
	"orgd/internal/idempotency"
	"orgd/internal/text"
	"orgd/internal/uuid"
)

var (
	// ErrInvalidCursor means that the cursor is not from this list with these filters.
	ErrInvalidCursor = errors.New("orgs: invalid cursor")
	// ErrTooManyToSort means that List would have to sort more than MaxSorted organizations
	// by name.
	ErrTooManyToSort = errors.New("orgs: too many organizations to sort")
	// ErrNotFound means that the account has no organization with this id.
	ErrNotFound = errors.New("orgs: no such organization")
	// ErrNotMember means that the user is not a member of the organization.
	ErrNotMember = errors.New("orgs: no such member")
	// ErrInactive means that the organization is deactivated and takes no new members.
	ErrInactive = errors.New("orgs: organization is deactivated")
	// ErrExternalIDTaken means that another organization of the account has the external
	// id. The error is an ExternalIDTakenError.
	ErrExternalIDTaken = errors.New("orgs: external id is taken")
	// ErrOrgIDTaken means that the account has an organization with the id, or had one that
	// was deleted.
	ErrOrgIDTaken = errors.New("orgs: id is taken")
	// ErrFuture means that the creation time is in the future.
	ErrFuture = errors.New("orgs: creation time is in the future")
	// ErrTooManyPairs means that the metadata would have more than MaxMetadataPairs pairs.
	ErrTooManyPairs = errors.New("orgs: too many metadata pairs")
	// ErrActive means that the organization is active, so it cannot be deleted.
	ErrActive = errors.New("orgs: organization is active")
	// ErrRevision means that the organization's revision is not the one that the change
	// requires. The error is a RevisionError.
	ErrRevision = errors.New("orgs: revision does not match")
	// ErrVersion means that the organization's version is not one of those for which the
	// change is allowed. The error is a VersionError.
	ErrVersion = errors.New("orgs: version does not match")
	// ErrInProgress means that an earlier identical call is still running.
	ErrInProgress = idempotency.ErrInProgress
	// ErrKeyReused means that the idempotency key belongs to a different call.
	ErrKeyReused = idempotency.ErrReused
	// ErrBatchIncomplete means that the first call with the idempotency key created an
	// organization that has since been deleted, so its result cannot be returned again.
	ErrBatchIncomplete = idempotency.ErrIncomplete
	// ErrUnavailable means that the database is unavailable.
	ErrUnavailable = db.ErrUnavailable
)

// VersionError is an ErrVersion with the organization's current version.
type VersionError struct {
	Current int64 // 0 if an earlier release stored the replayed result
}

func (e VersionError) Error() string { return ErrVersion.Error() }

// Is reports whether target is ErrVersion.
func (e VersionError) Is(target error) bool { return target == ErrVersion }

// RevisionError is an ErrRevision with the organization's current revision and version.
type RevisionError struct{ Current, Version int64 }

func (e RevisionError) Error() string { return ErrRevision.Error() }

// Is reports whether target is ErrRevision.
func (e RevisionError) Is(target error) bool { return target == ErrRevision }

// ExternalIDTakenError is an ErrExternalIDTaken with the organization that has the id.
type ExternalIDTakenError struct{ OrgID uuid.UUID }

func (e ExternalIDTakenError) Error() string { return ErrExternalIDTaken.Error() }

// Is reports whether target is ErrExternalIDTaken.
func (e ExternalIDTakenError) Is(target error) bool { return target == ErrExternalIDTaken }

// Metadata is a JSON object of strings as PostgreSQL writes it, "{}" when empty. It is
// copied from the database to the response without being parsed.
type Metadata string

// encodeMetadata returns a JSON object for PostgreSQL, with sorted keys.
func encodeMetadata(m map[string]string) (string, error) {
	if len(m) == 0 {
		return "{}", nil
	}
	encoded, err := text.MarshalJSON(m)
	return string(encoded), err
}

// Org is an organization of one account.
type Org struct {
	ID        uuid.UUID
	Name      string
	IsActive  bool
	Metadata  Metadata
	UserCount int32 // the number of members; changes of members update it in the same transaction
	CreatedAt time.Time
	UpdatedAt time.Time

	// The API key and the user that created the organization; zero and empty if unknown.
	CreatedByAPIKeyID uuid.UUID
	CreatedByUserID   string

	ExternalID string // the client's id for the organization; empty for none
	Revision   int64  // rises with every change of the fields, but not of the members

	// Version rises with every change of the fields or members. Lists leave it zero.
	Version int64
}

// Membership has the details of a user's membership in an organization.
type Membership struct {
	Roles   []string // sorted; orgd gives them no meaning
	AddedAt time.Time
}
