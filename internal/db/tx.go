package db

import (
	"cmp"
	"context"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

const rollbackTimeout = time.Second

func inTx(ctx context.Context, conn *pgxpool.Conn, fn func(context.Context, Querier) error) error {
	// If ctx is done, BEGIN or COMMIT fails and pgx closes the connection. Returning early, or
	// rolling back, keeps the connection.
	if err := ctx.Err(); err != nil {
		return err
	}
	tx, err := conn.BeginTx(ctx, pgx.TxOptions{IsoLevel: pgx.ReadCommitted})
	if err != nil {
		return err
	}
	if err := cmp.Or(fn(ctx, Querier{tx}), ctx.Err()); err != nil {
		// Roll back even if ctx is canceled, so that the connection can be used again.
		rollback, cancel := context.WithTimeout(context.WithoutCancel(ctx), rollbackTimeout)
		defer cancel()
		_ = tx.Rollback(rollback) // if it fails, the pool closes the connection, which rolls back too
		return err
	}
	return tx.Commit(ctx)
}
