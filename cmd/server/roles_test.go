package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"orgd/internal/db"
	"orgd/internal/dbtest"
	"orgd/internal/webhooks"
	"orgd/migrations"
)

const rolesFile = "../../deploy/postgres/roles.sql"

// roles is a database with the roles of roles.sql. The roles have unique names, because
// they belong to the whole PostgreSQL server.
type roles struct {
	admin         string // URL for the administrator
	owner, server string // names of the roles
	sql           string
}

var roleName = regexp.MustCompile(`\borgd(_owner)?\b`)

func newRoles(t *testing.T) *roles {
	t.Helper()
	text, err := os.ReadFile(rolesFile)
	if err != nil {
		t.Fatal(err)
	}
	server := "test_" + strings.ToLower(rand.Text())
	r := &roles{admin: dbtest.NewURL(t), owner: server + "_owner", server: server}
	r.sql = roleName.ReplaceAllString(string(text), server+"${1}")
	t.Cleanup(func() {
		for _, role := range []string{r.owner, r.server} {
			if err := execAs(r.admin, fmt.Sprintf("REASSIGN OWNED BY %[1]s TO CURRENT_USER; DROP OWNED BY %[1]s; DROP ROLE %[1]s", role)); err != nil {
				t.Error(err)
			}
		}
	})
	return r
}

// urlAs returns the URL for a role.
func (r *roles) urlAs(t *testing.T, role string) string {
	t.Helper()
	u, err := url.Parse(r.admin)
	if err != nil {
		t.Fatal(err)
	}
	u.User = url.UserPassword(role, "secret")
	return u.String()
}

// run runs roles.sql as the administrator and sets passwords.
func (r *roles) run(t *testing.T) {
	t.Helper()
	mustExec(t, r.admin, r.sql)
	for _, role := range []string{r.owner, r.server} {
		mustExec(t, r.admin, fmt.Sprintf("ALTER ROLE %s PASSWORD 'secret'", role))
	}
}

// install creates the roles and the schema in the order that roles.sql describes. It
// returns the database, connected as the owner.
func (r *roles) install(t *testing.T) (owners *dbtest.DB) {
	t.Helper()
	r.run(t)
	owner := r.urlAs(t, r.owner)
	if _, err := db.MigrateUp(context.Background(), owner, migrations.FS); err != nil {
		t.Fatal(err)
	}
	r.run(t)
	conns, err := db.Open(context.Background(), owner, db.Options{MaxConns: 4})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(conns.Close)
	return &dbtest.DB{URL: owner, Conns: conns, Pool: conns.Pgx()}
}

func execAs(url, sql string) error {
	ctx := context.Background()
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		return err
	}
	_, err = conn.Exec(ctx, sql) // several statements run as one transaction
	return errors.Join(err, conn.Close(ctx))
}

func mustExec(t *testing.T, url, sql string) {
	t.Helper()
	if err := execAs(url, sql); err != nil {
		t.Fatal(err)
	}
}

// The serving role can run every operation of the API. It has no write privilege on a
// table that no operation uses.
func TestServingRoleServes(t *testing.T) {
	t.Parallel()
	r := newRoles(t)
	d := r.install(t)
	account := d.Account(t)
	key := d.Key(t, account)
	// Some installations revoke the privileges of PUBLIC.
	d.Exec(t, "REVOKE EXECUTE ON FUNCTION org_metadata_is_valid(jsonb), org_name_grams(text), org_name_key(text), org_name_cut(text), org_member_roles(uuid, uuid, text[]), org_roles_are_valid(text[]) FROM PUBLIC")
	mustExec(t, r.admin, "SELECT pg_stat_reset()")

	s := start(t, func(c *serveConfig) {
		remembering(r.urlAs(t, r.server))(c)
		c.flushEvery, c.sweepEvery = 10*time.Millisecond, time.Hour
		c.webhooks = webhookConfig{targets: webhooks.Targets{PlainLoopback: true}, concurrency: 4}
	})
	s.awaitLog(t, hearing, 1)
	s.liveThrough(t, d, key)
	await(t, "the use of a key is not written", func() bool { return count(t, d, "SELECT count(last_used_at) FROM api_keys") > 0 })
	if err := s.stop(); err != nil {
		t.Fatal(err)
	}

	succeed(t, "events", "export", "--database-url="+r.urlAs(t, r.server), "--account="+account.String())
	file := filepath.Join(t.TempDir(), "orgs.ndjson")
	succeed(t, "export", "--database-url="+r.urlAs(t, r.server), "--account="+account.String(), file)
	succeed(t, "import", "--database-url="+r.urlAs(t, r.server), "--account="+d.Account(t).String(), file)

	// The role can also use a table that a later migration creates, which roles.sql does
	// not name.
	if _, err := db.MigrateUp(context.Background(), d.URL, withLaterMigration(t)); err != nil {
		t.Fatal(err)
	}
	mustExec(t, r.urlAs(t, r.server), "INSERT INTO later DEFAULT VALUES; UPDATE later SET n = 2 WHERE later_twice(n) = 2; DELETE FROM later; SELECT * FROM later")
	d.Exec(t, "UPDATE idempotency_keys SET created_at = now() - interval '25 hours'")
	d.Exec(t, "UPDATE unanswered_creations SET created_at = now() - interval '25 hours'")
	d.Exec(t, "UPDATE events SET occurred_at = occurred_at - interval '25 hours' WHERE position <= 3")
	s = start(t, func(c *serveConfig) {
		c.databaseURL, c.sweepEvery = r.urlAs(t, r.server), 10*time.Millisecond
		c.eventsKeep, c.removeEvery = day, 10*time.Millisecond
	})
	awaitStatus(t, s.url+"/readyz", http.StatusOK)
	await(t, "old records are not swept", func() bool {
		return count(t, d, "SELECT (SELECT count(*) FROM idempotency_keys) + (SELECT count(*) FROM unanswered_creations)") == 0
	})
	await(t, "old events are not deleted", func() bool { return count(t, d, "SELECT removed_position FROM feeds") == 3 })
	if err := s.stop(); err != nil {
		t.Fatal(err)
	}
	for _, problem := range []string{`"WARN"`, `"ERROR"`} {
		if strings.Contains(s.log.String(), problem) {
			t.Errorf("the server logged a warning or an error: %s", s.log)
		}
	}
	unused := `SELECT string_agg(relname || ' ' || what, ', ') FROM pg_stat_user_tables, LATERAL (VALUES
		('INSERT', n_tup_ins), ('UPDATE', n_tup_upd), ('DELETE', n_tup_del)) AS done (what, rows)
		WHERE has_table_privilege($1, relid, what) AND rows = 0
		AND relname <> 'later'` // the table of the later migration
	var rights *string
	await(t, "the role has a privilege that no operation uses", func() bool { // PostgreSQL updates the counts when a connection ends
		if err := d.Pool.QueryRow(context.Background(), unused, r.server).Scan(&rights); err != nil {
			t.Fatal(err)
		}
		return rights == nil || t.Failed()
	})
}

// withLaterMigration returns the migrations and a later one.
func withLaterMigration(t *testing.T) fs.FS {
	t.Helper()
	return dbtest.MigrationsWith(t, "99999_later.sql", `-- +goose Up
CREATE TABLE later (id bigint GENERATED ALWAYS AS IDENTITY, n int DEFAULT 1);
CREATE FUNCTION later_twice(n int) RETURNS int LANGUAGE sql RETURN 2 * n;
REVOKE EXECUTE ON FUNCTION later_twice(int) FROM PUBLIC;
`)
}

// liveThrough calls every operation of the API.
func (r *running) liveThrough(t *testing.T, d *dbtest.DB, key string) {
	t.Helper()
	const user = `{"userId":"usr_00000000000000000000000000000001"}`
	ask := func(want int, method, path, body string, header ...string) string {
		t.Helper()
		status, answer := r.ask(t, key, method, path, body, header...)
		if status != want {
			t.Fatalf("%s %s: %d %s", method, path, status, answer)
		}
		return answer
	}
	named := []string{"Idempotency-Key", "one"}
	org := "/v1/orgs/" + field(t, ask(201, "POST", "/v1/orgs", `{"orgName":"Acme","metadata":{"a":"b"}}`), "orgId")
	first := ask(201, "POST", "/v1/orgs", `{"orgName":"Named"}`, named...)
	if again := ask(201, "POST", "/v1/orgs", `{"orgName":"Named"}`, named...); again != first {
		t.Errorf("the repeat got %s, want %s", again, first)
	}
	d.Exec(t, "UPDATE idempotency_keys SET created_at = now() - interval '25 hours'")
	if again := ask(201, "POST", "/v1/orgs", `{"orgName":"Named"}`, named...); again == first {
		t.Error("a stored result is returned after 24 hours")
	}
	d.Exec(t, "CREATE FUNCTION unsettled() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'")
	d.Exec(t, "CREATE TRIGGER unsettled BEFORE DELETE ON unanswered_creations FOR EACH ROW EXECUTE FUNCTION unsettled()")
	ask(503, "POST", "/v1/orgs", `{"orgName":"Again"}`, "X-Stainless-Retry-Count", "0")
	d.Exec(t, "DROP TRIGGER unsettled ON unanswered_creations")
	ask(201, "POST", "/v1/orgs", `{"orgName":"Again"}`, "X-Stainless-Retry-Count", "1")
	ask(200, "PATCH", org, `{"orgName":"Acme Group","metadata":{"c":"d"}}`)
	ask(200, "PATCH", org, `{"externalId":"crm/1","revision":2}`)
	ask(200, "PATCH", org+"/metadata", `{"c":"d","e":null}`)
	ask(201, "PUT", "/v1/orgs/external/crm%2F2", `{"orgName":"External"}`)
	ask(200, "PUT", "/v1/orgs/external/crm%2F2", `{"orgName":"External"}`)
	ask(409, "POST", "/v1/orgs", `{"orgName":"External","externalId":"crm/1"}`)
	ask(409, "PATCH", org, `{"externalId":"crm/2"}`)
	ask(200, "POST", org+"/users", user)
	for _, query := range []string{
		"", "?limit=1", "?isActive=true", "?orgName=acme", "?orgName=zx", "?orgName=zyzzy",
		"?userId=usr_00000000000000000000000000000001", "?metadata%5Bc%5D=d", "?metadata%5Bx%5D=y",
		"?externalId=crm%2F1",
		"?orgName=acme&isActive=true&userId=usr_00000000000000000000000000000001&metadata%5Bc%5D=d",
	} {
		ask(200, "GET", "/v1/orgs"+query, "")
	}
	ask(200, "GET", org, "")
	ask(200, "GET", org+"/users", "")
	ask(200, "DELETE", org+"/users", user)
	ask(201, "PUT", org+"/users/auth0%7C1", `{"roles":["owner"]}`)
	ask(200, "PUT", org+"/users/auth0%7C1", `{"roles":["editor"]}`)
	ask(200, "GET", org+"/users/auth0%7C1", "")
	ask(200, "GET", org+"/users?role=owner", "")
	ask(200, "GET", org+"/users?userId=auth0%7C1", "")
	ask(200, "GET", "/v1/orgs?orgId="+strings.TrimPrefix(org, "/v1/orgs/")+"&userId=auth0%7C1", "")
	ask(200, "PATCH", org+"/users", `{"add":[{"userId":"auth0|2","roles":["owner"]}],"remove":["auth0|1"]}`)
	ask(204, "DELETE", org+"/users/auth0%7C2", "")
	ask(200, "POST", org+"/deactivate", "")
	ask(200, "POST", org+"/reactivate", "")
	ask(200, "POST", org+"/users", user)
	ask(202, "DELETE", "/v1/users/usr_00000000000000000000000000000001", "")
	await(t, "the user is not erased", func() bool {
		status, _ := r.ask(t, key, "DELETE", "/v1/users/usr_00000000000000000000000000000001", "")
		return status == 204
	})
	ask(200, "POST", org+"/deactivate", "")
	ask(204, "DELETE", org, "")
	ask(200, "GET", org+"/events", "")
	await(t, "the organization is not erased", func() bool { return count(t, d, "SELECT count(*) FROM org_erasures") == 0 })

	ask(200, "GET", "/v1/events?limit=100", "")
	r.liveWithWebhooks(t, d, ask)

	made := ask(201, "POST", "/v1/api-keys", `{"description":"Sync","scopes":["orgs:read"]}`)
	apiKey := "/v1/api-keys/" + field(t, made, "apiKeyId")
	ask(200, "GET", "/v1/api-keys", "")
	ask(200, "GET", apiKey, "")
	ask(200, "GET", apiKey+"/events", "")
	ask(200, "PATCH", apiKey, `{"description":"Hourly"}`)
	ask(201, "POST", apiKey+"/rotate", `{"overlapSeconds":60}`)
	if !r.opens(t, field(t, made, "key")) {
		t.Error("the new key does not work")
	}
	ask(200, "POST", apiKey+"/revoke", "")
	await(t, "a revoked key works", func() bool { return !r.opens(t, field(t, made, "key")) })
	awaitStatus(t, r.url+"/readyz", http.StatusOK)
}

// liveWithWebhooks calls every webhook operation, until new delivery attempts overwrite old
// ones.
func (r *running) liveWithWebhooks(t *testing.T, d *dbtest.DB, ask func(want int, method, path, body string, header ...string) string) {
	t.Helper()
	var received atomic.Int32
	receiver := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if received.Add(1) == 3 {
			w.WriteHeader(http.StatusGone)
		}
	}))
	t.Cleanup(receiver.Close)
	hook := "/v1/webhooks/" + field(t, ask(201, "POST", "/v1/webhooks", fmt.Sprintf(`{"url":%q,"description":"Test"}`, receiver.URL)), "webhookId")
	ask(200, "GET", "/v1/webhooks", "")
	ask(200, "GET", hook, "")
	ask(200, "POST", hook+"/test", "")
	ask(200, "PATCH", hook, `{"description":"Changed"}`)
	await(t, "410 does not disable the webhook", func() bool { return strings.Contains(ask(200, "GET", hook, ""), `"disabledReason":"gone"`) })
	ask(200, "POST", hook+"/enable", "")
	ask(200, "POST", hook+"/rotate-secret", "")
	ask(200, "POST", hook+"/disable", "")
	ask(200, "POST", hook+"/enable", "")
	for round := int32(1); count(t, d, "SELECT count(*) FROM webhook_attempts WHERE number > 100") == 0; round++ {
		ask(200, "POST", hook+"/replay", `{"fromPosition":1}`)
		await(t, "the events are not sent again", func() bool { return received.Load() > 25*round })
	}
	ask(200, "GET", hook+"/attempts", "")
	first := text(t, d, "SELECT max(alive_until)::text FROM webhook_workers")
	await(t, "the worker does not stay alive", func() bool {
		ask(200, "POST", hook+"/replay", `{"fromPosition":1}`)
		return text(t, d, "SELECT max(alive_until)::text FROM webhook_workers") != first
	})
	ask(204, "DELETE", hook, "")
}

func text(t *testing.T, d *dbtest.DB, sql string) (s string) {
	t.Helper()
	if err := d.Pool.QueryRow(context.Background(), sql).Scan(&s); err != nil {
		t.Fatal(err)
	}
	return s
}

func (r *running) ask(t *testing.T, key, method, path, body string, header ...string) (int, string) {
	t.Helper()
	request, err := http.NewRequestWithContext(context.Background(), method, r.url+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Authorization", "Bearer "+key)
	if body != "" {
		request.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i < len(header); i += 2 {
		request.Header.Set(header[i], header[i+1])
	}
	response, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, string(answer)
}

// field returns a string field of a JSON answer.
func field(t *testing.T, answer, name string) string {
	t.Helper()
	found := regexp.MustCompile(`"` + name + `":"([^"]+)"`).FindStringSubmatch(answer)
	if found == nil {
		t.Fatalf("no %s in %s", name, answer)
	}
	return found[1]
}

// The serving role can manage keys. Only the owner can create accounts.
func TestCommandsByTheServingRole(t *testing.T) {
	t.Parallel()
	r := newRoles(t)
	d := r.install(t)
	database := "--database-url=" + r.urlAs(t, r.server)
	account := "--account=" + d.Account(t).String()
	made := succeed(t, "keys", "create", database, account, "--description=Shell", "--scope=orgs:read", "--json")
	id := regexp.MustCompile(`"apiKeyId": "([^"]+)"`).FindStringSubmatch(made)
	if id == nil {
		t.Fatalf("no id in %s", made)
	}
	succeed(t, "keys", "list", database, account)
	succeed(t, "keys", "update", database, id[1], "--description=Other")
	succeed(t, "keys", "rotate", database, id[1])
	succeed(t, "keys", "revoke", database, id[1])
	for _, args := range [][]string{
		{"accounts", "create", database, "--name=Mine"},
		{"accounts", "list", database},
		{"migrate", "down", database},
	} {
		t.Run(strings.Join(args[:2], " "), func(t *testing.T) {
			t.Parallel()
			code, _, errs := run(t, args...)
			if code != exitFailed || strings.Count(errs, "\n") != 1 || !strings.Contains(errs, "42501") {
				t.Errorf("exit %d, %s", code, errs)
			}
		})
	}
}

// The serving role is denied what it does not need.
func TestServingRoleHasNoOtherPrivileges(t *testing.T) {
	t.Parallel()
	r := newRoles(t)
	d := r.install(t)
	for _, sql := range []string{
		"CREATE TABLE mine ()", "CREATE TEMP TABLE mine ()", "CREATE SCHEMA mine", "CREATE EXTENSION hstore",
		"CREATE FUNCTION mine() RETURNS int LANGUAGE sql RETURN 1", "CREATE ROLE mine", "CREATE DATABASE mine",
		"DROP TABLE orgs", "ALTER TABLE orgs ADD COLUMN mine int", "ALTER TABLE orgs DISABLE TRIGGER ALL", "TRUNCATE orgs",
		"CREATE INDEX ON orgs (org_name)", "DROP FUNCTION org_name_grams(text)",
		"UPDATE org_members SET added_at = now()",
		"UPDATE events SET type = 'x'", "UPDATE events SET occurred_at = now()", "UPDATE events SET api_key_id = NULL",
		"DELETE FROM feeds", "UPDATE feeds SET account_id = gen_random_uuid()",
		"DELETE FROM api_keys", "SELECT name FROM accounts", "INSERT INTO accounts (id, name) VALUES (gen_random_uuid(), 'x')",
		"UPDATE accounts SET name = 'x'", "DELETE FROM accounts", "UPDATE orgs SET created_at = now()", "UPDATE orgs SET org_id = gen_random_uuid()",
		"INSERT INTO orgd_migrations (version_id, is_applied) VALUES (12, true)", "DELETE FROM orgd_migrations",
		"UPDATE schema_floor SET version = 99", "DELETE FROM schema_floor",
		"SELECT nextval('events_id_seq')", "SET ROLE " + r.owner, "ALTER ROLE " + r.owner + " PASSWORD 'mine'",
		"SELECT rolpassword FROM pg_authid", "SELECT pg_read_file('postgresql.conf')", "COPY orgs TO PROGRAM 'cat'",
		"SET session_replication_role = replica",
	} {
		t.Run(sql, func(t *testing.T) {
			err := execAs(r.urlAs(t, r.server), sql)
			if err == nil {
				t.Errorf("%s is allowed", sql)
				return
			}
			if pgErr, ok := errors.AsType[*pgconn.PgError](err); !ok || pgErr.Code != "42501" {
				t.Errorf("%s: %v", sql, err)
			}
		})
	}
	// A table that roles.sql does not name would keep the default privileges: all reads
	// and writes.
	rows, err := d.Pool.Query(context.Background(), "SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
	if err != nil {
		t.Fatal(err)
	}
	tables, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil || len(tables) == 0 {
		t.Fatalf("%v, %v", tables, err)
	}
	for _, table := range tables {
		if !strings.Contains(r.sql, "('"+table+"',") {
			t.Errorf("roles.sql does not say what the server may do with %s", table)
		}
	}
}

// roles.sql sets the timeouts that the server sets itself when there is no pooler.
func TestServingRoleHasTheTimeouts(t *testing.T) {
	t.Parallel()
	r := newRoles(t)
	r.install(t)
	s := start(t, func(c *serveConfig) {
		c.databaseURL = r.urlAs(t, r.server)
		c.directURL = withParam(t, c.databaseURL, "application_name", "direct") // a different direct URL makes the server treat DATABASE_URL as a pooler
	})
	awaitStatus(t, s.url+"/readyz", http.StatusOK)
	s.awaitLog(t, `"msg":"serving"`, 1)
	if strings.Contains(s.log.String(), `"setting":`) {
		t.Errorf("the server warns that the role lacks a setting: %s", s.log)
	}
	conn, err := pgx.Connect(context.Background(), r.urlAs(t, r.server))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	for name, want := range map[string]time.Duration{
		"statement_timeout": statementTimeout, "lock_timeout": lockTimeout, "idle_in_transaction_session_timeout": idleTxTimeout,
	} {
		t.Run(name, func(t *testing.T) {
			var same bool
			if err := conn.QueryRow(context.Background(), "SELECT current_setting($1)::interval = $2", name, want).Scan(&same); err != nil || !same {
				t.Errorf("%s is not %s: %v", name, want, err)
			}
		})
	}
}

// If the extensions exist already, the migrating role needs no privilege to create them.
func TestMigrationsWithoutThePrivilegeToCreateExtensions(t *testing.T) {
	t.Parallel()
	r := newRoles(t)
	r.run(t)
	mustExec(t, r.admin, fmt.Sprintf("DO $$ BEGIN EXECUTE format('ALTER DATABASE %%I OWNER TO %%I', current_database(), current_user); END $$; GRANT CONNECT ON DATABASE %q TO %s",
		strings.TrimPrefix(mustParse(t, r.admin).Path, "/"), r.owner))
	code, _, errs := run(t, "migrate", "up", "--database-url="+r.urlAs(t, r.owner))
	if code != exitFailed || strings.Count(errs, "\n") != 1 || !strings.Contains(errs, `permission denied to create extension "pg_trgm"`) {
		t.Errorf("without the extensions: exit %d, %s", code, errs)
	}
	mustExec(t, r.admin, "CREATE EXTENSION pg_trgm; CREATE EXTENSION btree_gin")
	succeed(t, "migrate", "up", "--database-url="+r.urlAs(t, r.owner))
}

func mustParse(t *testing.T, text string) *url.URL {
	t.Helper()
	u, err := url.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

// If the serving role owns the tables, roles.sql fails with a hint that says how to
// transfer them.
func TestRolesIfTheServingRoleOwnsTheTables(t *testing.T) {
	t.Parallel()
	r := newRoles(t)
	mustExec(t, r.admin, fmt.Sprintf("CREATE ROLE %[1]s LOGIN PASSWORD 'secret'; CREATE ROLE %[1]s_owner LOGIN; GRANT CREATE ON SCHEMA public TO %[1]s; CREATE EXTENSION pg_trgm; CREATE EXTENSION btree_gin", r.server))
	if _, err := db.MigrateUp(context.Background(), r.urlAs(t, r.server), migrations.FS); err != nil {
		t.Fatal(err)
	}
	err := execAs(r.admin, r.sql)
	if pgErr, ok := errors.AsType[*pgconn.PgError](err); !ok || !strings.Contains(pgErr.Hint, "REASSIGN OWNED BY "+r.server+" TO "+r.owner) {
		t.Fatalf("roles.sql does not say how to transfer the tables: %v", err)
	}
	mustExec(t, r.admin, fmt.Sprintf("REASSIGN OWNED BY %s TO %s", r.server, r.owner))
	r.run(t)
	if err := execAs(r.urlAs(t, r.server), "DROP TABLE orgs"); err == nil {
		t.Error("the serving role can still drop a table")
	}
}

// If the serving role is a superuser, as in a container's first database, roles.sql fails
// and changes nothing.
func TestRolesIfTheServingRoleIsASuperuser(t *testing.T) {
	t.Parallel()
	r := newRoles(t)
	mustExec(t, r.admin, fmt.Sprintf("CREATE ROLE %s LOGIN SUPERUSER PASSWORD 'secret'", r.server))
	err := execAs(r.admin, r.sql)
	if pgErr, ok := errors.AsType[*pgconn.PgError](err); !ok || !strings.Contains(pgErr.Hint, "ALTER ROLE "+r.server+" NOSUPERUSER") {
		t.Fatalf("roles.sql does not say how to make the role an ordinary one: %v", err)
	}
	mustExec(t, r.admin, fmt.Sprintf("ALTER ROLE %s NOSUPERUSER", r.server))
	r.run(t)
}

// An administrator without superuser rights, as on a managed PostgreSQL, can run roles.sql.
func TestRolesByAnAdministrator(t *testing.T) {
	t.Parallel()
	r := newRoles(t)
	admin := r.server + "_admin"
	mustExec(t, r.admin, fmt.Sprintf("CREATE ROLE %s LOGIN CREATEROLE CREATEDB PASSWORD 'secret'", admin))
	t.Cleanup(func() {
		if err := execAs(r.admin, fmt.Sprintf("REASSIGN OWNED BY %[1]s TO CURRENT_USER; DROP OWNED BY %[1]s; DROP ROLE %[1]s", admin)); err != nil {
			t.Error(err)
		}
	})
	mustExec(t, r.admin, fmt.Sprintf("DO $$ BEGIN EXECUTE format('ALTER DATABASE %%I OWNER TO %s', current_database()); END $$", admin))
	super := r.admin
	r.admin = r.urlAs(t, admin)
	d := r.install(t)
	r.admin = super
	key := d.Key(t, d.Account(t))
	s := start(t, func(c *serveConfig) { c.databaseURL = r.urlAs(t, r.server) })
	if !s.opens(t, key) {
		t.Error("the key does not work")
	}
}
