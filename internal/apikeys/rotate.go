package apikeys

import (
	"context"
	"time"

	"orgd/internal/db"
	"orgd/internal/uuid"
)

// The new key expires after its lifetime or at $7, whichever is earlier. NULL means
// never.
const apiKeyRotate = `
INSERT INTO api_keys (account_id, id, description, digest, hint, scopes, rate_limit, expires_at, lifetime, created_by_api_key_id)
SELECT account_id, $3, description, $4, $5, scopes, $6, least(now() + lifetime, $7), lifetime, $8
FROM api_keys
WHERE account_id = $1 AND id = $2
RETURNING` + apiKeyColumns

// apiKeyNextEnd returns the expiry of the key that a rotation would create now; NULL
// means never.
const apiKeyNextEnd = `
SELECT now() + lifetime
FROM api_keys
WHERE account_id = $1 AND id = $2`

const apiKeyEnd = `
UPDATE api_keys
SET expires_at = least(expires_at, clock_timestamp() + make_interval(secs => $3)),
    rotated_at = coalesce(rotated_at, clock_timestamp())
WHERE account_id = $1 AND id = $2
RETURNING` + apiKeyColumns

// Rotate replaces a key. The new key has the description, the scopes and the lifetime of
// the old key, and the lower of the old key's rate and the caller's rate. The old key
// expires after the overlap (0 to MaxOverlap) or at its own expiry, whichever is earlier.
//
// The new key never ends later than the caller's key. A caller that rotates its own key
// gets one that ends no later than the old key would have. For another key that would end
// later, Rotate returns ErrExceedsLife.
//
// Errors: ErrNotFound, ErrEnded, LacksScopeError, ErrExceedsLife, ErrTooMany,
// ErrInvalidKey, ErrUnavailable, and those of idempotency.Once.
func (r *Repository) Rotate(ctx context.Context, c Call, id uuid.UUID, overlap time.Duration) (Changed, error) {
	request := []any{id, overlap}
	return r.change(ctx, c, "rotate key", request, func(ctx context.Context, q db.Querier, g grants) (APIKey, Key, error) {
		old, err := read(ctx, q, c.AccountID, id)
		if err != nil {
			return APIKey{}, Key{}, err
		}
		if !old.isActive {
			return APIKey{}, Key{}, ErrEnded
		}
		if err := g.checkScopes(old.Scopes); err != nil {
			return APIKey{}, Key{}, err
		}
		if id != c.KeyID {
			var end *time.Time
			if err := q.QueryRow(ctx, apiKeyNextEnd, c.AccountID, id).Scan(&end); err != nil {
				return APIKey{}, Key{}, err
			}
			if err := g.checkEnd(db.OrZero(end)); err != nil {
				return APIKey{}, Key{}, err
			}
		}
		// The old key ends before the keys are counted: without an overlap, their number does
		// not change.
		ended, err := collectOne(q.Query(ctx, apiKeyEnd, c.AccountID, id, overlap.Seconds()))
		if err != nil {
			return APIKey{}, Key{}, err
		}
		if err := c.writeEvent(ctx, q, eventRotated, old.APIKey, ended); err != nil {
			return APIKey{}, Key{}, err
		}
		if err := r.checkKeyLimit(ctx, q, c); err != nil {
			return APIKey{}, Key{}, err
		}
		key := NewKey()
		digest := key.Digest()
		created, err := collectOne(q.Query(ctx, apiKeyRotate, c.AccountID, id, uuid.NewV7(), digest[:], key.Hint(),
			r.limits.capRate(g, old.RateLimit), db.OrNull(g.end), db.OrNull(c.KeyID)))
		if err == nil {
			err = c.writeEvent(ctx, q, eventCreated, APIKey{}, created)
		}
		return created, key, err
	})
}
