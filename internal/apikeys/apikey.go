package apikeys

import (
	"errors"
	"slices"
	"time"

	"orgd/internal/db"
	"orgd/internal/idempotency"
	"orgd/internal/uuid"
)

var (
	// ErrInvalidKey: the key is unknown, malformed, expired or revoked; nobody is
	// told which.
	ErrInvalidKey = errors.New("apikeys: invalid key")
	// ErrNotFound: no key of the account has this id.
	ErrNotFound = errors.New("apikeys: no such key")
	// ErrInvalidCursor: the cursor is not of this list.
	ErrInvalidCursor = errors.New("apikeys: invalid cursor")
	// ErrExpiryPast: the key would end before it begins, by the database's clock.
	ErrExpiryPast = errors.New("apikeys: expiry in the past")
	// ErrEnded: the key is revoked or expired.
	ErrEnded = errors.New("apikeys: the key has ended")
	// ErrLastManager: no other key of the account can manage its keys.
	ErrLastManager = errors.New("apikeys: the last key that manages keys")
	// ErrTooMany: the account has as many good keys as it can have.
	ErrTooMany = errors.New("apikeys: too many keys")
	// ErrExceedsRate: the key has a higher rate than the caller, who would keep it.
	ErrExceedsRate = errors.New("apikeys: a higher rate than the caller's")
	// ErrInProgress: the first call with this idempotency key still runs.
	ErrInProgress = idempotency.ErrInProgress
	// ErrKeyReused: the idempotency key has named another call before.
	ErrKeyReused = idempotency.ErrReused
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
	RateLimit *int32 // requests a second; 0 for no limit; nil for the server's own
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
	RateLimit   *int32 // requests a second; 0 for no limit; nil for the server's own
	CreatedAt   time.Time
	ExpiresAt   time.Time
	RevokedAt   time.Time
	LastUsedAt  time.Time
}
