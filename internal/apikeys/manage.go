package apikeys

import (
	"context"
	"errors"
	"time"

	"orgd/internal/db"
	"orgd/internal/idempotency"
	"orgd/internal/uuid"
)

// Call is who asks for a change of an account's keys. The key of the call must still be
// valid. An operator has no key, and may make every change.
type Call struct {
	idempotency.Call

	// Show gets the result before it is committed. If it fails, nothing is changed. It
	// may be nil, and is not called for a repeat.
	Show func(Changed) error
}

// ByOperator returns a call of an operator about an account's keys.
func ByOperator(accountID uuid.UUID) Call {
	return Call{Call: idempotency.Call{AccountID: accountID}}
}

func (c Call) byOperator() bool { return c.KeyID == uuid.UUID{} }

// Changed is the result of a change.
type Changed struct {
	APIKey   APIKey
	Key      Key  // in clear, if one was made; never that of an earlier call
	Replayed bool // it, or the error beside it, is the result of an earlier call
}

// NewAPIKey says what a key to be made is for.
type NewAPIKey struct {
	Description string        // as ValidDescription returns it
	Scopes      []Scope       // at least one, each once
	ExpiresAt   time.Time     // zero: it never expires, or after ExpiresIn
	ExpiresIn   time.Duration // by the database's clock; 0: it never expires, or at ExpiresAt
	RateLimit   *int32        // 0 to MaxRateLimit requests a second, 0 for no limit; nil for the server's own
}

// Changes are what shall be different of a key; nil leaves as it is.
type Changes struct {
	Description *string
	ExpiresAt   *time.Time    // zero: never, or after ExpiresIn
	ExpiresIn   time.Duration // from now by the database's clock; counts if ExpiresAt is zero
	RateLimit   **int32       // as in NewAPIKey
}

// Create makes a key. Changed.Key is not stored. A key that a key makes has the rate
// of its maker, or n.RateLimit if that is lower. Errors: LacksScopeError, ErrTooMany,
// ErrExpiryPast, ErrInvalidKey, ErrUnknownAccount, ErrInProgress, ErrKeyReused,
// ErrUnavailable.
func (r *Repository) Create(ctx context.Context, c Call, n NewAPIKey) (Changed, error) {
	changed, err := r.change(ctx, c, "create key", createRequest(n), func(ctx context.Context, q db.Querier, g grants) (APIKey, Key, error) {
		if err := g.mayGrant(n.Scopes); err != nil {
			return APIKey{}, Key{}, err
		}
		if err := r.makesRoom(ctx, q, c); err != nil {
			return APIKey{}, Key{}, err
		}
		rate := n.RateLimit
		if rate == nil {
			rate = g.rate
		}
		key := NewKey()
		digest := key.Digest()
		made, err := collectOne(q.Query(ctx, apiKeyCreate, c.AccountID, uuid.NewV7(), n.Description, digest[:], key.Hint(), n.Scopes,
			r.limits.handOn(g, rate), orNull(n.ExpiresAt), secondsOrNull(n.ExpiresIn)))
		if errors.Is(err, db.ErrNoRows) {
			err = ErrExpiryPast
		}
		return made, key, err
	})
	if errors.Is(err, db.ErrReference) {
		err = ErrUnknownAccount
	}
	return changed, err
}

// Update changes what a key is called, when it ends, and how often it may be used.
// The end of a key that has ended stays. To move an end the caller needs the key's
// scopes, and to move it later also a rate as high as the key's. Errors: ErrNotFound,
// ErrEnded, ErrExpiryPast, LacksScopeError, ErrExceedsRate, ErrLastManager,
// ErrInvalidKey, ErrInProgress, ErrKeyReused, ErrUnavailable.
func (r *Repository) Update(ctx context.Context, c Call, id uuid.UUID, changes Changes) (Changed, error) {
	request := []any{id, updateRequest(changes)}
	return r.change(ctx, c, "update key", request, func(ctx context.Context, q db.Querier, g grants) (APIKey, Key, error) {
		old, err := read(ctx, q, c.AccountID, id)
		if err != nil {
			return APIKey{}, Key{}, err
		}
		var expires time.Time
		if changes.ExpiresAt != nil {
			expires = *changes.ExpiresAt
			if err := r.mayMoveEnd(ctx, q, c, g, old, expires); err != nil {
				return APIKey{}, Key{}, err
			}
		}
		var rate *int32
		if changes.RateLimit != nil {
			rate = *changes.RateLimit
			if err := r.limits.mayKeep(g, rate); err != nil {
				return APIKey{}, Key{}, err
			}
		}
		updated, err := collectOne(q.Query(ctx, apiKeyUpdate, c.AccountID, id, changes.Description,
			changes.ExpiresAt != nil, orNull(expires), secondsOrNull(changes.ExpiresIn), changes.RateLimit != nil, rate))
		if errors.Is(err, db.ErrNoRows) {
			err = ErrExpiryPast
		}
		return updated, Key{}, err
	})
}

func (r *Repository) mayMoveEnd(ctx context.Context, q db.Querier, c Call, g grants, old presentKey, end time.Time) error {
	if !old.isGood {
		return ErrEnded
	}
	if err := g.mayGrant(old.Scopes); err != nil {
		return err
	}
	switch {
	case isBefore(end, old.ExpiresAt):
		return c.keepsManager(ctx, q, old.ID)
	case isBefore(old.ExpiresAt, end):
		return r.limits.mayKeep(g, old.RateLimit)
	}
	return nil
}

// isBefore compares two ends, of which zero is never.
func isBefore(end, other time.Time) bool {
	return !end.IsZero() && (other.IsZero() || end.Before(other))
}

// keepsManager refuses to end the account's last good key with KeysManage, but to
// an operator: nobody could make another by HTTP.
func (c Call) keepsManager(ctx context.Context, q db.Querier, id uuid.UUID) error {
	if c.byOperator() {
		return nil
	}
	var last bool
	err := q.QueryRow(ctx, apiKeyIsLastManager, c.AccountID, id).Scan(&last)
	if err == nil && last {
		err = ErrLastManager
	}
	return err
}

// Revoke ends a key now. A key that is revoked already stays as it is. Errors:
// ErrNotFound, ErrLastManager, ErrInvalidKey, ErrInProgress, ErrKeyReused,
// ErrUnavailable.
func (r *Repository) Revoke(ctx context.Context, c Call, id uuid.UUID) (Changed, error) {
	return r.change(ctx, c, "revoke key", id, func(ctx context.Context, q db.Querier, _ grants) (APIKey, Key, error) {
		if err := c.keepsManager(ctx, q, id); err != nil {
			return APIKey{}, Key{}, err
		}
		revoked, err := collectOne(q.Query(ctx, apiKeyRevoke, c.AccountID, id))
		if errors.Is(err, db.ErrNoRows) {
			err = ErrNotFound
		}
		return revoked, Key{}, err
	})
}

// Rotate makes a key that does what another does, and lets the other end after
// the overlap (0 to MaxOverlap), unless it ends before. The new one lives as long
// as the other was made for, and has the lower rate of the other's and the caller's.
// Errors: ErrNotFound, ErrEnded, LacksScopeError, ErrTooMany, ErrInvalidKey,
// ErrInProgress, ErrKeyReused, ErrUnavailable.
func (r *Repository) Rotate(ctx context.Context, c Call, id uuid.UUID, overlap time.Duration) (Changed, error) {
	request := []any{id, overlap}
	return r.change(ctx, c, "rotate key", request, func(ctx context.Context, q db.Querier, g grants) (APIKey, Key, error) {
		old, err := read(ctx, q, c.AccountID, id)
		if err != nil {
			return APIKey{}, Key{}, err
		}
		if !old.isGood {
			return APIKey{}, Key{}, ErrEnded
		}
		if err := g.mayGrant(old.Scopes); err != nil {
			return APIKey{}, Key{}, err
		}
		// First, so that without an overlap the number of keys stays.
		if _, err := q.Exec(ctx, apiKeyEnd, c.AccountID, id, overlap.Seconds()); err != nil {
			return APIKey{}, Key{}, err
		}
		if err := r.makesRoom(ctx, q, c); err != nil {
			return APIKey{}, Key{}, err
		}
		key := NewKey()
		digest := key.Digest()
		made, err := collectOne(q.Query(ctx, apiKeyRotate, c.AccountID, id, uuid.NewV7(), digest[:], key.Hint(), r.limits.handOn(g, old.RateLimit)))
		return made, key, err
	})
}

// presentKey is a key as it is in the turn of a change.
type presentKey struct {
	APIKey
	isGood bool
}

func read(ctx context.Context, q db.Querier, accountID, id uuid.UUID) (present presentKey, err error) {
	present.APIKey, err = collectOne(q.Query(ctx, apiKeyGet, accountID, id))
	if errors.Is(err, db.ErrNoRows) {
		return presentKey{}, ErrNotFound
	}
	if err == nil {
		err = q.QueryRow(ctx, apiKeyIsGood, accountID, id).Scan(&present.isGood)
	}
	return present, err
}

func secondsOrNull(d time.Duration) *float64 {
	if d == 0 {
		return nil
	}
	seconds := d.Seconds()
	return &seconds
}

func orNull(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}
