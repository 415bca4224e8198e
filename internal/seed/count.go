package seed

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5/pgxpool"

	"orgd/internal/uuid"
)

// Count counts the account's organizations.
func Count(ctx context.Context, pool *pgxpool.Pool, account uuid.UUID) (int, error) {
	var n int
	if err := pool.QueryRow(ctx, "SELECT count(*) FROM orgs WHERE account_id = $1", account).Scan(&n); err != nil {
		return 0, fmt.Errorf("seed: count the organizations: %w", err)
	}
	return n, nil
}
