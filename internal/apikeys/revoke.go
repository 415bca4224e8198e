package apikeys

import (
	"context"

	"orgd/internal/db"
	"orgd/internal/uuid"
)

// apiKeyIsLastManager is true if $2 is the account's only active key with the scope
// keys:manage.
const apiKeyIsLastManager = `
SELECT coalesce(bool_or(id = $2), false) AND count(*) = 1
FROM api_keys
WHERE account_id = $1 AND 'keys:manage' = ANY(scopes) AND ` + isActive

const apiKeyRevoke = `
UPDATE api_keys
SET revoked_at = coalesce(revoked_at, clock_timestamp())
WHERE account_id = $1 AND id = $2
RETURNING` + apiKeyColumns

// Revoke revokes a key immediately. It does not change a key that is already revoked.
// Errors: ErrNotFound, ErrLastManager, ErrInvalidKey, ErrUnavailable, and those of
// idempotency.Once.
func (r *Repository) Revoke(ctx context.Context, c Call, id uuid.UUID) (Changed, error) {
	return r.change(ctx, c, "revoke key", id, func(ctx context.Context, q db.Querier, _ grants) (APIKey, Key, error) {
		old, err := read(ctx, q, c.AccountID, id)
		if err != nil || !old.RevokedAt.IsZero() {
			return old.APIKey, Key{}, err
		}
		if err := c.checkNotLastManager(ctx, q, id); err != nil {
			return APIKey{}, Key{}, err
		}
		revoked, err := collectOne(q.Query(ctx, apiKeyRevoke, c.AccountID, id))
		if err == nil {
			err = c.writeEvent(ctx, q, eventRevoked, old.APIKey, revoked)
		}
		return revoked, Key{}, err
	})
}

// checkNotLastManager returns ErrLastManager for the account's last active key with
// KeysManage: without that key, only an operator could create another one. An operator's
// call gets no error.
func (c Call) checkNotLastManager(ctx context.Context, q db.Querier, id uuid.UUID) error {
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
