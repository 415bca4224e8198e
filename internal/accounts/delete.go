package accounts

import (
	"context"
	"errors"
	"fmt"

	"orgd/internal/db"
	"orgd/internal/uuid"
)

// ErrNotSuspended means that only a suspended account can be deleted.
var ErrNotSuspended = errors.New("accounts: the account is not suspended")

// deletePiece is the maximum number of rows that one transaction deletes.
const deletePiece = 1000

// owned lists the tables with rows of an account, and the other columns of their primary
// keys. The tables from which a server's workers still take work come first.
var owned = []struct{ table, key string }{
	{"org_erasures", "org_id"},
	{"user_erasures", "user_id"},
	{"unanswered_creations", "call_digest, call_id"},
	{"idempotency_keys", "key_digest"},
	{"webhooks", "id"},
	{"webhook_attempts", "webhook_id, slot"},
	{"org_members", "org_id, user_id"},
	{"orgs", "org_id"},
	{"events", "id"},
	{"feeds", "account_id"},
	{"api_keys", "id"},
}

const (
	// The lock keeps the account suspended until the commit.
	accountHold = accountGet + `
FOR SHARE`

	accountCount = `
SELECT count(*)
FROM %s
WHERE account_id = $1`

	accountDeletePiece = `
DELETE FROM %[1]s
WHERE account_id = $1
  AND (%[2]s) IN (SELECT %[2]s FROM %[1]s WHERE account_id = $1 ORDER BY %[2]s LIMIT $2)`

	accountDelete = `
DELETE FROM accounts
WHERE id = $1`
)

// Delete deletes a suspended account and everything that belongs to it, in small
// transactions, and returns the number of deleted rows. If a call is interrupted, another
// call continues. progress gets the number of rows deleted so far, and the number of rows
// at the start. Errors: ErrNotFound, ErrNotSuspended.
func (r *Repository) Delete(ctx context.Context, id uuid.UUID, progress func(done, all int)) (rows int, err error) {
	all, err := r.countOwned(ctx, id)
	if err != nil {
		return 0, fmt.Errorf("delete account: %w", err)
	}
	for last := -1; last != rows; { // until nothing is left: a request that began before the suspension may still write rows
		last = rows
		for _, t := range owned {
			statement := fmt.Sprintf(accountDeletePiece, t.table, t.key)
			for deleted := deletePiece; deleted == deletePiece; progress(min(rows, all), all) {
				if deleted, err = r.deleteOnce(ctx, statement, id, deletePiece); err != nil {
					return rows, fmt.Errorf("delete account: %s: %w", t.table, err)
				}
				rows += deleted
			}
		}
	}
	if _, err := r.deleteOnce(ctx, accountDelete, id); err != nil {
		return rows, fmt.Errorf("delete account: %w", err)
	}
	return rows, nil
}

func (r *Repository) countOwned(ctx context.Context, id uuid.UUID) (all int, err error) {
	err = r.db.Read(ctx, func(ctx context.Context, q db.Querier) error {
		if err := mustBeSuspended(ctx, q, accountGet, id); err != nil {
			return err
		}
		all = 0
		for _, t := range owned {
			var n int
			if err := q.QueryRow(ctx, fmt.Sprintf(accountCount, t.table), id).Scan(&n); err != nil {
				return err
			}
			all += n
		}
		return nil
	})
	return all, err
}

func (r *Repository) deleteOnce(ctx context.Context, statement string, id uuid.UUID, more ...any) (deleted int, err error) {
	err = r.db.WriteTx(ctx, func(ctx context.Context, q db.Querier) error {
		if err := mustBeSuspended(ctx, q, accountHold, id); err != nil {
			return err
		}
		tag, err := q.Exec(ctx, statement, append([]any{id}, more...)...)
		deleted = int(tag.RowsAffected())
		return err
	})
	return deleted, err
}

func mustBeSuspended(ctx context.Context, q db.Querier, sql string, id uuid.UUID) error {
	account, err := get(ctx, q, sql, id)
	if err == nil && account.SuspendedAt == nil {
		err = ErrNotSuspended
	}
	return err
}
