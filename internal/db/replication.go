package db

import (
	"errors"

	"github.com/jackc/pgx/v5/pgconn"
)

// errNotReplicated means that the commit is on the primary but may not be on any standby.
var errNotReplicated = errors.New("the wait for synchronous replication was canceled")

// noteReplication marks a connection whose commit did not wait for its standby, because
// an operator canceled the wait. PostgreSQL reports the commit as successful and sends
// only a warning. The warning's text depends on the server's language and its code is
// generic, so it is recognized by the C function that sends it (in syncrep.c).
func noteReplication(pg *pgconn.PgConn, notice *pgconn.Notice) {
	if notice.Routine == "SyncRepWaitForLSN" {
		socketOf(pg).unreplicated.Store(true)
	}
}
