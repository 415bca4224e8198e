package db

import (
	"context"
	"strconv"

	"github.com/jackc/pgx/v5"
)

// backend is the process of PostgreSQL that serves a connection. It is zero behind a
// pooler, where no process serves one connection alone.
type backend struct {
	pid    uint32
	server string // when the server that it belongs to was started: no two have that alike
}

const identify = `SELECT pg_backend_pid(), extract(epoch FROM pg_postmaster_start_time());`

// settle makes a connection ready for statements.
func settle(ctx context.Context, conn *pgx.Conn, pooled bool) error {
	if pooled {
		return nil
	}
	pg := conn.PgConn()
	results, err := pg.Exec(ctx, identify).ReadAll()
	if err != nil {
		return err
	}
	row := results[len(results)-1].Rows[0]
	// A pooler that was not declared has numbers of its own.
	if string(row[0]) == strconv.FormatUint(uint64(pg.PID()), 10) {
		linkOf(pg).backend = backend{pid: pg.PID(), server: string(row[1])}
	}
	return nil
}
