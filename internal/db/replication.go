package db

import (
	"errors"

	"github.com/jackc/pgx/v5/pgconn"
)

// errNotReplicated: the commit is on the primary, and perhaps on no standby.
var errNotReplicated = errors.New("the wait for synchronous replication was canceled")

// noteReplication marks a connection whose commit did not wait for its standby: an
// operator has canceled that. PostgreSQL reports the commit as successful, and says so
// in a warning alone. Its text is in the server's language and its code is that of any
// warning, so it is known by the function that it comes from (syncrep.c).
func noteReplication(pg *pgconn.PgConn, notice *pgconn.Notice) {
	if notice.Routine == "SyncRepWaitForLSN" {
		linkOf(pg).unreplicated.Store(true)
	}
}
