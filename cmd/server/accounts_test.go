package main

import (
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"orgd/internal/dbtest"
)

// Suspending an account invalidates all its keys on every server at once. Resuming it
// makes them valid again.
func TestSuspendAndResume(t *testing.T) {
	t.Parallel()
	d := dbtest.New(t)
	database, account := "--database-url="+d.URL, d.Account(t)
	keys, other := []string{d.Key(t, account), d.Key(t, account)}, d.Key(t, d.Account(t))
	servers := []*running{start(t, remembering(d.URL)), start(t, remembering(d.URL))}
	all := func(open bool) func() bool {
		return func() bool {
			for _, r := range servers {
				for _, key := range keys {
					if r.opens(t, key) != open {
						return false
					}
				}
			}
			return true
		}
	}
	for _, r := range servers {
		r.awaitLog(t, hearing, 1)
	}
	for range 3 {
		if !all(true)() {
			t.Fatal("a key does not work")
		}
		if out := succeed(t, "accounts", "suspend", database, account.String()); !strings.Contains(out, "suspended "+account.String()+" at 20") {
			t.Errorf("suspend: %s", out)
		}
		await(t, "a key of a suspended account works", all(false))
		for _, r := range servers {
			if !r.opens(t, other) {
				t.Error("another account is suspended")
			}
		}
		succeed(t, "accounts", "suspend", database, account.String()) // changes nothing
		succeed(t, "accounts", "resume", database, account.String())
		await(t, "a key of a resumed account does not work", all(true))
	}
	var listed []struct{ AccountID, SuspendedAt string }
	succeed(t, "accounts", "suspend", database, account.String())
	decode(t, succeed(t, "accounts", "list", database, "--json"), &listed)
	for _, a := range listed {
		if (a.AccountID == account.String()) != (a.SuspendedAt != "") {
			t.Errorf("listed %+v", a)
		}
	}
	if n := count(t, d, "SELECT count(*) FROM events WHERE type = 'account.suspended' AND request_id LIKE 'operator-%'"); n != 4 {
		t.Errorf("%d suspensions are recorded, want 4", n)
	}
}

// Every way to create an account writes one event.
func TestNewAccountIsRecorded(t *testing.T) {
	t.Parallel()
	d := dbtest.New(t)
	recorded := func() int {
		t.Helper()
		return count(t, d, "SELECT count(*) FROM events JOIN accounts ON accounts.id = account_id WHERE type = 'account.created' AND request_id LIKE 'operator-%'")
	}
	before := recorded()
	succeed(t, "accounts", "create", "--database-url="+d.URL, "--name=My team")
	if n := recorded() - before; n != 1 {
		t.Errorf("accounts create: %d events, want 1", n)
	}
	file := keyFile(t, succeed(t, "keys", "generate"), 0o400)
	for range 2 {
		mustBootstrap(t, d.URL, "Acme", file)
	}
	if n := recorded() - before; n != 2 {
		t.Errorf("with the bootstrap, run twice: %d events, want 2", n)
	}
}

// Only a suspended account can be deleted. If a deletion fails partway, the next run
// continues it. No row of the account is left, and no other account loses a row.
func TestDeleteAccount(t *testing.T) {
	t.Parallel()
	d := dbtest.New(t)
	database := "--database-url=" + d.URL
	gone, stays := d.Account(t), d.Account(t)
	for _, account := range []string{gone.String(), stays.String()} {
		succeed(t, "seed", database, "--account="+account, "--orgs=1200", "--members=5")
		succeed(t, "keys", "create", database, "--account="+account, "--description=CI", "--scope=orgs:read")
		d.Exec(t, "INSERT INTO org_erasures (account_id, org_id) VALUES ($1, gen_random_uuid())", account)
		d.Exec(t, "INSERT INTO user_erasures (account_id, user_id, request_id) VALUES ($1, 'auth0|1', 'r')", account)
		d.Exec(t, "INSERT INTO feeds (account_id) VALUES ($1)", account)
		d.Exec(t, "INSERT INTO webhooks (account_id, id, url, description, types, secret, position, mark) VALUES ($1, gen_random_uuid(), 'https://a.example', 'CI', '{}', sha256(''), 0, decode(repeat('00', 16), 'hex'))", account)
		d.Exec(t, "INSERT INTO webhook_attempts (account_id, webhook_id, slot, number, attempted_at, mark, type, milliseconds) VALUES ($1, gen_random_uuid(), 1, 1, now(), decode(repeat('00', 16), 'hex'), 'org.created', 1)", account)
		d.Exec(t, "INSERT INTO idempotency_keys (account_id, key_digest, call_digest, result) VALUES ($1, sha256('1'), sha256('2'), '{}')", account)
		d.Exec(t, "INSERT INTO unanswered_creations (account_id, call_digest, call_id, org_id, owner) VALUES ($1, sha256('1'), gen_random_uuid(), gen_random_uuid(), 1)", account)
	}
	rows := rowsByTable(t, d, "account_id", stays.String())
	refused := func(want string) {
		t.Helper()
		if code, _, errs := run(t, "accounts", "delete", database, gone.String()); code != exitFailed || !strings.Contains(errs, want) {
			t.Errorf("exit %d, %s", code, errs)
		}
	}
	refused("is not suspended: suspend it first with `server accounts suspend " + gone.String() + "`. A suspension can be undone; a deletion cannot")
	succeed(t, "accounts", "suspend", database, gone.String())
	d.Exec(t, "CREATE SEQUENCE deletions")
	d.Exec(t, `CREATE FUNCTION crash() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF nextval('deletions') = 1100 THEN RAISE EXCEPTION 'crash'; END IF;
    RETURN OLD;
END $$`)
	d.Exec(t, "CREATE TRIGGER crash BEFORE DELETE ON orgs FOR EACH ROW EXECUTE FUNCTION crash()")
	refused("run the command again to continue")
	if n := count(t, d, "SELECT count(*) FROM orgs WHERE account_id = $1", gone); n != 200 {
		t.Errorf("%d organizations are left, want 200", n)
	}
	if out := succeed(t, "accounts", "delete", database, gone.String()); !strings.Contains(out, "deleted account "+gone.String()) {
		t.Errorf("delete: %s", out)
	}
	for table, n := range rowsByTable(t, d, "account_id", gone.String()) {
		if n > 0 {
			t.Errorf("%s has %d rows of the deleted account", table, n)
		}
	}
	for table, n := range rowsByTable(t, d, "account_id", stays.String()) {
		if n != rows[table] || n == 0 {
			t.Errorf("%s has %d rows of the other account, want %d", table, n, rows[table])
		}
	}
	refused("there is no account " + gone.String() + ": see `server accounts list`\n")
	var listed []struct{ AccountID string }
	decode(t, succeed(t, "accounts", "list", database, "--json"), &listed)
	if len(listed) != 1 || listed[0].AccountID != stays.String() {
		t.Errorf("listed %+v", listed)
	}
}

// rowsByTable counts the rows that have the value in the column, for each table with such
// a column.
func rowsByTable(t *testing.T, d *dbtest.DB, column, value string) map[string]int {
	t.Helper()
	rows, err := d.Pool.Query(t.Context(), "SELECT table_name::text FROM information_schema.columns WHERE table_schema = 'public' AND column_name = $1", column)
	if err != nil {
		t.Fatal(err)
	}
	tables, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil || len(tables) < 8 {
		t.Fatalf("tables %v, %v", tables, err)
	}
	counts := map[string]int{}
	for _, table := range tables {
		counts[table] = count(t, d, "SELECT count(*) FROM "+pgx.Identifier{table}.Sanitize()+" WHERE "+pgx.Identifier{column}.Sanitize()+"::text = $1", value)
	}
	return counts
}
