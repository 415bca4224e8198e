package apikeys

import (
	"errors"

	"orgd/internal/db"
)

var (
	// ErrInvalidKey means that the key is unknown, malformed, expired or revoked, or that
	// its account is suspended. Clients are not told which.
	ErrInvalidKey = errors.New("apikeys: invalid key")
	// ErrNotFound means that no key of the account has this id.
	ErrNotFound = errors.New("apikeys: no such key")
	// ErrInvalidCursor means that the cursor does not belong to this list.
	ErrInvalidCursor = errors.New("apikeys: invalid cursor")
	// ErrExpiryPast means that the expiry is in the past, by the database's clock.
	ErrExpiryPast = errors.New("apikeys: the expiry is in the past")
	// ErrEnded means that the key is revoked or expired.
	ErrEnded = errors.New("apikeys: the key is revoked or expired")
	// ErrRotated means that a rotation has replaced the key, so only an operator can change
	// its expiry.
	ErrRotated = errors.New("apikeys: the key was rotated")
	// ErrLastManager means that no other active key of the account can manage its keys.
	ErrLastManager = errors.New("apikeys: this is the last key that can manage keys")
	// ErrTooMany means that the account has the maximum number of active keys.
	ErrTooMany = errors.New("apikeys: too many keys")
	// ErrExceedsRate means that the key has a higher rate than the caller's key.
	ErrExceedsRate = errors.New("apikeys: the rate is higher than that of the caller's key")
	// ErrExceedsLife means that the key would end later than the caller's key.
	ErrExceedsLife = errors.New("apikeys: the key would outlive the caller's key")
	// ErrUnknownAccount means that no account has this id.
	ErrUnknownAccount = errors.New("apikeys: no such account")
	// ErrOtherAccount means that the key to register belongs to another account.
	ErrOtherAccount = errors.New("apikeys: the key belongs to another account")
	// ErrUnavailable means that the database cannot be reached. The key may be valid.
	ErrUnavailable = db.ErrUnavailable
)
