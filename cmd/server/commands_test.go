package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"strings"
	"testing"

	"orgd/internal/dbtest"
	"orgd/internal/orgs"
	"orgd/internal/uuid"
	"orgd/migrations"
)

// run executes a command line and returns its output.
func run(t *testing.T, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, errs safeBuffer
	code = execute(context.Background(), args, &out, &errs)
	return code, out.String(), errs.String()
}

// succeed runs a command that must succeed and returns its output.
func succeed(t *testing.T, args ...string) string {
	t.Helper()
	code, out, errs := run(t, args...)
	if code != 0 {
		t.Fatalf("%q: exit %d: %s%s", args, code, out, errs)
	}
	return strings.TrimSpace(out)
}

// A wrong command line or variable is reported in one line, with exit code 2.
func TestWrongValues(t *testing.T) {
	t.Parallel()
	const good = "--database-url=postgres://u:pa55word@127.0.0.1/d"
	id := uuid.NewV7().String()
	for _, args := range [][]string{
		{},
		{"bogus"},
		{"serve", "--database-url="},
		{"serve", "--database-url=mysql://u:pa55word@h/d"},
		{"serve", "--database-url=postgres://u:pa55word@h:port/d"},
		{"serve", "--database-url=jdbc:postgresql://h/d?user=u&password=pa55word"},
		{"serve", "--database-url=postgres+asyncpg://u:pa55word@h/d?ssl=true"},
		{"serve", "--database-url='postgres://u:pa55word@h/d?sslmode=disable'"},
		{"serve", good + "\n"},
		{"serve", good + " "},
		{"migrate", "up", "--database-url= postgres://u:pa55word@h/d"},
		{"dev", good + "\n"},
		{"serve", good, "--db-direct-url=postgres://u:pa55word@h/d\n"},
		{"serve", good + "?sslrootcert=/no/such/file"},
		{"serve", good + "?sslmode=on"},
		{"serve", "--database-url=postgres://u:pa55word%@h/d"},
		{"serve", good, "--addr=8080"},
		{"serve", good, "--addr=:99999"},
		{"serve", good + "?default_query_exec_mode=simple_protocol"},
		{"serve", good, "--admin-addr=localhost"},
		{"serve", good, "--public-url=orgs.example.com"},
		{"serve", good, "--public-url=https://orgs.example.com?a=b"},
		{"serve", good, "--otlp-endpoint=localhost:4318"},
		{"serve", good, "--otlp-endpoint=http://u:pa55word@localhost:4318"},
		{"serve", good, "--log-sample=1.5"},
		{"serve", good, "--log-sample=NaN"},
		{"serve", good, "--log-level=loud"},
		{"serve", good, "--db-max-conns=0"},
		{"serve", good, "--db-max-conns=many"},
		{"serve", good, "--drain-delay=-1s"},
		{"serve", good, "--drain-delay=5"},
		{"serve", good, "--idle-timeout=0s"},
		{"serve", good, "--idle-timeout=25h"},
		{"dev", "--orgs=-1"},
		{"dev", "--addr=x"},
		{"dev", "--rate-limit=-1"},
		{"accounts", "create", good},
		{"accounts", "create", good, "--name="},
		{"accounts", "create", good, "--name=" + strings.Repeat("é", 256)},
		{"accounts", "create", good, "--name=a\nb"},
		{"accounts", "create", good, "--name=\u200b"},
		{"keys", "create", good, "--account=x", "--description=d", "--scope=orgs:read"},
		{"keys", "create", good, "--account=" + id, "--description=d"},
		{"keys", "create", good, "--account=" + id, "--description=a\nb", "--scope=orgs:read"},
		{"keys", "create", good, "--account=" + id, "--description= ", "--scope=orgs:read"},
		{"keys", "create", good, "--account=" + id, "--description=\u200b", "--scope=orgs:read"},
		{"keys", "create", good, "--account=" + id, "--description=d", "--scope=orgs:admin"},
		{"keys", "create", good, "--account=" + id, "--description=d", "--scope=orgs:read", "--expires-in=-1h"},
		{"keys", "create", good, "--account=" + id, "--description=d", "--scope=orgs:read", "--expires-in=0s"},
		{"keys", "revoke", good, "x"},
		{"keys", "create", good, "--account=" + id, "--description=d", "--scope=orgs:read", "--rate-limit=-1"},
		{"keys", "update", good, id},
		{"keys", "update", good, id, "--expires-in=0s"},
		{"keys", "update", good, id, "--expires-in=1h", "--never-expires"},
		{"keys", "update", good, id, "--description="},
		{"keys", "update", good, id, "--description=a\u009f"},
		{"keys", "update", good, id, "--rate-limit=1000001"},
		{"keys", "rotate", good, id, "--overlap=-1s"},
		{"keys", "rotate", good, id, "--overlap=721h"},
		{"serve", good, "--rate-limit=-1"},
		{"serve", good, "--db-direct-url=mysql://h/d"},
		{"migrate", "up", good, "--db-direct-url=" + "postgres://u:pa55word@h:port/d"},
		{"serve", good, "--db-exec-mode=simple"},
		{"serve", good, "--max-in-flight=-1"},
		{"serve", good, "--max-keys-per-account=-1"},
		{"serve", good, "--key-cache-ttl=6m"},
		{"serve", good, "--trusted-proxies=10.0.0.0/33"},
		{"serve", good, "--events-keep=23h"},
		{"serve", good, "--events-keep=400"},
		{"events", "export", good},
		{"events", "export", good, "--account=" + id, "--after=-1"},
		{"events", "export", good, "--account=" + id, "--types=org.made"},
		{"import", good, "--account=" + id},
		{"import", good, "orgs.ndjson"},
		{"import", good, "--account=" + id, "--max-line=0", "orgs.ndjson"},
		{"import", good, "--account=" + id, "--max-line=2GiB", "orgs.ndjson"},
		{"export", good},
		{"seed", good, "--account=" + id, "--orgs=-1"},
		{"seed", good, "--account=" + id, "--orgs=1", "--members=-1"},
		{"healthcheck", "--addr=x"},
	} {
		t.Run(strings.Join(args, " "), func(t *testing.T) {
			t.Parallel()
			code, out, errs := run(t, args...)
			if code != exitUsage || out != "" || strings.Count(errs, "\n") != 1 || strings.Contains(errs, "pa55word") {
				t.Errorf("exit %d, printed %q and %q", code, out, errs)
			}
		})
	}
}

// The error names the missing file, but not the URL.
func TestMissingCertificateIsNamed(t *testing.T) {
	t.Parallel()
	_, _, errs := run(t, "migrate", "up", "--database-url=postgres://u:pa55word@127.0.0.1/d?sslmode=verify-full&sslrootcert=/no/such/file")
	if errs != "server: migrate up: DATABASE_URL names a file that cannot be read: open /no/such/file: no such file or directory\n" {
		t.Errorf("%q", errs)
	}
}

func TestHelp(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{{"--help"}, {"serve", "--help"}, {"keys", "create", "--help"}} {
		t.Run(strings.Join(args, " "), func(t *testing.T) {
			t.Parallel()
			if out := succeed(t, args...); !strings.HasPrefix(out, "Usage: server") {
				t.Error(out)
			}
		})
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
	if out := succeed(t, "migrate", "up", database); !strings.HasPrefix(out, "no pending migrations") {
		t.Errorf("up again: %s", out)
	}
	if out := succeed(t, "migrate", "status", database); strings.Contains(out, "pending") {
		t.Errorf("status: %s", out)
	}
	if out := succeed(t, "migrate", "down", database); !strings.HasPrefix(out, fmt.Sprintf("rolled back %05d", migrations.Latest())) {
		t.Errorf("down: %s", out)
	}
}

// After these commands, the API lists organizations from a database that was empty.
func TestCommandsPrepareAnEmptyDatabaseForTheAPI(t *testing.T) {
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
	for range 2 { // the second run adds nothing
		want := "account " + account.AccountID + " now has all 120 sample organizations of seed 1"
		if out := succeed(t, "seed", database, "--account="+account.AccountID, "--orgs=120", "--members=3"); out != want {
			t.Errorf("seed printed %q, want %q", out, want)
		}
	}

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

func TestVersionCommand(t *testing.T) {
	t.Parallel()
	if out := succeed(t, "version"); !strings.HasPrefix(out, "orgd dev commit ") || !strings.Contains(out, " go1.") {
		t.Errorf("printed %q", out)
	}
}

// Operators can change, rotate and revoke keys.
func TestKeyCommands(t *testing.T) {
	t.Parallel()
	d := dbtest.New(t)
	database := "--database-url=" + d.URL
	var account struct{ AccountID string }
	decode(t, succeed(t, "accounts", "create", database, "--name= Mine ", "--json"), &account)
	var listed []struct{ AccountID, AccountName string }
	decode(t, succeed(t, "accounts", "list", database, "--json"), &listed)
	if len(listed) != 1 || listed[0].AccountID != account.AccountID || listed[0].AccountName != "Mine" {
		t.Errorf("accounts %+v", listed)
	}
	if out := succeed(t, "accounts", "list", database); !strings.Contains(out, account.AccountID) {
		t.Errorf("accounts: %s", out)
	}
	type key struct{ APIKeyID, Description, Key, ExpiresAt, RevokedAt string }
	var old, changed, next key
	decode(t, succeed(t, "keys", "create", database, "--account="+account.AccountID, "--description=old", "--scope=keys:manage", "--rate-limit=7", "--json"), &old)
	decode(t, succeed(t, "keys", "update", database, old.APIKeyID, "--description= new\n", "--expires-in=1h", "--json"), &changed)
	if changed.Description != "new" || changed.ExpiresAt == "" || changed.Key != "" {
		t.Errorf("updated %+v", changed)
	}
	changed = key{}
	decode(t, succeed(t, "keys", "update", database, old.APIKeyID, "--never-expires", "--json"), &changed)
	if changed.Description != "new" || changed.ExpiresAt != "" {
		t.Errorf("updated %+v", changed)
	}
	decode(t, succeed(t, "keys", "rotate", database, old.APIKeyID, "--overlap=0s", "--json"), &next)
	if next.Description != "new" || next.APIKeyID == old.APIKeyID || !strings.HasPrefix(next.Key, "orgd_") {
		t.Errorf("rotated %+v", next)
	}
	rates := func() (rates string) {
		err := d.Pool.QueryRow(context.Background(), "SELECT string_agg(coalesce(rate_limit::text, '-'), ',' ORDER BY created_at) FROM api_keys").Scan(&rates)
		if err != nil {
			t.Fatal(err)
		}
		return rates
	}
	if got := rates(); got != "7,7" {
		t.Errorf("rates %s", got)
	}
	succeed(t, "keys", "update", database, next.APIKeyID, "--default-rate")
	succeed(t, "keys", "update", database, old.APIKeyID, "--rate-limit=0")
	if got := rates(); got != "0,-" {
		t.Errorf("rates %s", got)
	}
	r := start(t, func(c *serveConfig) { c.databaseURL = d.URL })
	for k, want := range map[string]int{old.Key: http.StatusUnauthorized, next.Key: http.StatusOK} {
		if status, _, _ := get(t, r.url+"/v1/api-keys", k); status != want {
			t.Errorf("status %d, want %d", status, want)
		}
	}
	// Unlike the API, an operator may revoke even the last key that manages keys.
	decode(t, succeed(t, "keys", "revoke", database, next.APIKeyID, "--json"), &changed)
	if changed.RevokedAt == "" {
		t.Errorf("revoked %+v", changed)
	}
}

// Without --json, standard output contains only the key.
func TestOnlyTheKeyIsPrinted(t *testing.T) {
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
		{"migrate", "up", "--database-url=postgres://u:pa55word@127.0.0.1:1/d"},
		{"healthcheck", "--addr=127.0.0.1:1"},
	} {
		t.Run(strings.Join(args[:2], " "), func(t *testing.T) {
			t.Parallel()
			code, out, errs := run(t, args...)
			if code != exitFailed || out != "" || errs == "" || strings.Contains(errs, "pa55word") {
				t.Errorf("exit %d, printed %q and %q", code, out, errs)
			}
		})
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
		t.Errorf("healthcheck of a stopped server: exit %d", code)
	}
}

// The healthcheck does not use a proxy, even for an address that is not loopback.
func TestHealthcheckIgnoresProxy(t *testing.T) {
	t.Parallel()
	asked := make(chan struct{}, 1)
	proxy := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		select {
		case asked <- struct{}{}:
		default:
		}
	}))
	defer proxy.Close()
	// A connection to the broadcast address fails at once.
	p := startWith(t, []string{"HTTP_PROXY=" + proxy.URL, "http_proxy=" + proxy.URL}, "healthcheck", "--addr=255.255.255.255:8080")
	var exit *exec.ExitError
	if err := p.wait(); !errors.As(err, &exit) || exit.ExitCode() != exitFailed || len(asked) > 0 {
		t.Errorf("the proxy received %d requests, and the command ended with %v", len(asked), err)
	}
}

func decode(t *testing.T, text string, v any) {
	t.Helper()
	if err := json.Unmarshal([]byte(text), v); err != nil {
		t.Fatalf("%v in %s", err, text)
	}
}

// The filter by name finds the organizations that `server seed` creates.
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
