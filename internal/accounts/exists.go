package accounts

import (
	"context"
	"fmt"

	"orgd/internal/db"
	"orgd/internal/uuid"
)

// The server's role may read an account's id, but not its name.
const accountExists = `
SELECT EXISTS (SELECT FROM accounts WHERE id = $1)`

// Exists reports whether there is an account with the id.
func (r *Repository) Exists(ctx context.Context, id uuid.UUID) (exists bool, err error) {
	err = r.db.Read(ctx, func(ctx context.Context, q db.Querier) error {
		return q.QueryRow(ctx, accountExists, id).Scan(&exists)
	})
	if err != nil {
		return false, fmt.Errorf("find account: %w", err)
	}
	return exists, nil
}
