package db_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"orgd/internal/db"
	"orgd/internal/dbtest"
	"orgd/internal/orgs"
	"orgd/migrations"
)

func TestMigrateUpDownUpEmpty(t *testing.T) {
	t.Parallel()
	upDownUp(t, dbtest.NewURL(t), func() {})
}

func TestMigrateUpDownUpFilled(t *testing.T) {
	t.Parallel()
	d := dbtest.New(t)
	account := d.Account(t)
	d.Key(t, account)
	for range 3 {
		o := d.Org(t, account, orgs.Org{Metadata: `{"plan":"pro"}`})
		d.Member(t, account, o, "auth0|1")
	}
	upDownUp(t, d.URL, d.Pool.Reset)
}

// upDownUp applies all migrations, rolls them back, and applies them again. The schema
// must be the same both times.
func upDownUp(t *testing.T, url string, afterwards func()) {
	t.Helper()
	ctx := context.Background()
	if _, err := db.MigrateUp(ctx, url, migrations.FS); err != nil {
		t.Fatal(err)
	}
	before := schema(t, url)
	steps := 0
	for {
		undone, err := db.MigrateDown(ctx, url, migrations.FS)
		if err != nil {
			t.Fatal(err)
		}
		if len(undone) == 0 {
			break
		}
		steps++
	}
	if left := schema(t, url); len(left) != 0 {
		t.Errorf("rolling back left %v", left)
	}
	redone, err := db.MigrateUp(ctx, url, migrations.FS)
	if err != nil {
		t.Fatal(err)
	}
	if len(redone) != steps || steps == 0 {
		t.Errorf("%d migrations were rolled back and %d applied again", steps, len(redone))
	}
	if diff := cmp.Diff(before, schema(t, url)); diff != "" {
		t.Errorf("the schema after up, down, up (-before +after):\n%s", diff)
	}
	afterwards()
}

// schema lists the tables' columns, constraints and indexes.
func schema(t *testing.T, url string) []string {
	t.Helper()
	conn, err := pgx.Connect(context.Background(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	rows, err := conn.Query(context.Background(), `
SELECT format('%s.%s %s %s %s', table_name, column_name, data_type, is_nullable, column_default)
FROM information_schema.columns WHERE table_schema = 'public' AND table_name <> 'orgd_migrations'
UNION ALL
SELECT format('%s %s', conname, pg_get_constraintdef(oid)) FROM pg_constraint
WHERE connamespace = 'public'::regnamespace AND conrelid <> 'orgd_migrations'::regclass
UNION ALL
SELECT indexdef FROM pg_indexes WHERE schemaname = 'public' AND tablename <> 'orgd_migrations'
UNION ALL
SELECT format('%s %s', tgname, pg_get_triggerdef(oid)) FROM pg_trigger WHERE NOT tgisinternal
ORDER BY 1`)
	if err != nil {
		t.Fatal(err)
	}
	list, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		t.Fatal(err)
	}
	return list
}

// Concurrent runs apply each migration once.
func TestConcurrentMigrateUp(t *testing.T) {
	t.Parallel()
	url := dbtest.NewURL(t)
	var mu sync.Mutex
	steps := 0
	var replicas sync.WaitGroup
	for range 5 {
		replicas.Go(func() {
			done, err := db.MigrateUp(context.Background(), url, migrations.FS)
			if err != nil {
				t.Error(err)
			}
			mu.Lock()
			defer mu.Unlock()
			steps += len(done)
		})
	}
	replicas.Wait()
	files, err := fs.Glob(migrations.FS, "*.sql")
	if err != nil {
		t.Fatal(err)
	}
	if steps != len(files) {
		t.Errorf("%d migrations were applied in total, want %d", steps, len(files))
	}
}

// A migration that cannot get its lock gives up, so that other statements can proceed,
// and is retried.
func TestMigrationRetriesForItsLock(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	url := dbtest.NewURL(t)
	conns, err := db.Open(ctx, url, db.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer conns.Close()
	migrated := make(chan error, 1)
	var done []db.Migration
	err = conns.WriteTx(ctx, func(ctx context.Context, q db.Querier) error {
		// The first migration waits for this transaction.
		if _, err := q.Exec(ctx, "CREATE TABLE accounts ()"); err != nil {
			return err
		}
		go func() {
			var err error
			done, err = db.MigrateUp(context.Background(), url, migrations.FS)
			migrated <- err
		}()
		waited := map[int]bool{}
		for len(waited) < 2 {
			var pid int
			err := conns.Read(ctx, func(ctx context.Context, q db.Querier) error {
				return q.QueryRow(ctx, `SELECT coalesce(max(pid), 0) FROM pg_stat_activity
					WHERE datname = current_database() AND wait_event_type = 'Lock'`).Scan(&pid)
			})
			if err != nil {
				return err
			}
			if pid > 0 {
				waited[pid] = true
			}
		}
		return errors.New("rolled back")
	})
	if err == nil || err.Error() != "rolled back" {
		t.Fatal(err)
	}
	if err := <-migrated; err != nil || len(done) == 0 {
		t.Errorf("%d steps, %v", len(done), err)
	}
}

// The procedure in CONTRIBUTING.md builds an index even while a long transaction runs.
// PostgreSQL waits for the transactions that may still see the table without the index.
func TestConcurrentIndexWaitsForTransactions(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	d := dbtest.New(t)
	d.Exec(t, "CREATE TABLE things (n integer)")
	files := dbtest.MigrationsWith(t, "90001_things.sql", `-- +goose NO TRANSACTION
-- +goose Up
SET lock_timeout = 0;
DROP INDEX CONCURRENTLY IF EXISTS things_by_n;
CREATE INDEX CONCURRENTLY things_by_n ON things (n);
RESET lock_timeout;
`)
	migrated := make(chan error, 1)
	err := d.Conns.WriteTx(ctx, func(ctx context.Context, q db.Querier) error {
		if _, err := q.Exec(ctx, "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ"); err != nil {
			return err
		}
		if _, err := q.Exec(ctx, "SELECT FROM orgs"); err != nil {
			return err
		}
		go func() {
			_, err := db.MigrateUp(context.Background(), d.URL, files)
			migrated <- err
		}()
		// Wait until the statement has run for longer than a migration may wait for a lock.
		var waited bool
		for !waited {
			err := d.Conns.Read(ctx, func(ctx context.Context, q db.Querier) error {
				return q.QueryRow(ctx, `SELECT EXISTS (SELECT FROM pg_stat_activity WHERE datname = current_database()
					AND query LIKE 'CREATE INDEX%' AND clock_timestamp() - query_start > interval '4 s')`).Scan(&waited)
			})
			if err != nil {
				return err
			}
			select {
			case err := <-migrated:
				return fmt.Errorf("the migration did not wait: %w", err)
			case <-time.After(20 * time.Millisecond):
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := <-migrated; err != nil {
		t.Error(err)
	}
	var valid bool
	if err := d.Pool.QueryRow(ctx, "SELECT indisvalid FROM pg_index WHERE indexrelid = 'things_by_n'::regclass").Scan(&valid); err != nil || !valid {
		t.Errorf("valid is %v, %v", valid, err)
	}
}

// Every migration that builds or drops an index concurrently follows the procedure in
// CONTRIBUTING.md.
func TestConcurrentIndexProcedure(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]bool{
		"CREATE INDEX i ON t (a);": true,
		"SET lock_timeout = 0;\nDROP INDEX CONCURRENTLY IF EXISTS i;\nCREATE INDEX CONCURRENTLY i ON t (a);\nRESET lock_timeout;": true,
		"CREATE INDEX CONCURRENTLY i ON t (a);": false,
		"SET lock_timeout = 0;\nDROP INDEX CONCURRENTLY IF EXISTS j;\nCREATE INDEX CONCURRENTLY i ON t (a);\nRESET lock_timeout;": false,
		"DROP INDEX CONCURRENTLY IF EXISTS i;\nCREATE INDEX CONCURRENTLY i ON t (a);":                                             false,
		"DROP INDEX i;": true,
		"SET lock_timeout = 0;\nDROP INDEX CONCURRENTLY IF EXISTS i;\nRESET lock_timeout;": true,
		"SET lock_timeout = 0;\nDROP INDEX CONCURRENTLY i;\nRESET lock_timeout;":           false,
		"SET lock_timeout = 0;\nDROP INDEX CONCURRENTLY IF EXISTS i;":                      false,
		"DROP INDEX CONCURRENTLY IF EXISTS i;":                                             false,
	} {
		t.Run(text, func(t *testing.T) {
			t.Parallel()
			if followsProcedure(text) != want {
				t.Errorf("%q: %v", text, !want)
			}
		})
	}
	files, err := fs.Glob(migrations.FS, "*.sql")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range files {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			text, err := fs.ReadFile(migrations.FS, name)
			if err != nil {
				t.Fatal(err)
			}
			up, down, _ := strings.Cut(string(text), "-- +goose Down")
			if !followsProcedure(up) || !followsProcedure(down) {
				t.Error("the migration builds or drops an index concurrently, but does not follow the procedure in CONTRIBUTING.md")
			}
		})
	}
}

var concurrently = regexp.MustCompile(`(?:CREATE (?:UNIQUE )?INDEX|(DROP) INDEX) CONCURRENTLY (?:IF EXISTS )?(\w+)`)

func followsProcedure(sql string) bool {
	for _, index := range concurrently.FindAllStringSubmatch(sql, -1) {
		procedure := `(?s)SET lock_timeout = 0;.*DROP INDEX CONCURRENTLY IF EXISTS ` + index[2] + `;.*`
		if index[1] == "" {
			procedure += regexp.QuoteMeta(index[0]) + ` .*`
		}
		if !regexp.MustCompile(procedure + `RESET lock_timeout;`).MatchString(sql) {
			return false
		}
	}
	return true
}

func TestSchemaVersion(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	url := dbtest.NewURL(t)
	pool, err := db.Open(ctx, url, db.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Close()
	if v, err := pool.SchemaVersion(ctx); v != 0 || err != nil {
		t.Errorf("never migrated: version %d, %v", v, err)
	}
	if _, err := db.MigrateUp(ctx, url, migrations.FS); err != nil {
		t.Fatal(err)
	}
	if v, err := pool.SchemaVersion(ctx); v != migrations.Latest() || err != nil {
		t.Errorf("migrated: version %d, %v; want %d", v, err, migrations.Latest())
	}
	status, err := db.MigrationStatus(ctx, url, migrations.FS)
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range status {
		if m.AppliedAt.IsZero() {
			t.Errorf("%s is pending", m.File)
		}
	}
	if _, err := db.MigrateDown(ctx, url, migrations.FS); err != nil {
		t.Fatal(err)
	}
	before := status[len(status)-2].Version
	if v, err := pool.SchemaVersion(ctx); v != before || err != nil {
		t.Errorf("one step down: version %d, %v", v, err)
	}
}

// The schema's floor is not above the schema's version. Otherwise the release that needs
// this version could not use it.
func TestSchemaFloor(t *testing.T) {
	t.Parallel()
	d := dbtest.New(t)
	floor, err := d.Conns.SchemaFloor(context.Background())
	if err != nil || floor < 1 || floor > migrations.Latest() {
		t.Errorf("floor %d of schema %d, %v", floor, migrations.Latest(), err)
	}
}

// A change of members updates columns of orgs that no index contains, in a page with free
// space, so that the update is HOT. Only the tables that stay on one node have triggers,
// which distributed tables cannot have.
func TestShapeOfTables(t *testing.T) {
	t.Parallel()
	d := dbtest.New(t)
	for name, tc := range map[string]struct{ query, want string }{
		"free space": {`
SELECT 'orgs ' || array_to_string(reloptions, ' ') FROM pg_class WHERE oid = 'orgs'::regclass`, "orgs fillfactor=85"},
		"indexed columns that change with the members": {`
SELECT DISTINCT i.indexrelid::regclass || ' ' || a.attname
FROM pg_index i
JOIN pg_attribute a ON a.attrelid = i.indrelid
LEFT JOIN pg_depend d ON d.objid = i.indexrelid AND d.refobjid = i.indrelid AND d.refobjsubid = a.attnum
WHERE i.indrelid = 'orgs'::regclass AND (d.objid IS NOT NULL OR a.attnum = ANY (i.indkey))
  AND a.attname IN ('user_count', 'updated_at', 'version')`, ""},
		"tables with triggers": {`
SELECT DISTINCT tgrelid::regclass::text FROM pg_trigger WHERE NOT tgisinternal ORDER BY 1`, "accounts, api_keys"},
		"foreign keys": {`
SELECT conrelid::regclass || ' to ' || confrelid::regclass FROM pg_constraint
WHERE contype = 'f' AND confrelid NOT IN ('accounts'::regclass, 'api_keys'::regclass)
  AND (pg_get_constraintdef(oid) NOT LIKE 'FOREIGN KEY (account_id,%' OR pg_get_constraintdef(oid) NOT LIKE '%(account_id,%(account_id,%')`, ""},
		"tables whose primary key does not begin with the account": {`
SELECT conrelid::regclass::text FROM pg_constraint
WHERE contype = 'p' AND connamespace = (SELECT relnamespace FROM pg_class WHERE oid = 'orgs'::regclass)
  AND pg_get_constraintdef(oid) NOT LIKE 'PRIMARY KEY (account_id%'
ORDER BY 1`, "accounts, orgd_migrations, schema_floor, webhook_workers"},
	} {
		t.Run(name, func(t *testing.T) {
			rows, err := d.Pool.Query(context.Background(), tc.query)
			if err != nil {
				t.Fatal(err)
			}
			found, err := pgx.CollectRows(rows, pgx.RowTo[string])
			if got := strings.Join(found, ", "); got != tc.want || err != nil {
				t.Errorf("%s, want %s; %v", got, tc.want, err)
			}
		})
	}
}

// The schema rejects the values that the API rejects.
func TestSchemaRejectsInvalidValues(t *testing.T) {
	t.Parallel()
	d := dbtest.New(t)
	account := d.Account(t)
	o := d.Org(t, account, orgs.Org{})
	pairs := func(n int) string {
		var b strings.Builder
		for i := range n {
			if i > 0 {
				b.WriteString(",")
			}
			b.WriteString(`"k` + strings.Repeat("x", i) + `":"v"`)
		}
		return "{" + b.String() + "}"
	}
	set := func(column, value string) string {
		return "UPDATE orgs SET " + column + " = " + value + " WHERE account_id = $1 AND org_id = $2"
	}
	text := func(s string) string { return "E'" + s + "'" }
	rejected := map[string]string{
		set("org_name", text("")):                                      "orgs_name_length",
		set("org_name", text(strings.Repeat("é", 256))):                "orgs_name_length",
		set("org_name", text(" a")):                                    "orgs_name_trimmed",
		set("org_name", text(`a\nb`)):                                  "orgs_name_printable",
		set("org_name", text(`a\u0085b`)):                              "orgs_name_printable",
		set("org_name", text(strings.Repeat("é", 255))):                "",
		set("metadata", text("[]")):                                    "orgs_metadata_valid",
		set("metadata", text(`"a"`)):                                   "orgs_metadata_valid",
		set("metadata", text(`{"a":1}`)):                               "orgs_metadata_valid",
		set("metadata", text(`{"a":null}`)):                            "orgs_metadata_valid",
		set("metadata", text(`{"":"a"}`)):                              "orgs_metadata_valid",
		set("metadata", text(`{"`+strings.Repeat("é", 101)+`":"a"}`)):  "orgs_metadata_valid",
		set("metadata", text(`{"`+strings.Repeat("é", 100)+`":"a"}`)):  "",
		set("metadata", text(`{"a":"`+strings.Repeat("é", 1001)+`"}`)): "orgs_metadata_valid",
		set("metadata", text(`{"a":"`+strings.Repeat("é", 1000)+`"}`)): "",
		set("metadata", text(pairs(51))):                               "orgs_metadata_valid",
		set("metadata", text(pairs(50))):                               "",
		set("user_count", "-1"):                                        "orgs_user_count_not_negative",
		set("created_at", "'infinity'"):                                "orgs_times_finite",
		set("external_id", text("")):                                   "orgs_external_id_length",
		set("external_id", text(strings.Repeat("é", 256))):             "orgs_external_id_length",
		set("external_id", text(strings.Repeat("😀", 255))):             "",
		set("created_by_user_id", text(strings.Repeat("é", 256))):      "orgs_created_by_user_id_length",
		set("updated_at", "'infinity'"):                                "orgs_times_finite",
	}
	const insertOrg = "INSERT INTO orgs (account_id, org_id, org_name, org_name_folded) VALUES "
	rejected[insertOrg+"($1, $2, 'a', 'a')"] = "orgs_pkey"
	member := func(user, roles, created, added string) string {
		return "INSERT INTO org_members (account_id, org_id, user_id, roles, org_created_at, added_at) VALUES ($1, $2, " +
			strings.Join([]string{user, roles, created, added}, ", ") + ")"
	}
	rejected[member("''", "'{}'", "now()", "now()")] = "org_members_user_id_length"
	rejected[member(text(strings.Repeat("é", 256)), "'{}'", "now()", "now()")] = "org_members_user_id_length"
	rejected[member("'u'", "array_fill('r'::text, '{11}')", "now()", "now()")] = "org_members_roles_count"
	for _, role := range []string{"''", "'a b'", "'a,b'", "'é'", `E'a\n'`, "NULL", text(strings.Repeat("a", 65))} {
		rejected[member("'u'", "ARRAY['owner', "+role+"]", "now()", "now()")] = "org_members_roles_valid"
	}
	rejected[member("'u'", "ARRAY['AZaz09:_.-', "+text(strings.Repeat("a", 64))+"]", "now()", "now()")] = ""
	rejected[member("'u'", "'{}'", "'infinity'", "now()")] = "org_members_times_finite"
	rejected[member("'u'", "'{}'", "now()", "'infinity'")] = "org_members_times_finite"
	for sql, constraint := range rejected {
		t.Run(fmt.Sprintf("%.80s", sql), func(t *testing.T) {
			_, err := d.Pool.Exec(context.Background(), sql, account, o.ID)
			var pgErr *pgconn.PgError
			switch {
			case constraint == "" && err != nil:
				t.Error(err)
			case constraint != "" && (!errors.As(err, &pgErr) || pgErr.ConstraintName != constraint):
				t.Errorf("%v, want %s", err, constraint)
			}
		})
	}
}

// No function in the schema changes a column that determines an organization's position
// in the lists. No UPDATE calls a volatile function, because that is not allowed on
// distributed tables.
func TestFunctionsUpdateOnlyWhatMayChange(t *testing.T) {
	t.Parallel()
	d := dbtest.New(t)
	rows, err := d.Pool.Query(context.Background(), `
SELECT proname, prosrc FROM pg_proc
WHERE pronamespace = 'public'::regnamespace AND prolang = (SELECT oid FROM pg_language WHERE lanname = 'plpgsql')`)
	if err != nil {
		t.Fatal(err)
	}
	var name, source string
	var updates int
	_, err = pgx.ForEachRow(rows, []any{&name, &source}, func() error {
		for _, update := range regexp.MustCompile(`(?s)\bUPDATE\s+orgs?\w*\s.*?;`).FindAllString(source, -1) {
			updates++
			if found := regexp.MustCompile(`(?:\bSET|,)\s+(?:account_id|org_id|created_at|org_created_at|added_at)\s*=`).FindString(update); found != "" {
				t.Errorf("%s changes the position: %s", name, found)
			}
			if found := regexp.MustCompile(`\b(?:clock_timestamp|statement_timestamp|timeofday|random|gen_random_uuid|nextval)\b`).FindString(update); found != "" {
				t.Errorf("%s calls %s in an UPDATE", name, found)
			}
		}
		return nil
	})
	if err != nil || updates < 4 {
		t.Errorf("%d updates, %v", updates, err)
	}
}
