package accounts

import (
	"context"
	"errors"
	"fmt"

	"orgd/internal/db"
	"orgd/internal/uuid"
)

// Suspend makes all keys of the account invalid, immediately and on every server. Nothing
// else in the account changes. If the account is already suspended, nothing changes.
// Errors: ErrNotFound.
func (r *Repository) Suspend(ctx context.Context, id uuid.UUID) (Account, error) {
	return r.setSuspended(ctx, id, true)
}

// Resume makes the keys of a suspended account valid again. Errors: ErrNotFound.
func (r *Repository) Resume(ctx context.Context, id uuid.UUID) (Account, error) {
	return r.setSuspended(ctx, id, false)
}

// accountSuspend returns no row if the account is already in that state.
const accountSuspend = `
UPDATE accounts
SET suspended_at = CASE WHEN $2 THEN now() END
WHERE id = $1 AND (suspended_at IS NOT NULL) <> $2
RETURNING ` + accountColumns

func (r *Repository) setSuspended(ctx context.Context, id uuid.UUID, suspended bool) (Account, error) {
	operation, event := "resume account", "account.resumed"
	if suspended {
		operation, event = "suspend account", "account.suspended"
	}
	var account Account
	err := r.db.WriteTx(ctx, func(ctx context.Context, q db.Querier) (err error) {
		account, err = one(q.Query(ctx, accountSuspend, id, suspended))
		if errors.Is(err, db.ErrNoRows) {
			account, err = get(ctx, q, accountGet, id)
			return err
		}
		if err != nil {
			return err
		}
		return recordEvent(ctx, q, id, event)
	})
	if err != nil {
		return Account{}, fmt.Errorf("%s: %w", operation, err)
	}
	return account, nil
}
