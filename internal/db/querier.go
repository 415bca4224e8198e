package db

import (
	"context"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// Querier runs statements on one connection or in one transaction. Its errors have the
// classes of this package. It is a struct, not an interface, so that passing it needs no
// allocation.
type Querier struct{ conn querier }

// querier has the methods that a connection and a transaction of pgx have in common.
type querier interface {
	Exec(ctx context.Context, sql string, args ...any) (pgconn.CommandTag, error)
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
	CopyFrom(ctx context.Context, table pgx.Identifier, columns []string, rows pgx.CopyFromSource) (int64, error)
}

// Exec runs a statement that returns no rows.
func (q Querier) Exec(ctx context.Context, sql string, args ...any) (pgconn.CommandTag, error) {
	tag, err := q.conn.Exec(ctx, sql, args...)
	return tag, Translate(err)
}

// Query runs a statement whose rows are read with pgx's collecting functions. The errors
// of the rows are pgx's own: Read, Write and WriteTx translate them when fn returns. To
// recognize ErrNoRows inside fn, use One.
func (q Querier) Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error) {
	rows, err := q.conn.Query(ctx, sql, args...)
	return rows, Translate(err)
}

// QueryRow runs a statement that returns at most one row.
func (q Querier) QueryRow(ctx context.Context, sql string, args ...any) Row {
	return Row{q.conn.QueryRow(ctx, sql, args...)}
}

// CopyFrom adds rows to a table with COPY, which is the fastest way to add many.
func (q Querier) CopyFrom(ctx context.Context, table string, columns []string, rows pgx.CopyFromSource) error {
	_, err := q.conn.CopyFrom(ctx, pgx.Identifier{table}, columns, rows)
	return Translate(err)
}

// Row is the result of QueryRow.
type Row struct{ row pgx.Row }

// Scan reads the columns of the row. It returns ErrNoRows if there is none.
func (r Row) Scan(dest ...any) error { return Translate(r.row.Scan(dest...)) }

// One returns the single row of a query. It returns ErrNoRows if there is none.
func One[T any](rows pgx.Rows, scan pgx.RowToFunc[T]) (T, error) {
	one, err := pgx.CollectExactlyOneRow(rows, scan)
	return one, Translate(err)
}
