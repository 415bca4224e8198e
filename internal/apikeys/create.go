package apikeys

import (
	"context"
	"errors"

	"orgd/internal/db"
	"orgd/internal/uuid"
)

// apiKeyCreate returns no row if the expiry is in the past.
const apiKeyCreate = `
INSERT INTO api_keys (account_id, id, description, digest, hint, scopes, rate_limit, expires_at, lifetime, created_by_api_key_id)
SELECT $1, $2, $3, $4, $5, $6, $7, given.expires_at, given.expires_at - now(), $10
FROM (SELECT coalesce($8::timestamptz, now() + make_interval(secs => $9::float8)) AS expires_at) AS given
WHERE given.expires_at IS NULL OR given.expires_at > now()
RETURNING` + apiKeyColumns

// NewAPIKey describes a key to create.
type NewAPIKey struct {
	Description string  // as ValidDescription returns it
	Scopes      []Scope // at least one, each once
	Expiry      Expiry
	// RateLimit is 0 to MaxRateLimit requests per second, 0 for no limit. nil means the
	// caller's rate, or the server's default if an operator calls.
	RateLimit *int32
}

// Create creates a key. Changed.Key is not stored. A caller that uses a key cannot grant
// a higher rate than its own: the new key gets n.RateLimit or the caller's rate,
// whichever is lower. Errors: LacksScopeError, ErrExceedsLife, ErrTooMany, ErrExpiryPast,
// ErrInvalidKey, ErrUnknownAccount, ErrUnavailable, and those of idempotency.Once.
func (r *Repository) Create(ctx context.Context, c Call, n NewAPIKey) (Changed, error) {
	changed, err := r.change(ctx, c, "create key", newCreateRequest(n), func(ctx context.Context, q db.Querier, g grants) (APIKey, Key, error) {
		if err := g.checkScopes(n.Scopes); err != nil {
			return APIKey{}, Key{}, err
		}
		if err := g.checkEnd(n.Expiry.from(g.now)); err != nil {
			return APIKey{}, Key{}, err
		}
		if err := r.checkKeyLimit(ctx, q, c); err != nil {
			return APIKey{}, Key{}, err
		}
		rate := n.RateLimit
		if rate == nil {
			rate = g.rate
		}
		key := NewKey()
		digest := key.Digest()
		at, seconds := n.Expiry.params()
		created, err := collectOne(q.Query(ctx, apiKeyCreate, c.AccountID, uuid.NewV7(), n.Description, digest[:], key.Hint(), n.Scopes,
			r.limits.capRate(g, rate), at, seconds, db.OrNull(c.KeyID)))
		if errors.Is(err, db.ErrNoRows) {
			err = ErrExpiryPast
		}
		if err == nil {
			err = c.writeEvent(ctx, q, eventCreated, APIKey{}, created)
		}
		return created, key, err
	})
	if errors.Is(err, db.ErrReference) {
		err = ErrUnknownAccount
	}
	return changed, err
}
