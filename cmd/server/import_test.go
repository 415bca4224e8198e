package main

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"orgd/internal/dbtest"
	"orgd/internal/uuid"
)

// transfers is an account with organizations, and its export.
type transfers struct {
	*dbtest.DB
	full uuid.UUID
	file string // the export of full
	text string
}

func newTransfers(t *testing.T, orgs int) *transfers {
	t.Helper()
	d := dbtest.New(t)
	tr := &transfers{DB: d, full: d.Account(t), file: filepath.Join(t.TempDir(), "full.ndjson")}
	succeed(t, "seed", "--database-url="+d.URL, "--account="+tr.full.String(), fmt.Sprintf("--orgs=%d", orgs), "--members=5")
	// The seed lacks roles, external ids, and an organization with many members.
	d.Exec(t, `UPDATE org_members SET roles = '{billing:read,owner}' WHERE user_id < 'n'`)
	d.Exec(t, `UPDATE orgs SET external_id = 'crm/' || org_id WHERE org_name_folded < 'k'`)
	d.Exec(t, `
WITH big AS (SELECT account_id, org_id, created_at FROM orgs WHERE account_id = $1 ORDER BY created_at LIMIT 1)
INSERT INTO org_members (account_id, org_id, user_id, added_at, org_created_at)
SELECT account_id, org_id, 'big|' || n, created_at + n * interval '1 day' / 1000, created_at FROM big, generate_series(1, 2500) AS n`, tr.full)
	d.Exec(t, `UPDATE orgs SET user_count = (SELECT count(*) FROM org_members AS m WHERE (m.account_id, m.org_id) = (orgs.account_id, orgs.org_id))`)
	succeed(t, "export", "--database-url="+d.URL, "--account="+tr.full.String(), tr.file)
	text, err := os.ReadFile(tr.file)
	if err != nil {
		t.Fatal(err)
	}
	tr.text = string(text)
	if n := strings.Count(tr.text, "\n"); n != orgs {
		t.Fatalf("%d lines for %d organizations", n, orgs)
	}
	return tr
}

func (tr *transfers) importArgs(account uuid.UUID, args ...string) []string {
	return append([]string{"import", "--database-url=" + tr.URL, "--account=" + account.String()}, args...)
}

func (tr *transfers) export(t *testing.T, account uuid.UUID) string {
	t.Helper()
	code, out, errs := run(t, "export", "--database-url="+tr.URL, "--account="+account.String())
	if code != 0 || !strings.HasPrefix(errs, "exported ") {
		t.Fatalf("exit %d: %s", code, errs)
	}
	return out
}

// isFull compares the account with the exported one.
func (tr *transfers) isFull(t *testing.T, account uuid.UUID) {
	t.Helper()
	if again := tr.export(t, account); again != tr.text {
		a, b := strings.Split(tr.text, "\n"), strings.Split(again, "\n")
		for n := range min(len(a), len(b)) {
			if a[n] != b[n] {
				t.Fatalf("line %d of %d is\n%.500s\nwas\n%.500s", n+1, len(b), b[n], a[n])
			}
		}
		t.Fatalf("%d lines, want %d", len(b), len(a))
	}
	// Each organization has one org.imported event and one event for each member. Its version
	// and updated_at match the events.
	if n := count(t, tr.DB, fmt.Sprintf(`
SELECT count(*) FROM orgs AS o LEFT JOIN LATERAL (
  SELECT count(*) AS events, count(*) FILTER (WHERE type = 'org.imported') AS imported, max(occurred_at) AS last
  FROM events AS e WHERE (e.account_id, e.org_id) = (o.account_id, o.org_id)) AS e ON true
WHERE account_id = '%s' AND (events, imported, last) IS DISTINCT FROM (1 + user_count::bigint, 1::bigint, updated_at)
   OR account_id = '%[1]s' AND version <> 1 + user_count`, account)); n != 0 {
		t.Errorf("%d organizations do not have the events of an import", n)
	}
	if n := count(t, tr.DB, fmt.Sprintf(`
SELECT count(*) FROM org_members JOIN orgs AS o USING (account_id, org_id)
WHERE account_id = '%s' AND (org_created_at <> created_at OR org_activity <> CASE WHEN user_count > 1000 THEN -1 WHEN is_active THEN 1 ELSE 0 END)`, account)); n != 0 {
		t.Errorf("%d members do not follow their organizations", n)
	}
}

func TestExportAndImport(t *testing.T) {
	t.Parallel()
	tr := newTransfers(t, 3000)
	account := tr.Account(t)
	for _, want := range []string{"imported: 3000, already there: 0", "imported: 0, already there: 3000"} {
		if out := succeed(t, tr.importArgs(account, tr.file)...); out != want+", different: 0, refused: 0" {
			t.Errorf("printed %q, want %q", out, want)
		}
		tr.isFull(t, account)
	}
}

// The import is killed several times. Each run continues where the previous one stopped.
func TestKilledImport(t *testing.T) {
	t.Parallel()
	const orgs = 8000
	tr := newTransfers(t, orgs)
	account := tr.Account(t)
	imported := func() int {
		return count(t, tr.DB, fmt.Sprintf("SELECT count(*) FROM orgs WHERE account_id = '%s'", account))
	}
	kills := 0
	for before := 0; before < orgs; kills++ {
		p := startCommand(t, tr.URL, "import", "--account="+account.String(), tr.file)
		await(t, "the import does not continue: "+p.errs.String(), func() bool { return imported() > before })
		p.kill()
		if before = imported(); before%2000 != 0 {
			t.Errorf("%d organizations: a block was imported in part", before)
		}
	}
	if kills < 2 {
		t.Errorf("only %d kills", kills)
	}
	if out := succeed(t, tr.importArgs(account, tr.file)...); !strings.HasPrefix(out, fmt.Sprintf("imported: 0, already there: %d,", orgs)) {
		t.Errorf("printed %q", out)
	}
	tr.isFull(t, account)
}

// While an import runs, a server creates organizations in the same account. A reader of the
// feed gets all of them, and all that were imported.
func TestWritesBesideAnImport(t *testing.T) {
	t.Parallel()
	const orgs = 6000
	tr := newTransfers(t, orgs)
	account := tr.Account(t)
	key := tr.Key(t, account)
	r := start(t, remembering(tr.URL))
	release := tr.hold(t, account)
	p := startCommand(t, tr.URL, "import", "--account="+account.String(), tr.file)
	await(t, "the import does not wait", func() bool {
		return count(t, tr.DB, "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock' AND query ILIKE 'copy %'") > 0
	})
	var made []string
	create := func() {
		got, err := creation(fmt.Sprint("Beside ", len(made)), false).send(r.url, key, 0)
		if err != nil || got.status != http.StatusCreated {
			t.Fatalf("%d %s: %v", got.status, got.text, err)
		}
		made = append(made, got.OrgID)
	}
	for range 10 {
		create()
	}
	release()
	imported := make(chan error, 1)
	go func() { imported <- p.wait() }()
	for running := true; running; create() {
		select {
		case err := <-imported:
			if running = false; err != nil {
				t.Errorf("%v: %s", err, p.errs.String())
			}
		default:
		}
	}
	lines := strings.SplitAfter(tr.export(t, account), "\n")
	lines = slices.DeleteFunc(lines, func(line string) bool { return strings.Contains(line, `"orgName":"Beside `) })
	if strings.Join(lines, "") != tr.text {
		t.Errorf("%d lines of the import differ from the file", len(lines)-1)
	}
	t.Logf("%d organizations were created during the import", len(made))
	var feed struct {
		HasMore bool
		Cursor  string
		Events  []struct{ Type, OrgID string }
	}
	orgsInFeed := map[string]bool{}
	for more, cursor := true, ""; more; more, cursor = feed.HasMore, "&cursor="+feed.Cursor {
		feed.Events = nil
		r.read(t, key, "/v1/events?limit=100&type=org.created&type=org.imported"+cursor, &feed)
		for _, e := range feed.Events {
			if orgsInFeed[e.OrgID] {
				t.Fatalf("%s came twice", e.OrgID)
			}
			orgsInFeed[e.OrgID] = true
		}
	}
	if len(orgsInFeed) != orgs+len(made) {
		t.Errorf("the feed has %d organizations, want %d and %d", len(orgsInFeed), orgs, len(made))
	}
}

// hold makes the import wait in the middle of a block until release is called: an open
// transaction has inserted an organization with an external id from the file.
func (tr *transfers) hold(t *testing.T, account uuid.UUID) (release func()) {
	t.Helper()
	ctx := context.Background()
	tx, err := tr.Pool.Begin(ctx)
	if err != nil {
		t.Fatal(err)
	}
	_, err = tx.Exec(ctx, `
INSERT INTO orgs (account_id, org_id, org_name, org_name_folded, external_id, created_at)
SELECT $1, gen_random_uuid(), 'Held', 'held', max(external_id), now() FROM orgs WHERE account_id = $2`, account, tr.full)
	if err != nil {
		t.Fatal(err)
	}
	return func() {
		if err := tx.Rollback(ctx); err != nil {
			t.Error(err)
		}
	}
}

func TestDryRunOfAnImport(t *testing.T) {
	t.Parallel()
	tr := newTransfers(t, 500)
	account := tr.Account(t)
	before := tr.state(t)
	if out := succeed(t, tr.importArgs(account, "--dry-run", tr.file)...); out != "to import: 500, already there: 0, different: 0, refused: 0" {
		t.Errorf("printed %q", out)
	}
	if out := succeed(t, tr.importArgs(tr.full, "--dry-run", tr.file)...); out != "to import: 0, already there: 500, different: 0, refused: 0" {
		t.Errorf("printed %q", out)
	}
	if after := tr.state(t); after != before {
		t.Errorf("the dry run changed %s to %s", before, after)
	}
}

// state is a digest of everything that an import could change.
func (tr *transfers) state(t *testing.T) (state string) {
	t.Helper()
	for _, table := range []string{"orgs", "org_members", "events", "accounts"} {
		var rows string
		if err := tr.Pool.QueryRow(context.Background(), "SELECT coalesce(string_agg(t::text, chr(10) ORDER BY t::text), '') FROM "+table+" AS t").Scan(&rows); err != nil {
			t.Fatal(err)
		}
		state += fmt.Sprintf("%x ", sha256.Sum256([]byte(rows)))
	}
	return state
}

// importText imports lines from a file.
func importText(t *testing.T, d *dbtest.DB, account uuid.UUID, text string, flags ...string) (code int, out, errs string) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "import.ndjson")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	args := []string{"import", "--database-url=" + d.URL, "--account=" + account.String(), "--max-line=1KiB", file}
	return run(t, append(args, flags...)...)
}

// A refused line does not stop the others. The command prints its number and the reason.
func TestRefusedLines(t *testing.T) {
	t.Parallel()
	d := dbtest.New(t)
	account := d.Account(t)
	const id = "org_019ca8c2f2c07a3e9f0b2d4c6e8f0a1b"
	future := time.Now().Add(time.Hour).UTC().Format(time.RFC3339)
	lines := []struct{ line, reason string }{
		{`{"orgName":"Good"}`, ""},
		{``, ""},
		{`{"orgName":"Bad"`, "the line must be one well-formed JSON object"},
		{`{"orgName":" "}`, "orgName must not be empty or only white space"},
		{`{"externalId":"a"}`, "orgName is required"},
		{`{"orgName":"Long","externalId":"` + strings.Repeat("x", 2000) + `"}`, "the line has more than 1024 bytes; raise --max-line"},
		{`{"orgName":"Future","createdAt":"` + future + `"}`, "createdAt and addedAt must not be in the future"},
		{`{"orgName":"First","orgId":"` + id + `","externalId":"one"}`, ""},
		{`{"orgName":"Second","externalId":"one"}`, "differs from " + id + " in orgName"},
		{`{"orgName":"First","externalId":"one"}`, ""},
		{`{"orgName":"Third","orgId":"` + id + `","externalId":"two","isActive":false,"members":[{"userId":"a"}]}`, "differs from " + id + " in orgName, externalId, isActive, members"},
		{`{"orgName":"Fourth","orgId":"org_019ca8c2f2c07a3e9f0b2d4c6e8f0a1c","externalId":"one"}`, `externalId "one" belongs to another organization`},
		{`{"orgName":"Last"}`, ""},
	}
	var text, want strings.Builder
	for n, l := range lines {
		text.WriteString(l.line + "\n")
		if strings.HasPrefix(l.reason, "differs") {
			fmt.Fprintf(&want, "line %d %s\n", n+1, l.reason)
		} else if l.reason != "" {
			fmt.Fprintf(&want, "line %d refused: %s\n", n+1, l.reason)
		}
	}
	summary := []string{"imported: 3, already there: 1, different: 2, refused: 6\n", "imported: 0, already there: 4, different: 2, refused: 6\n"}
	const end = "server: 8 of 12 organizations %s imported: 6 refused, 2 different\n"
	dryRun := want.String() + fmt.Sprintf(end, "would not be")
	fmt.Fprintf(&want, end, "were not")
	for _, summary := range summary {
		code, out, errs := importText(t, d, account, text.String())
		if code != exitFailed || out != summary || errs != want.String() {
			t.Errorf("exit %d, %q, want %q\n%s\nwant\n%s", code, out, summary, errs, want.String())
		}
	}
	if code, _, errs := importText(t, d, account, text.String(), "--dry-run"); code != exitFailed || errs != dryRun {
		t.Errorf("dry run: exit %d\n%s\nwant\n%s", code, errs, dryRun)
	}
}

// An import reads standard input, and an export writes a file only when it is complete.
func TestStreamsOfAnImport(t *testing.T) {
	t.Parallel()
	tr := newTransfers(t, 300)
	account := tr.Account(t)
	cmd := command(t, []string{stdinVariable + "=1"}, tr.importArgs(account, "-")...)
	cmd.Stdin = strings.NewReader(tr.text)
	if out, err := cmd.CombinedOutput(); err != nil || string(out) != "imported: 300, already there: 0, different: 0, refused: 0\n" {
		t.Errorf("%v: %s", err, out)
	}
	tr.isFull(t, account)

	dir := t.TempDir()
	file := filepath.Join(dir, "orgs.ndjson")
	if err := os.WriteFile(file, []byte("old"), 0o600); err != nil {
		t.Fatal(err)
	}
	export := []string{"export", "--database-url=" + tr.URL, "--account=" + account.String(), file}
	tr.Exec(t, "ALTER TABLE org_members RENAME TO away")
	if code, _, errs := run(t, export...); code != exitFailed {
		t.Errorf("exit %d: %s", code, errs)
	}
	tr.Exec(t, "ALTER TABLE away RENAME TO org_members")
	if text, err := os.ReadFile(file); err != nil || string(text) != "old" {
		t.Errorf("after a failure: %s %v", text, err)
	}
	succeed(t, export...)
	text, err := os.ReadFile(file)
	if err != nil || string(text) != tr.text {
		t.Errorf("%d bytes, want %d: %v", len(text), len(tr.text), err)
	}
	if files, err := os.ReadDir(dir); err != nil || len(files) != 1 {
		t.Errorf("%v %v", files, err)
	}
}

// An export to a symbolic link writes the link's target. An export does not replace a pipe.
func TestExportToALinkAndAPipe(t *testing.T) {
	t.Parallel()
	d := dbtest.New(t)
	account := d.Account(t)
	dir := t.TempDir()
	file, link, pipe := filepath.Join(dir, "file"), filepath.Join(dir, "link"), filepath.Join(dir, "pipe")
	err := errors.Join(os.WriteFile(file, []byte("old"), 0o600), os.Symlink(file, link), syscall.Mkfifo(pipe, 0o600))
	if err != nil {
		t.Fatal(err)
	}
	export := []string{"export", "--database-url=" + d.URL, "--account=" + account.String()}
	succeed(t, append(export, link)...)
	if text, err := os.ReadFile(file); err != nil || len(text) != 0 {
		t.Errorf("behind the link: %q, %v", text, err)
	}
	if code, _, errs := run(t, append(export, pipe)...); code != exitFailed || !strings.Contains(errs, "not a regular file") {
		t.Errorf("a pipe: exit %d, %s", code, errs)
	}
	for path, want := range map[string]os.FileMode{link: os.ModeSymlink, pipe: os.ModeNamedPipe} {
		if info, err := os.Lstat(path); err != nil || info.Mode().Type() != want {
			t.Errorf("%s: %v, %v", path, info, err)
		}
	}
}

// An import that waits for standard input stops on a signal.
func TestInterruptedImport(t *testing.T) {
	t.Parallel()
	d := dbtest.New(t)
	cmd := command(t, []string{stdinVariable + "=1"}, "import", "--database-url="+d.URL, "--account="+d.Account(t).String(), "-")
	var errs safeBuffer
	cmd.Stderr = &errs
	input, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	defer input.Close()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	await(t, "the import does not connect", func() bool {
		return count(t, d, "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND lower(query) = 'commit' AND state = 'idle'") > 0
	})
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err == nil || !strings.Contains(errs.String(), "server: stopped") {
		t.Errorf("the import ended with %v: %s", err, errs.String())
	}
}

func TestImportIntoNoAccount(t *testing.T) {
	t.Parallel()
	d := dbtest.New(t)
	suspended := d.Account(t)
	succeed(t, "accounts", "suspend", "--database-url="+d.URL, suspended.String())
	for account, want := range map[uuid.UUID]string{uuid.NewV7(): "there is no account", suspended: "is suspended: see `server accounts resume`"} {
		if code, out, errs := importText(t, d, account, `{"orgName":"Acme"}`); code != exitFailed || out != "" || !strings.Contains(errs, want) {
			t.Errorf("exit %d: %s%s", code, out, errs)
		}
	}
	if n := count(t, d, "SELECT count(*) FROM orgs"); n != 0 {
		t.Errorf("%d organizations", n)
	}
}
