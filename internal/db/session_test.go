package db_test

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"testing"

	"orgd/internal/db"
	"orgd/internal/dbtest"
	"orgd/migrations"
)

// hostile are settings of a database that change the meaning or the time limit of
// statements.
var hostile = map[string]string{
	"client_encoding":               "LATIN1",
	"default_transaction_isolation": "serializable",
	"search_path":                   "elsewhere",
	"idle_session_timeout":          "1ms",
	"client_min_messages":           "error",
}

func setOnDatabase(t *testing.T, d *dbtest.DB, settings map[string]string) {
	t.Helper()
	var name string
	if err := d.Pool.QueryRow(context.Background(), "SELECT current_database()").Scan(&name); err != nil {
		t.Fatal(err)
	}
	for setting, value := range settings {
		d.Exec(t, fmt.Sprintf("ALTER DATABASE %q SET %s = '%s'", name, setting, value))
	}
}

// Settings of a role or a database do not affect the pool's statements.
func TestSettingsOfTheDatabase(t *testing.T) {
	t.Parallel()
	d := dbtest.New(t)
	d.Exec(t, "CREATE SCHEMA elsewhere")
	d.Exec(t, "CREATE TABLE elsewhere.orgs (wrong int)")
	setOnDatabase(t, d, hostile)
	for name, databaseURL := range map[string]string{
		"on the database":                    d.URL,
		"on the database and in the URL":     changeURL(t, d.URL, func(_ *url.URL, q url.Values) { q.Set("client_encoding", "LATIN1") }),
		"with an empty search_path":          changeURL(t, d.URL, func(_ *url.URL, q url.Values) { q.Set("search_path", "") }),
		"on the database and in the options": changeURL(t, d.URL, func(_ *url.URL, q url.Values) { q.Set("options", "-c default_transaction_isolation=serializable") }),
		"with another table named orgs":      changeURL(t, d.URL, func(_ *url.URL, q url.Values) { q.Set("search_path", "elsewhere, public") }),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			pool, err := db.Open(context.Background(), databaseURL, db.Options{})
			if err != nil {
				t.Fatal(err)
			}
			defer pool.Close()
			check := func(ctx context.Context, q db.Querier) error {
				var encoding, level, least, schema, echo string
				err := q.QueryRow(ctx, `SELECT current_setting('client_encoding'), current_setting('transaction_isolation'), current_setting('client_min_messages'),
					(SELECT relnamespace::regnamespace::text FROM pg_class WHERE oid = 'orgs'::regclass), $1::text`, "Žofie 🏥").
					Scan(&encoding, &level, &least, &schema, &echo)
				if err == nil && (encoding != "UTF8" || level != "read committed" || least != "warning" || schema != "public" || echo != "Žofie 🏥") {
					t.Errorf("encoding %s, isolation %s, least message level %s, orgs in schema %s, %q", encoding, level, least, schema, echo)
				}
				return err
			}
			if err := errors.Join(pool.Read(context.Background(), check), pool.Write(context.Background(), check), pool.WriteTx(context.Background(), check)); err != nil {
				t.Error(err)
			}
		})
	}
}

// Settings of the database do not affect a migration either.
func TestMigrationUnderSettingsOfTheDatabase(t *testing.T) {
	t.Parallel()
	for name, path := range map[string]string{"no path": "", "public": "public"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := dbtest.NewEmpty(t)
			settings := map[string]string{"search_path": path, "statement_timeout": "1ms", "idle_in_transaction_session_timeout": "1ms"}
			for setting, value := range hostile {
				if setting != "search_path" {
					settings[setting] = value
				}
			}
			setOnDatabase(t, d, settings)
			if _, err := db.MigrateUp(context.Background(), d.URL, migrations.FS); err != nil {
				t.Fatal(err)
			}
			status, err := db.MigrationStatus(context.Background(), d.URL, migrations.FS)
			if err != nil || status[len(status)-1].AppliedAt.IsZero() {
				t.Errorf("%v, %v", status, err)
			}
		})
	}
}

// A database whose encoding cannot store all names is rejected. The error is one line
// that says how to fix it.
func TestOtherEncodingsAreRejected(t *testing.T) {
	t.Parallel()
	for _, encoding := range []string{"SQL_ASCII", "LATIN1"} {
		t.Run(encoding, func(t *testing.T) {
			t.Parallel()
			databaseURL := dbtest.NewEncoded(t, encoding)
			pool, err := db.Open(context.Background(), databaseURL, db.Options{})
			if err != nil {
				t.Fatal(err)
			}
			defer pool.Close()
			_, migrateErr := db.MigrateUp(context.Background(), databaseURL, migrations.FS)
			for what, err := range map[string]error{"pool": ping(context.Background(), pool), "migration": migrateErr} {
				if text := fmt.Sprint(err); !errors.Is(err, db.ErrMisconfigured) || strings.Contains(text, "\n") ||
					!strings.Contains(text, encoding) || !strings.Contains(text, "--encoding=UTF8") {
					t.Errorf("%s: %v", what, err)
				}
			}
		})
	}
}

// Behind a pooler, the isolation level comes from the role. A role with a wrong level is
// rejected.
func TestIsolationBehindAPooler(t *testing.T) {
	t.Parallel()
	d := dbtest.New(t)
	setOnDatabase(t, d, map[string]string{"default_transaction_isolation": "serializable"})
	ping := func() error {
		pool, err := db.Open(context.Background(), d.URL, db.Options{Pooled: true})
		if err != nil {
			t.Fatal(err)
		}
		defer pool.Close()
		return ping(context.Background(), pool)
	}
	if err := ping(); !errors.Is(err, db.ErrMisconfigured) || !strings.Contains(fmt.Sprint(err), "ALTER ROLE") {
		t.Errorf("%v, want ErrMisconfigured", err)
	}
	setOnDatabase(t, d, map[string]string{"default_transaction_isolation": "read committed"})
	if err := ping(); err != nil {
		t.Error(err)
	}
}
