package apikeys

import (
	"context"
	"errors"
	"time"

	"orgd/internal/db"
	"orgd/internal/uuid"
)

// $4 is whether the expiry changes: to $5, to $6 seconds from now, or to never. $7 is
// whether the rate limit changes to $8. apiKeyUpdate returns no row if the expiry is in
// the past.
const apiKeyUpdate = `
UPDATE api_keys
SET description = coalesce($3, description),
    expires_at = CASE WHEN $4 THEN given.expires_at ELSE api_keys.expires_at END,
    lifetime = CASE WHEN $4 THEN given.expires_at - now() ELSE lifetime END,
    rate_limit = CASE WHEN $7 THEN $8 ELSE rate_limit END
FROM (SELECT coalesce($5::timestamptz, now() + make_interval(secs => $6::float8)) AS expires_at) AS given
WHERE account_id = $1 AND id = $2 AND (given.expires_at IS NULL OR given.expires_at > now())
RETURNING id, account_id, description, hint, scopes, rate_limit, created_at, api_keys.expires_at, revoked_at, last_used_at, created_by_api_key_id`

// Changes are the fields of a key to change. Nil and the zero Optional leave a field
// unchanged.
type Changes struct {
	Description *string // as ValidDescription returns it
	Expiry      *Expiry
	RateLimit   Optional[*int32] // as in NewAPIKey
}

// Optional is a value that may be absent. For a pointer type, absent and nil are
// different.
type Optional[T any] struct {
	value     T
	isPresent bool
}

// Some returns an Optional that has the value.
func Some[T any](value T) Optional[T] { return Optional[T]{value: value, isPresent: true} }

// Update changes a key's description, expiry and rate limit. The expiry of a key that has
// ended cannot change, and only an operator can change that of a rotated key.
//
// To change an expiry, the caller's key must have all scopes of the key and must not end
// before the new expiry. To move an expiry later, the rate of the caller's key must also
// be at least as high as the key's.
//
// Errors: ErrNotFound, ErrEnded, ErrRotated, ErrExpiryPast, LacksScopeError,
// ErrExceedsLife, ErrExceedsRate, ErrLastManager, ErrInvalidKey, ErrUnavailable, and
// those of idempotency.Once.
func (r *Repository) Update(ctx context.Context, c Call, id uuid.UUID, changes Changes) (Changed, error) {
	request := []any{id, newUpdateRequest(changes)}
	return r.change(ctx, c, "update key", request, func(ctx context.Context, q db.Querier, g grants) (APIKey, Key, error) {
		old, err := read(ctx, q, c.AccountID, id)
		if err != nil {
			return APIKey{}, Key{}, err
		}
		var expiry Expiry
		moves := false
		if changes.Expiry != nil {
			expiry = *changes.Expiry
			end := expiry.from(g.now)
			moves = !end.Equal(old.ExpiresAt)
			if err := r.checkNewExpiry(ctx, q, c, g, old, end); err != nil {
				return APIKey{}, Key{}, err
			}
		}
		rate := changes.RateLimit
		if rate.isPresent {
			if err := r.limits.checkRate(g, rate.value); err != nil {
				return APIKey{}, Key{}, err
			}
		}
		at, seconds := expiry.params()
		updated, err := collectOne(q.Query(ctx, apiKeyUpdate, c.AccountID, id, changes.Description,
			moves, at, seconds, rate.isPresent, rate.value))
		if errors.Is(err, db.ErrNoRows) {
			err = ErrExpiryPast
		}
		if err == nil {
			err = c.writeEvent(ctx, q, eventUpdated, old.APIKey, updated)
		}
		return updated, Key{}, err
	})
}

func (r *Repository) checkNewExpiry(ctx context.Context, q db.Querier, c Call, g grants, old storedKey, end time.Time) error {
	if !old.isActive {
		return ErrEnded
	}
	if err := g.checkScopes(old.Scopes); err != nil {
		return err
	}
	if c.byOperator() || end.Equal(old.ExpiresAt) {
		return nil
	}
	if old.isRotated {
		return ErrRotated
	}
	if err := g.checkEnd(end); err != nil {
		return err
	}
	switch {
	case isBefore(end, old.ExpiresAt):
		return c.checkNotLastManager(ctx, q, old.ID)
	case isBefore(old.ExpiresAt, end):
		return r.limits.checkRate(g, old.RateLimit)
	}
	return nil
}

// isBefore reports whether an expiry is earlier than another. Zero means never.
func isBefore(end, other time.Time) bool {
	return !end.IsZero() && (other.IsZero() || end.Before(other))
}
