package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"strings"
	"syscall"
	"testing"

	"orgd/internal/dbtest"
	"orgd/internal/uuid"
)

// eventful returns a database in which an account has n events of two types.
func eventful(t *testing.T, n int) (d *dbtest.DB, account uuid.UUID) {
	t.Helper()
	d = dbtest.New(t)
	account = d.Account(t)
	d.Exec(t, `
INSERT INTO events (account_id, type, org_id, after, request_id)
SELECT $1, CASE n % 3 WHEN 0 THEN 'org.created' ELSE 'org.updated' END, $1, jsonb_build_object('orgName', 'Name ' || n), 'r'
FROM generate_series(1, $2::int) AS n`, account, n)
	return d, account
}

type exported struct {
	Position int64
	Type     string
	After    struct{ OrgName string }
}

// parse decodes whole lines.
func parse(t *testing.T, output string) (lines []exported) {
	t.Helper()
	if output != "" && !strings.HasSuffix(output, "\n") {
		t.Fatalf("the last line is incomplete: …%s", output[max(0, len(output)-100):])
	}
	for line := range strings.Lines(output) {
		var e exported
		if err := json.Unmarshal([]byte(line), &e); err != nil {
			t.Fatalf("%v in %s", err, line)
		}
		lines = append(lines, e)
	}
	return lines
}

func TestExportOfEvents(t *testing.T) {
	t.Parallel()
	d, account := eventful(t, 1250)
	export := func(flags ...string) []exported {
		args := append([]string{"events", "export", "--database-url=" + d.URL, "--account=" + account.String()}, flags...)
		code, out, errs := run(t, args...)
		if code != 0 || errs != "" {
			t.Fatalf("%q: exit %d: %s", flags, code, errs)
		}
		return parse(t, out)
	}
	all := export()
	if len(all) != 1250 {
		t.Fatalf("%d lines", len(all))
	}
	for i, e := range all {
		if e.Position != int64(i+1) || e.After.OrgName != fmt.Sprintf("Name %d", i+1) {
			t.Fatalf("line %d is %+v", i+1, e)
		}
	}
	for after, want := range map[int]int{0: 1250, 1: 1249, 1249: 1, 1250: 0} {
		if rest := export(fmt.Sprintf("--after=%d", after)); len(rest) != want || want > 0 && rest[0] != all[after] {
			t.Errorf("after %d: %d lines", after, len(rest))
		}
	}
	for types, want := range map[string]int{"org.created": 416, "org.created,org.updated": 1250, "org.deleted": 0} {
		if got := export("--types=" + types); len(got) != want {
			t.Errorf("%s: %d lines, want %d", types, len(got), want)
		}
	}
	d.Exec(t, "INSERT INTO events (account_id, type, request_id) VALUES ($1, 'user.erased', 'r')", account)
	if more := export("--after=1250"); len(more) != 1 || more[0].Position != 1251 || more[0].Type != "user.erased" {
		t.Errorf("more: %+v", more)
	}
}

// An export that would omit events fails, and its error says what to do.
func TestExportsWithAGap(t *testing.T) {
	t.Parallel()
	d, account := eventful(t, 10)
	export := []string{"events", "export", "--database-url=" + d.URL, "--account=" + account.String()}
	succeed(t, export...)
	d.Exec(t, "UPDATE feeds SET removed_position = 4, removed_mark = decode(repeat('00', 16), 'hex')")
	d.Exec(t, "DELETE FROM events WHERE position <= 4")
	for _, c := range []struct{ flag, want string }{
		{"--after=0", "the events up to position 4 were deleted because of their age. To export those that are kept, use --after 4"},
		{"--after=3", "use --after 4"},
		{"--after=11", "no event has position 11; the feed ends at position 10"},
		{"--account=" + uuid.NewV7().String(), "there is no account"},
	} {
		if code, out, errs := run(t, append(export, c.flag)...); code != exitFailed || out != "" || !strings.Contains(errs, c.want) {
			t.Errorf("%s: exit %d, %s%s", c.flag, code, out, errs)
		}
	}
	for _, flags := range [][]string{nil, {"--after=4"}} {
		if lines := parse(t, succeed(t, append(export, flags...)...)+"\n"); len(lines) != 6 || lines[0].Position != 5 {
			t.Errorf("%q: %+v", flags, lines)
		}
	}
}

// An export that is told to stop has written whole lines, and another export can continue
// after them.
func TestStoppedExport(t *testing.T) {
	t.Parallel()
	d, account := eventful(t, 20_000)
	args := []string{"events", "export", "--database-url=" + d.URL, "--account=" + account.String()}
	read, write := pipe(t)
	cmd := command(t, nil, args...)
	var errs safeBuffer
	cmd.Stdout, cmd.Stderr = write, &errs
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	defer stdin.Close()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	_ = write.Close()
	var out strings.Builder
	lines := bufio.NewScanner(read)
	for n := 0; lines.Scan(); n++ {
		out.WriteString(lines.Text() + "\n")
		if n == 1000 {
			if err := cmd.Process.Signal(syscall.SIGINT); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := cmd.Wait(); err == nil {
		t.Error("the stopped export succeeded")
	}
	first := parse(t, out.String())
	last := first[len(first)-1].Position
	if want := fmt.Sprintf("Exported up to position %[1]d. To continue, use --after %[1]d.\nserver: stopped\n", last); errs.String() != want {
		t.Errorf("printed %q, want %q", errs.String(), want)
	}
	rest := parse(t, succeed(t, append(args, fmt.Sprintf("--after=%d", last))...)+"\n")
	if len(first) >= 20_000 || len(first)+len(rest) != 20_000 || rest[0].Position != last+1 {
		t.Errorf("%d and %d lines, from %d", len(first), len(rest), rest[0].Position)
	}
}

// The reader of the output, such as head, may exit early.
func TestExportWithoutReader(t *testing.T) {
	t.Parallel()
	d, account := eventful(t, 5000)
	cmd := inShell(command(t, nil, "events", "export", "--database-url="+d.URL, "--account="+account.String()), `{ "$@"; echo "exit $?" >&2; } | head -n 3 | wc -l >&2`)
	if _, text := endOf(t, cmd, nil); !strings.Contains(text, "exit 1") || !strings.Contains(text, "broken pipe") || strings.Count(text, "\n") != 3 || !strings.Contains(text, "\n3\n") && !strings.HasPrefix(text, "3\n") {
		t.Errorf("%s", text)
	}
}
