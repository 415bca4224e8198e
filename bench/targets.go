package main

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// target is the id of an organization, in two halves.
type target struct{ high, low int64 }

const maxTargets = 1 << 14

// pickTargets returns organizations spread over the whole account.
func pickTargets(ctx context.Context, conn *pgx.Conn, accountID string) ([]target, error) {
	return collectTargets(conn.Query(ctx, `
SELECT ('x' || left(hex, 16))::bit(64)::bigint, ('x' || right(hex, 16))::bit(64)::bigint
FROM orgs, replace(org_id::text, '-', '') AS hex
WHERE account_id = $1
ORDER BY random()
LIMIT $2`, accountID, maxTargets))
}

// pickTargetsOf returns active organizations of the user.
func pickTargetsOf(ctx context.Context, conn *pgx.Conn, accountID, userID string) ([]target, error) {
	return collectTargets(conn.Query(ctx, `
SELECT ('x' || left(hex, 16))::bit(64)::bigint, ('x' || right(hex, 16))::bit(64)::bigint
FROM org_members JOIN orgs USING (account_id, org_id), replace(org_id::text, '-', '') AS hex
WHERE account_id = $1 AND user_id = $2 AND is_active
ORDER BY random()
LIMIT $3`, accountID, userID, maxTargets))
}

func collectTargets(rows pgx.Rows, err error) ([]target, error) {
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (t target, err error) {
		return t, row.Scan(&t.high, &t.low)
	})
}

func (t target) String() string { return fmt.Sprintf("org_%016x%016x", uint64(t.high), uint64(t.low)) }
