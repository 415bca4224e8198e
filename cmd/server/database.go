package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"regexp"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"orgd/internal/db"
	"orgd/internal/telemetry"
)

// databaseFlags are the URLs of the database. A pooler in transaction mode supports
// neither LISTEN nor session locks, so only requests go through it.
type databaseFlags struct {
	DatabaseURL telemetry.Secret `env:"DATABASE_URL" placeholder:"URL" help:"URL of the PostgreSQL database: postgres://user:password@host:port/name."`
	DirectURL   telemetry.Secret `env:"ORGD_DB_DIRECT_URL" name:"db-direct-url" placeholder:"URL" help:"URL of the same database without the pooler, if DATABASE_URL uses one (DATABASE_URL)."`
}

// Validate rejects a wrong URL before anything uses it.
func (f databaseFlags) Validate() error {
	if f.DatabaseURL == "" {
		return errors.New("DATABASE_URL is not set: give a URL such as postgres://user:password@localhost:5432/orgd")
	}
	if err := validDatabaseURL("DATABASE_URL", f.DatabaseURL); err != nil || f.DirectURL == "" {
		return err
	}
	return validDatabaseURL("ORGD_DB_DIRECT_URL", f.DirectURL)
}

// direct returns the URL that bypasses the pooler.
func (f databaseFlags) direct() string { return cmp.Or(f.DirectURL, f.DatabaseURL).Reveal() }

// pgx parses any other text, such as jdbc:…, as keywords and values.
var databaseURLForm = regexp.MustCompile(`^(postgres|postgresql)://|^[a-z_]+ *=`)

func validDatabaseURL(name string, u telemetry.Secret) error {
	if text := u.Reveal(); strings.TrimSpace(text) != text {
		return fmt.Errorf("%s begins or ends with a space or a line break: remove it", name)
	}
	cfg, err := pgxpool.ParseConfig(u.Reveal())
	if unread, ok := errors.AsType[*fs.PathError](err); ok { // of a certificate or key
		return fmt.Errorf("%s names a file that cannot be read: %w", name, unread)
	}
	if err != nil || !databaseURLForm.MatchString(u.Reveal()) {
		return fmt.Errorf("%s is not a PostgreSQL URL such as postgres://user:password@localhost:5432/orgd", name)
	}
	switch mode := cfg.ConnConfig.DefaultQueryExecMode; mode {
	case pgx.QueryExecModeExec, pgx.QueryExecModeSimpleProtocol:
		return fmt.Errorf("%s sets default_query_exec_mode to %q: pages are read in PostgreSQL's binary format, which that mode does not support", name, mode)
	}
	return db.CheckURL(u.Reveal())
}

// poolerFlag is for poolers that do not support prepared statements.
type poolerFlag struct {
	ExecMode string `env:"ORGD_DB_EXEC_MODE" name:"db-exec-mode" default:"prepared" enum:"prepared,described" help:"How statements are sent: ${enum}. Use described with PgBouncer before 1.21 (${default})."`
}

// withPool opens the database for a command and checks its schema.
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
