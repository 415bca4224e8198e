package db

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/lock"
)

// versionTable records the applied migrations. goose's default name would clash
// with another program that uses goose in the same database.
const versionTable = "orgd_migrations"

// Migration is one migration file, and when the database applied it.
type Migration struct {
	Version   int64
	File      string
	AppliedAt time.Time // zero if it is pending
}

// A migration that waits for a table's lock blocks all later statements on that table. It
// therefore gives up after a short wait, lets them pass, and tries again.
const (
	migrationLockTimeout = 3 * time.Second
	migrationLockTries   = 20
	migrationLockPause   = time.Second
)

// MigrateUp applies the pending migrations in files to the database at url. It returns
// the migrations that it applied, even if it also returns an error. Concurrent runs are
// safe: one migrates, and the others wait and find nothing to do. url must not go through
// a pooler in transaction mode.
func MigrateUp(ctx context.Context, url string, files fs.FS) (done []Migration, err error) {
	for range migrationLockTries {
		var more []Migration
		more, err = migrate(ctx, url, files, func(p *goose.Provider) ([]*goose.MigrationResult, error) {
			return p.Up(ctx)
		})
		done = append(done, more...)
		if !isLockTimeout(err) {
			return done, err
		}
		select {
		case <-ctx.Done():
			return done, ctx.Err()
		case <-time.After(migrationLockPause/2 + rand.N(migrationLockPause)):
		}
	}
	return done, fmt.Errorf("another transaction holds a lock that the migration needs (see pg_stat_activity): %w", err)
}

// MigrateDown rolls back the newest migration and returns it. It returns nothing if no
// migration is applied.
func MigrateDown(ctx context.Context, url string, files fs.FS) ([]Migration, error) {
	return migrate(ctx, url, files, func(p *goose.Provider) ([]*goose.MigrationResult, error) {
		result, err := p.Down(ctx)
		if errors.Is(err, goose.ErrNoNextVersion) {
			return nil, nil
		}
		if err != nil {
			return nil, err
		}
		return []*goose.MigrationResult{result}, nil
	})
}

func migrate(ctx context.Context, url string, files fs.FS, run func(*goose.Provider) ([]*goose.MigrationResult, error)) ([]Migration, error) {
	provider, closeProvider, err := newProvider(ctx, url, files)
	if err != nil {
		return nil, err
	}
	defer closeProvider()
	results, err := run(provider)
	var partial *goose.PartialError
	if errors.As(err, &partial) {
		results = partial.Applied
	}
	var done []Migration
	for _, r := range results {
		done = append(done, Migration{Version: r.Source.Version, File: r.Source.Path, AppliedAt: time.Now().UTC()})
	}
	if err != nil {
		return done, Translate(err)
	}
	return done, nil
}

// MigrationStatus lists all migrations in files, oldest first.
func MigrationStatus(ctx context.Context, url string, files fs.FS) ([]Migration, error) {
	provider, closeProvider, err := newProvider(ctx, url, files)
	if err != nil {
		return nil, err
	}
	defer closeProvider()
	states, err := provider.Status(ctx)
	if err != nil {
		return nil, Translate(err)
	}
	var all []Migration
	for _, s := range states {
		all = append(all, Migration{Version: s.Source.Version, File: s.Source.Path, AppliedAt: s.AppliedAt.UTC()})
	}
	return all, nil
}

func newProvider(ctx context.Context, url string, files fs.FS) (*goose.Provider, func(), error) {
	pool, err := parse(url, 0)
	if err != nil {
		return nil, nil, err
	}
	cfg := pool.ConnConfig
	params := cfg.RuntimeParams
	nameApplication(params, "orgd migrate")
	params["lock_timeout"] = strconv.FormatInt(migrationLockTimeout.Milliseconds(), 10)
	for _, timeout := range []string{"statement_timeout", "idle_session_timeout", "idle_in_transaction_session_timeout"} {
		params[timeout] = "0"
	}
	params["default_transaction_isolation"] = "read committed"
	// If this process is killed, PostgreSQL notices it, ends the statement and releases
	// the lock.
	params["client_connection_check_interval"] = "2s"
	conns := stdlib.OpenDB(*cfg, stdlib.OptionAfterConnect(prepareMigration))
	// goose counts the attempts of a locker over its lifetime, so each run needs a new
	// one.
	locker, err := lock.NewPostgresSessionLocker(lock.WithLockTimeout(1, 600), lock.WithUnlockTimeout(1, 5))
	if err != nil {
		return nil, nil, errors.Join(err, conns.Close())
	}
	provider, err := goose.NewProvider(goose.DialectPostgres, conns, files,
		goose.WithSessionLocker(locker), goose.WithTableName(versionTable), goose.WithLogger(goose.NopLogger()))
	if err != nil {
		return nil, nil, errors.Join(err, conns.Close())
	}
	// Report a failed connection at once: goose would retry first.
	if err := conns.PingContext(ctx); err != nil {
		return nil, nil, errors.Join(cannotConnect("", err), conns.Close())
	}
	return provider, func() { closeQuietly(conns) }, nil
}

// closeQuietly ignores the error, because the work is already committed.
func closeQuietly(conns *sql.DB) { _ = conns.Close() }

// SchemaVersion returns the version of the newest applied migration, or 0 if the
// database was never migrated.
func (p *Pool) SchemaVersion(ctx context.Context) (int64, error) {
	var version int64
	err := p.Read(ctx, func(ctx context.Context, q Querier) error {
		return q.QueryRow(ctx, "SELECT coalesce(max(version_id), 0) FROM "+versionTable+" WHERE is_applied").Scan(&version)
	})
	if hasState(err, "42P01") { // undefined table
		return 0, nil
	}
	return version, err
}

// SchemaFloor returns the schema version of the oldest release that can use the database.
// Call it only if SchemaVersion is not 0. It returns ErrMisconfigured if the table
// schema_floor does not exist: orgd_migrations was then copied from another database, or
// somebody dropped orgd's other tables.
func (p *Pool) SchemaFloor(ctx context.Context) (version int64, err error) {
	err = p.Read(ctx, func(ctx context.Context, q Querier) error {
		return q.QueryRow(ctx, "SELECT version FROM schema_floor").Scan(&version)
	})
	if hasState(err, "42P01") { // undefined table
		return 0, fmt.Errorf("%w: the table %s says that migrations were applied, but their tables are missing: restore them, or drop %[2]s and run `server migrate up` to start with empty tables", ErrMisconfigured, versionTable)
	}
	return version, err
}
