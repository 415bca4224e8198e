package db

import (
	"context"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// WriteEach runs the statement once for each set of arguments, in one transaction and one
// round trip. It returns how many rows each run changed, and the same errors as Write.
func (p *Pool) WriteEach(ctx context.Context, sql string, args [][]any) (changed []int64, err error) {
	err = p.withConn(ctx, server, func(ctx context.Context, conn *pgxpool.Conn) error {
		changed, err = sendEach(ctx, conn, sql, args)
		return err
	})
	return changed, err
}

// sendEach sends no BEGIN: PostgreSQL runs all statements before a Sync message in one
// transaction, and pgx sends one Sync per batch.
func sendEach(ctx context.Context, conn *pgxpool.Conn, sql string, args [][]any) (changed []int64, err error) {
	var batch pgx.Batch
	for _, a := range args {
		batch.Queue(sql, a...)
	}
	results := conn.SendBatch(ctx, &batch)
	for range args {
		tag, err := results.Exec()
		if err != nil {
			_ = results.Close() // returns the same error
			return nil, err
		}
		changed = append(changed, tag.RowsAffected())
	}
	return changed, results.Close() // waits for the commit
}
