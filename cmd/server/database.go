package main

import (
	"cmp"
	"context"
	"errors"

	"orgd/internal/db"
	"orgd/internal/telemetry"
)

// databaseFlags are the URLs of the database. DatabaseURL may go through a pooler in
// transaction mode, such as PgBouncer, which supports neither LISTEN nor session locks.
// The listener for key changes, the migrations and the other commands use DirectURL.
type databaseFlags struct {
	DatabaseURL telemetry.Secret `env:"DATABASE_URL" placeholder:"URL" help:"URL of the PostgreSQL database: postgres://user:password@host:port/name."`
	DirectURL   telemetry.Secret `env:"ORGD_DB_DIRECT_URL" name:"db-direct-url" placeholder:"URL" help:"URL of the same database without the connection pooler, if DATABASE_URL goes through one (default: DATABASE_URL)."`
}

// Validate rejects a missing or invalid URL.
func (f databaseFlags) Validate() error {
	if f.DatabaseURL == "" {
		return errors.New("DATABASE_URL is not set: set it to a URL such as postgres://user:password@localhost:5432/orgd")
	}
	if err := db.CheckURL("DATABASE_URL", f.DatabaseURL.Reveal()); err != nil || f.DirectURL == "" {
		return err
	}
	return db.CheckURL("ORGD_DB_DIRECT_URL", f.DirectURL.Reveal())
}

// direct returns the URL that bypasses the pooler.
func (f databaseFlags) direct() string { return cmp.Or(f.DirectURL, f.DatabaseURL).Reveal() }

// poolerFlag selects how statements are sent: some poolers do not support prepared ones.
type poolerFlag struct {
	ExecMode string `env:"ORGD_DB_EXEC_MODE" name:"db-exec-mode" default:"prepared" enum:"prepared,described" help:"How statements are sent: ${enum}. Use 'described' with PgBouncer before 1.21 (default: ${default})."`
}

// withPool opens the database for a command, checks the schema, and runs do.
func withPool(ctx context.Context, f databaseFlags, do func(*db.Pool) error) error {
	pool, err := db.Open(ctx, f.direct(), db.Options{MaxConns: 4})
	if err != nil {
		return err
	}
	defer pool.Close()
	if _, err := checkSchema(ctx, pool); err != nil {
		return err
	}
	return do(pool)
}
