// Package dbtest gives each test its own database on a real PostgreSQL. Each test binary
// migrates one template database, and clones it for each test.
package dbtest

import (
	"context"
	"crypto/rand"
	"fmt"
	"net/url"
	"os"
	"strconv"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"orgd/internal/db"
	"orgd/migrations"
)

// DB is the migrated database of one test.
type DB struct {
	URL   string
	Conns *db.Pool
	Pool  *pgxpool.Pool // the pool of Conns
}

// Main runs the tests of a package that uses databases, and stops the server that it
// started for them. Call it from TestMain.
func Main(m *testing.M) {
	code := m.Run()
	if err := shared.close(); err != nil {
		fmt.Fprintln(os.Stderr, "dbtest:", err)
		code = 1
	}
	os.Exit(code)
}

// New returns a new migrated database. It is dropped when the test ends.
func New(t testing.TB) *DB {
	t.Helper()
	return open(t, create(t, strconv.Quote(shared.template(t))))
}

// NewURL returns the URL of a new, empty database without migrations.
func NewURL(t testing.TB) string {
	t.Helper()
	shared.template(t)
	return create(t, "template0")
}

// NewEmpty returns a new database without migrations.
func NewEmpty(t testing.TB) *DB {
	t.Helper()
	return open(t, NewURL(t))
}

// NewEncoded returns the URL of a new, empty database with an encoding other than UTF8.
func NewEncoded(t testing.TB, encoding string) string {
	t.Helper()
	shared.template(t)
	return create(t, fmt.Sprintf(`template0 ENCODING '%s' LOCALE 'C'`, encoding))
}

func open(t testing.TB, databaseURL string) *DB {
	t.Helper()
	u, err := url.Parse(databaseURL)
	if err != nil {
		t.Fatal(err)
	}
	query := u.Query()
	query.Set("connect_timeout", "10") // seconds; on a busy machine, the default of 2 is too short
	u.RawQuery = query.Encode()
	conns, err := db.Open(context.Background(), u.String(), db.Options{MaxConns: 8})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(conns.Close)
	return &DB{URL: databaseURL, Conns: conns, Pool: conns.Pgx()}
}

// Exec runs a statement that must succeed.
func (d *DB) Exec(t testing.TB, sql string, args ...any) {
	t.Helper()
	if _, err := d.Pool.Exec(context.Background(), sql, args...); err != nil {
		t.Fatal(err)
	}
}

// Vacuum runs VACUUM, followed by what: its tables, perhaps after ANALYZE. Commits of these
// tests are asynchronous, and VACUUM marks no page as all-visible whose rows were written
// by a commit that is not durable yet. Plans would then depend on when the server writes
// its log, because only such pages make an index-only scan cheap. A durable commit, which
// includes all earlier ones, therefore comes first.
func (d *DB) Vacuum(t testing.TB, what string) {
	t.Helper()
	err := pgx.BeginFunc(context.Background(), d.Pool, func(tx pgx.Tx) error {
		_, err := tx.Exec(context.Background(), "SET LOCAL synchronous_commit = on")
		if err == nil {
			_, err = tx.Exec(context.Background(), "SELECT pg_logical_emit_message(true, 'orgd', '')") // a commit without a record is not flushed
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	d.Exec(t, "VACUUM "+what)
}

// create creates a database and returns its URL. template is the name of the template
// database in SQL, and may be followed by options of CREATE DATABASE.
func create(t testing.TB, template string) string {
	t.Helper()
	name := "test_" + rand.Text()
	if err := shared.exec(fmt.Sprintf(`CREATE DATABASE %q TEMPLATE %s`, name, template)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := shared.exec(fmt.Sprintf(`DROP DATABASE IF EXISTS %q WITH (FORCE)`, name)); err != nil {
			t.Error(err)
		}
	})
	return shared.url(name)
}

// shared is the server and the template that the tests of one binary share.
var shared server

type server struct {
	once     sync.Once
	err      error
	source   *Source
	admin    *pgxpool.Pool
	migrated string // the template's name
}

func (s *server) template(t testing.TB) string {
	t.Helper()
	s.once.Do(func() { s.err = s.open(context.Background()) })
	if s.err != nil {
		t.Fatal(s.err)
	}
	return s.migrated
}

func (s *server) open(ctx context.Context) error {
	var err error
	if s.source, err = FindSource(ctx); err != nil {
		return err
	}
	if os.Getenv(URLVariable) == "" {
		fmt.Fprintln(os.Stderr, "dbtest: using PostgreSQL from", s.source.Description)
	}
	if s.admin, err = pgxpool.New(ctx, s.source.URL); err != nil {
		return err
	}
	name := "template_" + rand.Text()
	// The locale is C, so that no test depends on the locale of the machine.
	if err := s.exec(fmt.Sprintf(`CREATE DATABASE %q TEMPLATE template0 ENCODING 'UTF8' LOCALE 'C'`, name)); err != nil {
		return err
	}
	s.migrated = name
	_, err = db.MigrateUp(ctx, s.url(name), migrations.FS)
	return err
}

func (s *server) exec(sql string) error {
	_, err := s.admin.Exec(context.Background(), sql, pgx.QueryExecModeSimpleProtocol)
	return err
}

// url returns the URL of another database on the same server.
func (s *server) url(database string) string {
	u, err := url.Parse(s.source.URL)
	if err != nil {
		panic(err) // pgxpool has parsed it
	}
	u.Path = "/" + database
	return u.String()
}

func (s *server) close() error {
	if s.admin == nil {
		return nil
	}
	if s.migrated != "" {
		if err := s.exec(fmt.Sprintf(`DROP DATABASE IF EXISTS %q WITH (FORCE)`, s.migrated)); err != nil {
			return err
		}
	}
	s.admin.Close()
	return s.source.Stop()
}
