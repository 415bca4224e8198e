package seed

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"

	"orgd/internal/dbtest"
	"orgd/internal/uuid"
)

var testAccount = uuid.UUID{0x01, 0x90, 6: 0x70, 8: 0x80, 15: 0x01}

// newAccount creates a database with the account testAccount, and returns a pool.
func newAccount(t *testing.T) *pgxpool.Pool {
	t.Helper()
	pool := dbtest.New(t).Pool
	exec(t, pool, "INSERT INTO accounts (id, name) VALUES ($1, 'Sample')", testAccount)
	return pool
}

func exec(t *testing.T, pool *pgxpool.Pool, sql string, args ...any) {
	t.Helper()
	if _, err := pool.Exec(t.Context(), sql, args...); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
}

func query[T any](t *testing.T, pool *pgxpool.Pool, sql string, args ...any) T {
	t.Helper()
	var value T
	if err := pool.QueryRow(t.Context(), sql, args...).Scan(&value); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	return value
}

func run(t *testing.T, pool *pgxpool.Pool, o Options) {
	t.Helper()
	if err := Run(t.Context(), pool, o); err != nil {
		t.Fatal(err)
	}
	checkUserCounts(t, pool)
}

func countOrgs(t *testing.T, pool *pgxpool.Pool) int {
	t.Helper()
	return query[int](t, pool, "SELECT count(*) FROM orgs")
}

func checkUserCounts(t *testing.T, pool *pgxpool.Pool) {
	t.Helper()
	wrong := query[int](t, pool, `
		SELECT count(*) FROM orgs o
		WHERE user_count <> (
			SELECT count(*) FROM org_members m WHERE m.account_id = o.account_id AND m.org_id = o.org_id
		)`)
	if wrong != 0 {
		t.Errorf("%d organizations have a user_count that is not their number of members", wrong)
	}
}

// digest returns a hash of every column of every row.
func digest(t *testing.T, pool *pgxpool.Pool) string {
	t.Helper()
	return query[string](t, pool, `
		SELECT md5(concat(
			(SELECT string_agg(o::text, ';' ORDER BY account_id, org_id) FROM orgs o),
			(SELECT string_agg(m::text, ';' ORDER BY account_id, org_id, user_id) FROM org_members m)
		))`)
}

func TestRun(t *testing.T) {
	t.Parallel()
	pool := newAccount(t)
	o := Options{Account: testAccount, Orgs: 12_000, Members: 4, Seed: 1, APIKey: uuid.UUID{9}}
	var progress []int
	o.Progress = func(done int) { progress = append(progress, done) }
	run(t, pool, o)

	if n := countOrgs(t, pool); n != o.Orgs {
		t.Errorf("%d organizations, want %d", n, o.Orgs)
	}
	if len(progress) != 2 || !slices.IsSorted(progress) || progress[1] != o.Orgs {
		t.Errorf("progress %v, want one step for each of two blocks", progress)
	}
	for name, sql := range map[string]string{
		"members":                         "SELECT count(*) > 20000 FROM org_members",
		"the account and key on each":     "SELECT bool_and(account_id = '01900000-0000-7000-8000-000000000001' AND created_by_api_key_id = '09000000-0000-0000-0000-000000000000') FROM orgs",
		"added between create and update": "SELECT bool_and(added_at BETWEEN created_at AND updated_at) FROM orgs JOIN org_members USING (account_id, org_id)",
		"members' org_created_at":         "SELECT bool_and(org_created_at = created_at) FROM orgs JOIN org_members USING (account_id, org_id)",
		"members that follow activity":    "SELECT bool_and(org_activity = is_active::integer) FROM orgs JOIN org_members USING (account_id, org_id)",
		"ids in the order of creation":    "SELECT bool_and(ok) FROM (SELECT left(org_id::text, 13) >= lag(left(org_id::text, 13), 1, '') OVER (ORDER BY created_at) AS ok FROM orgs) o",
	} {
		t.Run(name, func(t *testing.T) {
			if !query[bool](t, pool, sql) {
				t.Errorf("not true: %s", sql)
			}
		})
	}
}

func TestRunWithoutMembersAndKey(t *testing.T) {
	t.Parallel()
	pool := newAccount(t)
	run(t, pool, Options{Account: testAccount, Orgs: 100})
	if !query[bool](t, pool, "SELECT count(*) = 100 AND sum(user_count) = 0 AND count(created_by_api_key_id) = 0 FROM orgs") {
		t.Error("want 100 organizations without members and without a creating key")
	}
}

func TestRunWithoutOrgs(t *testing.T) {
	t.Parallel()
	pool := newAccount(t)
	run(t, pool, Options{Account: testAccount, From: 7, Orgs: 7, Progress: func(int) { t.Error("Progress was called without organizations") }})
	if n := countOrgs(t, pool); n != 0 {
		t.Errorf("%d organizations, want none", n)
	}
}

func TestRunTwiceInTwoDatabases(t *testing.T) {
	t.Parallel()
	here, there := newAccount(t), newAccount(t)
	o := Options{Account: testAccount, Orgs: 11_000, Members: 3, Seed: 77}
	run(t, here, o)
	run(t, there, o)
	want := digest(t, here)
	if got := digest(t, there); got != want {
		t.Error("the same options gave different rows in two databases")
	}
	run(t, here, o)
	if got := digest(t, here); got != want {
		t.Error("the second run changed something")
	}
}

// A run that starts inside a block leaves an incomplete block. The next run completes it.
func TestRunAddsTheRest(t *testing.T) {
	t.Parallel()
	whole, parts := newAccount(t), newAccount(t)
	o := Options{Account: testAccount, Orgs: 600, Members: 3, Seed: 5}
	run(t, whole, o)

	o.From = 400
	run(t, parts, o)
	if n := countOrgs(t, parts); n != 200 {
		t.Fatalf("%d organizations from 400 to 599", n)
	}
	o.From = 100
	run(t, parts, o)
	o.From = 0
	run(t, parts, o)
	if digest(t, parts) != digest(t, whole) {
		t.Error("an account filled by three runs differs from one filled by one run")
	}
}

func TestRunLeavesChangedOrgsAlone(t *testing.T) {
	t.Parallel()
	pool := newAccount(t)
	o := Options{Account: testAccount, From: 50, Orgs: 200, Members: 6, Seed: 5}
	run(t, pool, o)
	// A user empties one organization, renames another and deletes a third.
	exec(t, pool, "WITH gone AS (DELETE FROM org_members m USING (SELECT * FROM orgs WHERE user_count > 0 ORDER BY org_id LIMIT 1) o "+
		"WHERE m.account_id = o.account_id AND m.org_id = o.org_id RETURNING m.account_id, m.org_id) "+
		"UPDATE orgs SET user_count = 0, org_name = 'Emptied' FROM gone WHERE orgs.account_id = gone.account_id AND orgs.org_id = gone.org_id")
	exec(t, pool, "UPDATE orgs SET org_name = 'Renamed' WHERE org_id = (SELECT max(org_id::text)::uuid FROM orgs)")
	exec(t, pool, "WITH gone AS (DELETE FROM orgs WHERE org_id = (SELECT org_id FROM orgs WHERE user_count > 0 AND org_name NOT IN ('Emptied', 'Renamed') LIMIT 1) "+
		"RETURNING account_id, org_id) DELETE FROM org_members m USING gone WHERE m.account_id = gone.account_id AND m.org_id = gone.org_id")

	o.From = 0
	run(t, pool, o)
	if n := countOrgs(t, pool); n != o.Orgs {
		t.Errorf("%d organizations, want %d", n, o.Orgs)
	}
	if got := query[int](t, pool, "SELECT user_count FROM orgs WHERE org_name = 'Emptied'"); got != 0 {
		t.Errorf("the emptied organization has %d members again", got)
	}
	if got := query[int](t, pool, "SELECT count(*) FROM orgs WHERE org_name = 'Renamed'"); got != 1 {
		t.Error("the renamed organization has its old name again")
	}
}

func TestConcurrentRuns(t *testing.T) {
	t.Parallel()
	alone, shared := newAccount(t), newAccount(t)
	o := Options{Account: testAccount, Orgs: 25_000, Members: 1}
	run(t, alone, o)

	errs := make(chan error)
	for _, from := range []int{0, 500} {
		mine := o
		mine.From = from
		go func() { errs <- Run(t.Context(), shared, mine) }()
	}
	if err := errors.Join(<-errs, <-errs); err != nil {
		t.Fatal(err)
	}
	if digest(t, shared) != digest(t, alone) {
		t.Error("two concurrent runs and one run made different organizations")
	}
}

func TestRunOnOneConnection(t *testing.T) {
	t.Parallel()
	cfg := newAccount(t).Config()
	cfg.MaxConns = 1
	pool, err := pgxpool.NewWithConfig(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Close()
	o := Options{Account: testAccount, Orgs: 10_100, Members: 1}
	run(t, pool, o)
	run(t, pool, o)
}

func TestRunUnknownAccount(t *testing.T) {
	t.Parallel()
	pool := newAccount(t)
	stranger := testAccount
	stranger[15] = 0x02
	for _, n := range []int{0, 10} {
		err := Run(t.Context(), pool, Options{Account: stranger, Orgs: n})
		if !errors.Is(err, ErrUnknownAccount) {
			t.Fatalf("error %v, want ErrUnknownAccount", err)
		}
		if want := "seed: account 01900000-0000-7000-8000-000000000002: no such account"; err.Error() != want {
			t.Errorf("error %q, want %q", err, want)
		}
	}
}

func TestRunDisablesTheStatementTimeout(t *testing.T) {
	t.Parallel()
	first := newAccount(t)
	exec(t, first, `
		CREATE FUNCTION require_no_timeout() RETURNS trigger LANGUAGE plpgsql AS $$
		BEGIN
			ASSERT current_setting('statement_timeout') = '0', 'a statement timeout is set';
			RETURN NULL;
		END $$`)
	exec(t, first, "CREATE TRIGGER require_no_timeout BEFORE INSERT ON orgs EXECUTE FUNCTION require_no_timeout()")
	cfg := first.Config()
	cfg.ConnConfig.RuntimeParams["statement_timeout"] = "30s"
	pool, err := pgxpool.NewWithConfig(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Close()

	run(t, pool, Options{Account: testAccount, Orgs: 10})
	run(t, pool, Options{Account: testAccount, Orgs: 10})
	if got := query[string](t, pool, "SHOW statement_timeout"); got != "30s" {
		t.Errorf("statement_timeout after the run = %s, want the pool's 30s", got)
	}
}

func TestCancelLeavesWholeBlocks(t *testing.T) {
	t.Parallel()
	pool := newAccount(t)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	o := Options{Account: testAccount, Orgs: 4 * blockOrgs, Members: 1}
	o.Progress = func(int) { cancel() }
	if err := Run(ctx, pool, o); !errors.Is(err, context.Canceled) {
		t.Fatalf("error %v, want context.Canceled", err)
	}
	checkUserCounts(t, pool)
	// The first worker that finishes a block cancels the run. The other worker may still
	// add its block.
	if n := countOrgs(t, pool); n != blockOrgs && n != 2*blockOrgs {
		t.Errorf("%d organizations, want one block or two", n)
	}

	o.Progress = nil
	run(t, pool, o)
	if n := countOrgs(t, pool); n != o.Orgs {
		t.Errorf("%d organizations after the second run, want %d", n, o.Orgs)
	}
}

func TestCanceledBeforeItBegins(t *testing.T) {
	t.Parallel()
	pool := newAccount(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := Run(ctx, pool, Options{Account: testAccount, Orgs: 10}); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v, want context.Canceled", err)
	}
	if n := countOrgs(t, pool); n != 0 {
		t.Errorf("%d organizations, want none", n)
	}
}

func TestFailedMembersLeaveNoOrgs(t *testing.T) {
	t.Parallel()
	pool := newAccount(t)
	// The ids of the second block begin with times from noon on 2024-01-01.
	exec(t, pool, "ALTER TABLE org_members ADD CONSTRAINT second_half CHECK (org_id < '018cc4e5-2200-7000-8000-000000000000')")
	err := Run(t.Context(), pool, Options{Account: testAccount, Orgs: 2 * blockOrgs, Members: 1})
	if err == nil || !strings.Contains(err.Error(), "organizations 10000 to 19999: copy into org_members:") {
		t.Errorf("error %v, want one about members of the second block", err)
	}
	checkUserCounts(t, pool)
	if n := countOrgs(t, pool); n != 0 && n != blockOrgs {
		t.Errorf("%d organizations, want the first block or nothing", n)
	}
}

// With one worker, a run that ended early can continue from the number of existing
// organizations, as `server dev` does.
func TestOneWorkerAddsBlocksInOrder(t *testing.T) {
	t.Parallel()
	pool := newAccount(t)
	o := Options{Account: testAccount, Orgs: 3*blockOrgs + 7, Workers: 1}
	ctx, cancel := context.WithCancel(t.Context())
	o.Progress = func(done int) {
		if done == 2*blockOrgs {
			cancel()
		}
	}
	if err := Run(ctx, pool, o); !errors.Is(err, context.Canceled) {
		t.Fatalf("a canceled run: %v", err)
	}
	have, err := Count(t.Context(), pool, testAccount)
	if err != nil || have != 2*blockOrgs {
		t.Fatalf("Count: %d, %v", have, err)
	}
	o.From, o.Progress = have, nil
	run(t, pool, o)
	if n := countOrgs(t, pool); n != o.Orgs {
		t.Errorf("%d organizations, want %d", n, o.Orgs)
	}
}

func TestOptionsOutOfRange(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		options Options
		want    string
	}{
		"orgs negative":    {Options{Orgs: -1}, "the number of organizations is -1; it must be from 0"},
		"orgs too many":    {Options{Orgs: 1 << 60}, "the number of organizations is 1152921504606846976; it must be from 0"},
		"from negative":    {Options{Orgs: 5, From: -1}, "the first organization is -1; it must be from 0"},
		"from beyond orgs": {Options{Orgs: 5, From: 6}, "the first organization is 6; it must be from 0 to the number of organizations, 5"},
		"members negative": {Options{Orgs: 5, Members: -1}, "the maximum number of members is -1; it must be from 0 to 16384"},
		"members too many": {Options{Orgs: 5, Members: MaxMembers + 1}, "the maximum number of members is 16385; it must be from 0 to 16384"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			// The pool is nil: invalid options are rejected before the database is used.
			err := Run(t.Context(), nil, c.options)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %v, want %q", err, c.want)
			}
		})
	}
}
