package db

import "github.com/jackc/pgx/v5"

// IsIdle reports whether the pool has noted that no answer is due on the connection.
func IsIdle(conn *pgx.Conn) bool { return socketOf(conn.PgConn()).idle.Load() }
