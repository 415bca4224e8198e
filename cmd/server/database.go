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

// databaseFlags lead to the database. A pooler that lends connections for a
// transaction can't listen, nor lock for a session, so only what serves goes through
// it.
type databaseFlags struct {
	DatabaseURL telemetry.Secret `env:"DATABASE_URL" placeholder:"URL" help:"PostgreSQL to use: postgres://user:password@host:port/name."`
	DirectURL   telemetry.Secret `env:"ORGD_DB_DIRECT_URL" name:"db-direct-url" placeholder:"URL" help:"The same PostgreSQL without the pooler, where DATABASE_URL leads through one (DATABASE_URL)."`
}

// Validate finds a wrong URL before anything is done with it.
func (f databaseFlags) Validate() error {
	if f.DatabaseURL == "" {
		return errors.New("DATABASE_URL is not set: give a URL such as postgres://user:password@localhost:5432/orgd")
	}
	if err := validDatabaseURL("DATABASE_URL", f.DatabaseURL); err != nil || f.DirectURL == "" {
		return err
	}
	return validDatabaseURL("ORGD_DB_DIRECT_URL", f.DirectURL)
}

// direct returns the URL that leads to PostgreSQL itself.
func (f databaseFlags) direct() string { return cmp.Or(f.DirectURL, f.DatabaseURL).Reveal() }

// pgx takes what does not begin so for names and values, jdbc:… among others.
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

// poolerFlag is for a pooler that is too old for prepared statements.
type poolerFlag struct {
	ExecMode string `env:"ORGD_DB_EXEC_MODE" name:"db-exec-mode" default:"prepared" enum:"prepared,described" help:"How statements are sent: ${enum}; described behind a PgBouncer before 1.21 (${default})."`
}

// withPool gives a command its connections to a database that has the schema.
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
