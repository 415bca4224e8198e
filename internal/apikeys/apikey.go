package apikeys

import (
	"errors"
	"slices"
	"time"

	"orgd/internal/db"
	"orgd/internal/uuid"
)

var (
	// ErrInvalidKey: the key is unknown, malformed, expired or revoked; nobody is
	// told which.
	ErrInvalidKey = errors.New("apikeys: invalid key")
	// ErrNotFound: no key has this id.
	ErrNotFound = errors.New("apikeys: no such key")
	// ErrUnknownAccount: no account has this id.
	ErrUnknownAccount = errors.New("apikeys: no such account")
	// ErrUnavailable: the database cannot be asked; the key may be good.
	ErrUnavailable = db.ErrUnavailable
)

// Scope is a right that a key carries.
type Scope string

// The scopes, as contract and schema name them.
const (
	OrgsRead     Scope = "orgs:read"
	OrgsWrite    Scope = "orgs:write"
	MembersWrite Scope = "members:write"
	KeysManage   Scope = "keys:manage"
	ActAsUser    Scope = "act-as-user"
)

// Scopes lists every scope.
var Scopes = []Scope{OrgsRead, OrgsWrite, MembersWrite, KeysManage, ActAsUser}

// Principal is who a request speaks for. All that it sees belongs to AccountID.
type Principal struct {
	AccountID uuid.UUID
	KeyID     uuid.UUID
	Scopes    []Scope
}

// Has says whether the principal holds the right.
func (p Principal) Has(s Scope) bool { return slices.Contains(p.Scopes, s) }

// APIKey is what is known of a key. Absent times are zero.
type APIKey struct {
	ID          uuid.UUID
	AccountID   uuid.UUID
	Description string
	Hint        string
	Scopes      []Scope
	CreatedAt   time.Time
	ExpiresAt   time.Time
	RevokedAt   time.Time
	LastUsedAt  time.Time
}
