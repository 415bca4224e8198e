package main

import (
	"context"
	"errors"
	"fmt"

	"orgd/internal/db"
)

// The table orgd_dev marks a database that `server dev` may fill with sample data. It is
// created before all other tables. If the first run is killed, the next one therefore
// still accepts the database.
const (
	devClaimState = `
SELECT to_regclass('orgd_dev') IS NOT NULL,
    EXISTS (
        SELECT FROM pg_class AS c
        JOIN pg_namespace AS n ON n.oid = c.relnamespace
        WHERE n.nspname <> 'information_schema' AND n.nspname !~ '^pg_'
            -- Tables of extensions hold no user data.
            AND NOT EXISTS (SELECT FROM pg_depend AS d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')
    )`
	devClaimMark    = `CREATE TABLE orgd_dev ()`
	devClaimComment = `COMMENT ON TABLE orgd_dev IS 'server dev uses this database and may fill it with sample data.'`
)

var errForeignDatabase = errors.New("DATABASE_URL names a database that is neither empty nor from an earlier `server dev`. To protect its data, nothing was changed. " +
	"Unset DATABASE_URL to get a private database, or name an empty one")

// claimDevDatabase marks the configured database for `server dev` if it is empty, and
// accepts one that is already marked. For any other database it returns an error and
// changes nothing.
func claimDevDatabase(ctx context.Context, url string) error {
	pool, err := db.Open(ctx, url, db.Options{MaxConns: 1})
	if err != nil {
		return err
	}
	defer pool.Close()
	failure := "cannot connect to"
	err = pool.WriteTx(ctx, func(ctx context.Context, q db.Querier) error {
		failure = "cannot use"
		var marked, used bool
		if err := q.QueryRow(ctx, devClaimState).Scan(&marked, &used); err != nil || marked {
			return err
		}
		if used {
			return errForeignDatabase
		}
		_, err := q.Exec(ctx, devClaimMark)
		if err == nil {
			_, err = q.Exec(ctx, devClaimComment)
		}
		return err
	})
	if errors.Is(err, db.ErrUnavailable) {
		return fmt.Errorf("%s the database in DATABASE_URL: %w (to get a private one, unset DATABASE_URL)", failure, err)
	}
	return err
}
