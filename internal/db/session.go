package db

import (
	"context"
	"fmt"
	"strconv"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// backend is the PostgreSQL process of a connection. It is zero behind a pooler, where a
// process serves many connections.
type backend struct {
	pid    uint32
	server string // start time of its server, which identifies the server
}

// prepareSession prepares a direct connection to PostgreSQL for statements.
func prepareSession(ctx context.Context, conn *pgx.Conn) error {
	pg := conn.PgConn()
	if err := checkEncoding(pg); err != nil {
		return err
	}
	results, err := pg.Exec(ctx, findHome+identify).ReadAll()
	if err != nil {
		return err
	}
	if err := readHome(results[0]).enter(ctx, conn); err != nil {
		return err
	}
	row := results[1].Rows[0]
	// If the URL goes through a pooler although Options.Pooled is false, pg.PID is an id
	// of the pooler. backend then stays zero.
	if string(row[0]) == strconv.FormatUint(uint64(pg.PID()), 10) {
		socketOf(pg).backend = backend{pid: pg.PID(), server: string(row[1])}
	}
	return nil
}

const identify = `SELECT pg_backend_pid(), extract(epoch FROM pg_postmaster_start_time());`

// checkEncoding rejects a database that cannot store all characters. It needs no query:
// PostgreSQL reports the encoding when a connection is opened.
func checkEncoding(pg *pgconn.PgConn) error {
	if encoding := pg.ParameterStatus("server_encoding"); encoding != "UTF8" && encoding != "" {
		return fmt.Errorf("%w: the database's encoding is %s, but orgd needs UTF8: create a new database with `createdb --template=template0 --encoding=UTF8`", ErrMisconfigured, encoding)
	}
	return nil
}

// checkPooledSession is prepareSession for a pooler in transaction mode. It changes no
// settings: a change would affect other clients, or be gone in the next transaction.
func checkPooledSession(ctx context.Context, conn *pgx.Conn) error {
	if err := checkEncoding(conn.PgConn()); err != nil {
		return err
	}
	results, err := conn.PgConn().Exec(ctx, findHome+"SELECT current_setting('default_transaction_isolation'), current_setting('client_min_messages')").ReadAll()
	if err != nil {
		return err
	}
	if least := string(results[1].Rows[0][1]); least == "error" {
		return fmt.Errorf("%w: behind a pooler, client_min_messages is %q, which hides warnings about commits that were not replicated: set it to `warning` on orgd's role with ALTER ROLE … SET", ErrMisconfigured, least)
	}
	if level := string(results[1].Rows[0][0]); level != "read committed" {
		return fmt.Errorf("%w: behind a pooler, default_transaction_isolation is %q: set it to `read committed` on orgd's role with ALTER ROLE … SET", ErrMisconfigured, level)
	}
	return readHome(results[0]).check()
}

// prepareMigration is prepareSession for migrations. It also removes the time limit of
// transactions.
func prepareMigration(ctx context.Context, conn *pgx.Conn) error {
	if err := checkEncoding(conn.PgConn()); err != nil {
		return err
	}
	results, err := conn.PgConn().Exec(ctx, findHome+endNoTransaction).ReadAll()
	if err != nil {
		return err
	}
	return readHome(results[0]).enter(ctx, conn)
}

// endNoTransaction turns off transaction_timeout, a parameter that PostgreSQL 17
// introduced.
const endNoTransaction = `
SELECT set_config('transaction_timeout', '0', false) WHERE current_setting('transaction_timeout', true) IS NOT NULL`
