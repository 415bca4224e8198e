package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"orgd/internal/dbtest"
	"orgd/internal/orgs"
)

// startDev starts `server dev` and returns the contents of dev.env. stop stops the
// server.
func startDev(t *testing.T, dir, databaseURL string, extra ...string) (env map[string]string, stop func()) {
	t.Helper()
	file := filepath.Join(dir, "dev.env")
	var out, errs safeBuffer
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan int, 1)
	args := append([]string{"dev", "--addr=127.0.0.1:0", "--admin-addr=127.0.0.1:0", "--data-dir=" + dir, "--database-url=" + databaseURL}, extra...)
	go func() { ended <- execute(ctx, args, &out, &errs) }()
	await(t, "server dev does not come up", func() bool { return strings.Contains(errs.String(), "Ctrl-C") || len(ended) > 0 })
	stop = func() {
		cancel()
		if code := <-ended; code != 0 {
			t.Errorf("server dev: exit %d: %s", code, errs.String())
		}
	}
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatalf("%v: %s", err, errs.String())
	}
	env = map[string]string{}
	for line := range strings.Lines(string(text)) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), "=")
		env[name] = strings.Trim(value, "'")
	}
	if !strings.Contains(errs.String(), "Bearer "+env["ORGD_API_KEY"]) {
		t.Errorf("no curl line with the key was printed: %s", errs.String())
	}
	return env, stop
}

func TestDevFindsItsDataAgain(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "data")
	databaseURL := dbtest.NewURL(t)
	first, stop := startDev(t, dir, databaseURL)
	seen := walk(t, first["ORGD_URL"], first["ORGD_API_KEY"])
	if len(seen) != 250 || first["DATABASE_URL"] != databaseURL {
		t.Errorf("saw %d organizations in %s", len(seen), first["DATABASE_URL"])
	}
	if info, err := os.Stat(filepath.Join(dir, "dev.env")); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("dev.env contains a key, so its mode must be 0600: %v, %v", info, err)
	}

	code, _, errs := run(t, "dev", "--addr=127.0.0.1:0", "--admin-addr=127.0.0.1:0", "--data-dir="+dir, "--database-url="+databaseURL)
	if code != exitFailed || !strings.Contains(errs, "in use") {
		t.Errorf("a second `server dev`: exit %d, %s", code, errs)
	}
	stop()

	second, stop := startDev(t, dir, databaseURL, "--orgs=400")
	defer stop()
	if second["ORGD_API_KEY"] != first["ORGD_API_KEY"] {
		t.Error("the second start made another key")
	}
	again := walk(t, second["ORGD_URL"], second["ORGD_API_KEY"])
	if len(again) != 400 {
		t.Errorf("with --orgs=400, saw %d organizations", len(again))
	}
	for id := range seen {
		if !again[id] {
			t.Errorf("%s is gone", id)
		}
	}
}

// If dev.env has a key that the database does not know, `server dev` makes a new key and
// keeps the old file as dev.env.old.
func TestDevReplacesAnUnknownKey(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "data")
	first, stop := startDev(t, dir, dbtest.NewURL(t), "--orgs=10")
	stop()
	second, stop := startDev(t, dir, dbtest.NewURL(t), "--orgs=10")
	defer stop()
	if second["ORGD_API_KEY"] == first["ORGD_API_KEY"] {
		t.Error("the key of another database was kept")
	}
	if seen := walk(t, second["ORGD_URL"], second["ORGD_API_KEY"]); len(seen) != 10 {
		t.Errorf("saw %d organizations", len(seen))
	}
	old, err := os.ReadFile(filepath.Join(dir, "dev.env.old"))
	if err != nil || !strings.Contains(string(old), first["ORGD_API_KEY"]) {
		t.Errorf("dev.env.old does not have the key of the other database: %s, %v", old, err)
	}
}

// `server dev` rejects a database that orgd or another program already uses, and does not
// change it.
func TestDevRejectsForeignDatabases(t *testing.T) {
	t.Parallel()
	production := dbtest.New(t)
	account := production.Account(t)
	production.Org(t, account, orgs.Org{})
	unmigrated := dbtest.NewURL(t)
	mustExec(t, unmigrated, "CREATE SCHEMA app CREATE TABLE customers (id int)")
	for name, databaseURL := range map[string]string{"used by orgd": production.URL, "used by another program": unmigrated} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			before := dumpSchema(t, databaseURL)
			dir := filepath.Join(t.TempDir(), "data")
			code, out, errs := run(t, "dev", "--addr=127.0.0.1:0", "--admin-addr=127.0.0.1:0", "--data-dir="+dir, "--database-url="+databaseURL)
			if code != exitFailed || out != "" || errs != "server: "+errForeignDatabase.Error()+"\n" {
				t.Errorf("exit %d, printed %q and %q", code, out, errs)
			}
			if after := dumpSchema(t, databaseURL); after != before {
				t.Errorf("the database has changed from %s to %s", before, after)
			}
			if _, err := os.Stat(filepath.Join(dir, "dev.env")); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("dev.env was written: %v", err)
			}
		})
	}
}

// dumpSchema lists the tables of a database with their row counts.
func dumpSchema(t *testing.T, databaseURL string) (tables string) {
	t.Helper()
	conn, err := pgx.Connect(context.Background(), databaseURL)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	err = conn.QueryRow(context.Background(), `
		SELECT coalesce(string_agg(c.oid::regclass || ' ' || (xpath('/row/n/text()',
			query_to_xml('SELECT count(*) AS n FROM ' || c.oid::regclass, false, true, '')))[1]::text, ', ' ORDER BY c.oid), '')
		FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
		WHERE c.relkind = 'r' AND n.nspname <> 'information_schema' AND n.nspname !~ '^pg_'`).Scan(&tables)
	if err != nil {
		t.Fatal(err)
	}
	return tables
}

// A database that has only the objects of extensions counts as empty.
func TestDevAcceptsADatabaseWithExtensions(t *testing.T) {
	t.Parallel()
	databaseURL := dbtest.NewURL(t)
	mustExec(t, databaseURL, "CREATE EXTENSION pg_stat_statements") // has views
	_, stop := startDev(t, filepath.Join(t.TempDir(), "data"), databaseURL, "--orgs=1")
	stop()
}

// If the first run was killed, the next run accepts the database that the first run has
// marked.
func TestDevAcceptsItsUnfinishedDatabase(t *testing.T) {
	t.Parallel()
	databaseURL := dbtest.NewURL(t)
	if err := claimDevDatabase(context.Background(), databaseURL); err != nil {
		t.Fatal(err)
	}
	mustExec(t, databaseURL, "CREATE TABLE half (id int)")
	_, stop := startDev(t, filepath.Join(t.TempDir(), "data"), databaseURL, "--orgs=1")
	stop()
}

// The error does not claim that no connection was made if one was.
func TestDevReportsAnUnusableDatabase(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ url, want string }{
		"down":      {"postgres://u:p@127.0.0.1:1/d", "cannot connect to the database in DATABASE_URL"},
		"read-only": {withParam(t, dbtest.NewURL(t), "default_transaction_read_only", "on"), "cannot use the database in DATABASE_URL"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			const advice = "(to get a private one, unset DATABASE_URL)"
			if err := claimDevDatabase(context.Background(), c.url); err == nil || !strings.HasPrefix(err.Error(), c.want+": ") || !strings.HasSuffix(err.Error(), advice) {
				t.Errorf("%v; want %s: … %s", err, c.want, advice)
			}
		})
	}
}

func TestReadKey(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"":                             "",
		"ORGD_URL=x\nORGD_API_KEY=k\n": "k",
		"ORGD_API_KEY='k'\r\n":         "k",
		strings.Repeat("x", 1<<17) + "\nORGD_API_KEY=k": "k",
	} {
		t.Run(fmt.Sprintf("%.40q", text), func(t *testing.T) {
			t.Parallel()
			file := filepath.Join(t.TempDir(), "dev.env")
			if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			if got, err := readKey(file); got != want || err != nil {
				t.Errorf("readKey of %.40q = %q, %v; want %q", text, got, err, want)
			}
		})
	}
}

func TestShellQuote(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"postgres://u:p@h:1/d?sslmode=disable": "postgres://u:p@h:1/d?sslmode=disable",
		"a&b":                                  "'a&b'",
		"it's":                                 `'it'\''s'`,
		"$(x)":                                 "'$(x)'",
	} {
		t.Run(in, func(t *testing.T) {
			t.Parallel()
			if got := shellQuote(in); got != want {
				t.Errorf("shellQuote(%s) = %s, want %s", in, got, want)
			}
		})
	}
}
