package db

import "github.com/jackc/pgx/v5"

// IsIdle reports whether the pool has marked the connection as idle: no response is due.
func IsIdle(conn *pgx.Conn) bool { return socketOf(conn.PgConn()).idle.Load() }
