package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"orgd/internal/db/dbtest"
	"orgd/internal/orgs"
	"orgd/internal/uuid"
	"orgd/migrations"
)

// run executes a command line and returns what it printed.
func run(t *testing.T, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, errs safeBuffer
	code = execute(context.Background(), args, streams{out: &out, err: &errs})
	return code, out.String(), errs.String()
}

// succeed runs a command that must, and returns what it printed.
func succeed(t *testing.T, args ...string) string {
	t.Helper()
	code, out, errs := run(t, args...)
	if code != 0 {
		t.Fatalf("%q: exit %d: %s%s", args, code, out, errs)
	}
	return strings.TrimSpace(out)
}

func TestWrongValuesAreOneLineAndExit2(t *testing.T) {
	t.Parallel()
	const good = "--database-url=postgres://u:secret@127.0.0.1/d"
	id := uuid.NewV7().String()
	for _, args := range [][]string{
		{},
		{"bogus"},
		{"serve", "--database-url="},
		{"serve", "--database-url=mysql://u:secret@h/d"},
		{"serve", "--database-url=postgres://u:secret@h:port/d"},
		{"serve", good, "--addr=8080"},
		{"serve", good, "--addr=:99999"},
		{"serve", good + "?default_query_exec_mode=simple_protocol"},
		{"serve", good, "--admin-addr=localhost"},
		{"serve", good, "--public-url=orgs.example.com"},
		{"serve", good, "--public-url=https://orgs.example.com?a=b"},
		{"serve", good, "--log-level=loud"},
		{"serve", good, "--db-max-conns=0"},
		{"serve", good, "--db-max-conns=many"},
		{"serve", good, "--drain-delay=-1s"},
		{"serve", good, "--drain-delay=5"},
		{"dev", "--orgs=-1"},
		{"dev", "--addr=x"},
		{"accounts", "create", good},
		{"accounts", "create", good, "--name="},
		{"accounts", "create", good, "--name=" + strings.Repeat("é", 256)},
		{"keys", "create", good, "--account=x", "--description=d", "--scope=orgs:read"},
		{"keys", "create", good, "--account=" + id, "--description=d"},
		{"keys", "create", good, "--account=" + id, "--description=d", "--scope=orgs:delete"},
		{"keys", "create", good, "--account=" + id, "--description=d", "--scope=orgs:read", "--expires-in=-1h"},
		{"keys", "create", good, "--account=" + id, "--description=d", "--scope=orgs:read", "--expires-in=0s"},
		{"keys", "revoke", good, "x"},
		{"seed", good, "--account=" + id, "--orgs=-1"},
		{"seed", good, "--account=" + id, "--orgs=1", "--members=-1"},
		{"healthcheck", "--addr=x"},
	} {
		code, out, errs := run(t, args...)
		if code != exitUsage || out != "" || strings.Count(errs, "\n") != 1 || strings.Contains(errs, "secret") {
			t.Errorf("%q: exit %d, printed %q and %q", args, code, out, errs)
		}
	}
}

func TestHelp(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{{"--help"}, {"serve", "--help"}, {"keys", "create", "--help"}} {
		if out := succeed(t, args...); !strings.HasPrefix(out, "Usage: server") {
			t.Errorf("%q: %s", args, out)
		}
	}
}

func TestMigrateCommands(t *testing.T) {
	t.Parallel()
	database := "--database-url=" + dbtest.NewURL(t)
	if out := succeed(t, "migrate", "status", database); !strings.HasPrefix(out, "pending") {
		t.Errorf("status: %s", out)
	}
	if out := succeed(t, "migrate", "up", database); !strings.Contains(out, "applied 00001_accounts.sql") {
		t.Errorf("up: %s", out)
	}
	if out := succeed(t, "migrate", "up", database); !strings.HasPrefix(out, "up to date") {
		t.Errorf("up again: %s", out)
	}
	if out := succeed(t, "migrate", "status", database); strings.Contains(out, "pending") {
		t.Errorf("status: %s", out)
	}
	if out := succeed(t, "migrate", "down", database); !strings.HasPrefix(out, fmt.Sprintf("took back %05d", migrations.Latest())) {
		t.Errorf("down: %s", out)
	}
}

// From an empty database to a listed page, by the commands alone.
func TestFromNothingToAPage(t *testing.T) {
	t.Parallel()
	databaseURL := dbtest.NewURL(t)
	database := "--database-url=" + databaseURL
	succeed(t, "migrate", "up", database)
	var account struct{ AccountID, AccountName, CreatedAt string }
	decode(t, succeed(t, "accounts", "create", database, "--name=My team", "--json"), &account)
	if account.AccountName != "My team" || account.CreatedAt == "" {
		t.Errorf("account %+v", account)
	}
	var key struct {
		APIKeyID, Description, Hint, Key, ExpiresAt, RevokedAt string
		Scopes                                                 []string
	}
	decode(t, succeed(t, "keys", "create", database, "--account="+account.AccountID, "--description=CI",
		"--scope=orgs:read", "--scope=orgs:write", "--expires-in=720h", "--json"), &key)
	if key.Description != "CI" || len(key.Scopes) != 2 || key.ExpiresAt == "" || !strings.HasSuffix(key.Key, key.Hint[len(key.Hint)-4:]) {
		t.Errorf("key %+v", key)
	}
	succeed(t, "seed", database, "--account="+account.AccountID, "--orgs=120", "--members=3")
	succeed(t, "seed", database, "--account="+account.AccountID, "--orgs=120", "--members=3")

	r := start(t, func(c *serveConfig) { c.databaseURL = databaseURL })
	if seen := walk(t, r.url, key.Key); len(seen) != 120 {
		t.Errorf("saw %d organizations, want 120", len(seen))
	}
	for _, args := range [][]string{{"keys", "list", database}, {"keys", "list", database, "--json", "--account=" + account.AccountID}} {
		if out := succeed(t, args...); !strings.Contains(out, key.APIKeyID) || strings.Contains(out, key.Key) {
			t.Errorf("%q: %s", args, out)
		}
	}
	decode(t, succeed(t, "keys", "revoke", database, key.APIKeyID, "--json"), &key)
	if key.RevokedAt == "" {
		t.Errorf("revoked %+v", key)
	}
	if status, _, _ := get(t, r.url+"/v1/orgs", key.Key); status != http.StatusUnauthorized {
		t.Errorf("with the revoked key: %d", status)
	}
}

// A key that is printed plainly stands alone on standard output.
func TestKeyIsPrintedAlone(t *testing.T) {
	t.Parallel()
	d := dbtest.New(t)
	out := succeed(t, "keys", "create", "--database-url="+d.URL, "--account="+d.Account(t).String(), "--description=d", "--scope=orgs:read")
	if !strings.HasPrefix(out, "orgd_") || strings.ContainsAny(out, " \n") {
		t.Errorf("printed %q", out)
	}
}

func TestCommandsThatFail(t *testing.T) {
	t.Parallel()
	d := dbtest.New(t)
	id := uuid.NewV7().String()
	for _, args := range [][]string{
		{"keys", "create", "--database-url=" + d.URL, "--account=" + id, "--description=d", "--scope=orgs:read"},
		{"keys", "revoke", "--database-url=" + d.URL, id},
		{"seed", "--database-url=" + d.URL, "--account=" + id, "--orgs=1"},
		{"accounts", "create", "--database-url=" + dbtest.NewURL(t), "--name=before the schema"},
		{"migrate", "up", "--database-url=postgres://u:secret@127.0.0.1:1/d"},
		{"healthcheck", "--addr=127.0.0.1:1"},
	} {
		code, out, errs := run(t, args...)
		if code != exitFailed || out != "" || errs == "" || strings.Contains(errs, "secret") {
			t.Errorf("%q: exit %d, printed %q and %q", args, code, out, errs)
		}
	}
}

func TestHealthcheck(t *testing.T) {
	t.Parallel()
	d := dbtest.New(t)
	r := start(t, func(c *serveConfig) { c.databaseURL = d.URL })
	addr := "--addr=" + strings.TrimPrefix(r.url, "http://")
	succeed(t, "healthcheck", addr)
	if err := r.stop(); err != nil {
		t.Fatal(err)
	}
	if code, _, _ := run(t, "healthcheck", addr); code != exitFailed {
		t.Errorf("of a stopped server: exit %d", code)
	}
}

func decode(t *testing.T, text string, v any) {
	t.Helper()
	if err := json.Unmarshal([]byte(text), v); err != nil {
		t.Fatalf("%v in %s", err, text)
	}
}

// The commands' organizations are the service's own.
func TestSeededOrganizationsCanBeFound(t *testing.T) {
	t.Parallel()
	d := dbtest.New(t)
	account := d.Account(t)
	succeed(t, "seed", "--database-url="+d.URL, "--account="+account.String(), "--orgs=500")
	repository := orgs.NewRepository(d.Conns)
	all, err := repository.List(context.Background(), account, orgs.ListParams{Limit: 100})
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range all.Orgs[:20] {
		found, err := repository.List(context.Background(), account, orgs.ListParams{Limit: 100, Name: strings.ToUpper(o.Name)})
		if err != nil || len(found.Orgs) == 0 {
			t.Errorf("%q is not found: %v", o.Name, err)
		}
	}
}
