package main

import (
	"errors"
	"os"
	"os/exec"
	"strings"
	"testing"

	"orgd/internal/dbtest"
)

// printing returns a database with one key, and the commands that print something.
// results are the commands that are useless without their output, and effects are the
// others.
func printing(t *testing.T) (d *dbtest.DB, effects, results map[string][]string) {
	t.Helper()
	d = dbtest.New(t)
	account := d.Account(t).String()
	database := "--database-url=" + d.URL
	var key struct{ APIKeyID string }
	decode(t, succeed(t, "keys", "create", database, "--account="+account, "--description=first", "--scope=orgs:read", "--json"), &key)
	effects = map[string][]string{
		"help":         {"--help"},
		"migrate up":   {"migrate", "up", database},
		"migrate down": {"migrate", "down", "--database-url=" + dbtest.NewURL(t)}, // nothing to roll back
		"keys update":  {"keys", "update", database, key.APIKeyID, "--description=changed"},
		"seed":         {"seed", database, "--account=" + account, "--orgs=1"},
		"keys revoke":  {"keys", "revoke", database, key.APIKeyID},
	}
	results = map[string][]string{
		"version":              {"version"},
		"migrate status":       {"migrate", "status", database},
		"accounts create":      {"accounts", "create", database, "--name=Unseen"},
		"accounts create json": {"accounts", "create", database, "--name=Unseen", "--json"},
		"accounts list":        {"accounts", "list", database},
		"accounts list json":   {"accounts", "list", database, "--json"},
		"keys create":          {"keys", "create", database, "--account=" + account, "--description=d", "--scope=orgs:read"},
		"keys create json":     {"keys", "create", database, "--account=" + account, "--description=d", "--scope=orgs:read", "--json"},
		"keys list":            {"keys", "list", database},
		"keys list json":       {"keys", "list", database, "--json"},
		"events export":        {"events", "export", database, "--account=" + account},
		"keys rotate":          {"keys", "rotate", database, key.APIKeyID, "--overlap=0s"},
	}
	return d, effects, results
}

// checkNothingCreated checks that printing's account and key are the only ones, and that
// the key is still valid.
func checkNothingCreated(t *testing.T, d *dbtest.DB) {
	t.Helper()
	if n := count(t, d, "SELECT count(*) FROM accounts"); n != 1 {
		t.Errorf("%d accounts, want 1", n)
	}
	if n := count(t, d, "SELECT count(*) FROM api_keys"); n != 1 {
		t.Errorf("%d keys, want 1", n)
	}
	if n := count(t, d, "SELECT count(*) FROM api_keys WHERE expires_at IS NULL AND revoked_at IS NULL"); n != 1 {
		t.Error("keys rotate ended the old key although its output was lost")
	}
}

// A command whose output cannot be written fails. It leaves no account or key whose
// creation the operator did not see.
func TestOutputToAFullDisk(t *testing.T) {
	t.Parallel()
	d, effects, results := printing(t)
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer full.Close()
	check := func(commands map[string][]string) {
		for name, args := range commands {
			var errs safeBuffer
			code := execute(t.Context(), args, full, &errs)
			if text := errs.String(); code != exitFailed || strings.Count(text, "\n") != 1 || !strings.Contains(text, "no space left on device") {
				t.Errorf("%s: exit %d, %s", name, code, text)
			}
		}
	}
	check(results)
	checkNothingCreated(t, d)
	check(effects)
}

// A command fails if the reader of its standard output has exited. The command runs in
// its own process, because the write raises SIGPIPE.
func TestOutputWithoutReader(t *testing.T) {
	t.Parallel()
	d, _, results := printing(t)
	for name, args := range results {
		read, write := pipe(t)
		if err := read.Close(); err != nil {
			t.Fatal(err)
		}
		if code, text := endOf(t, command(t, nil, args...), write); code != exitFailed || !strings.Contains(text, "broken pipe") {
			t.Errorf("%s: exit %d, %s", name, code, text)
		}
	}
	checkNothingCreated(t, d)
}

// A command that is useless without its output detects a closed standard output before it
// changes anything. Other commands succeed.
func TestOutputClosed(t *testing.T) {
	t.Parallel()
	d, effects, results := printing(t)
	for name, args := range results {
		code, text := endOf(t, inShell(command(t, nil, args...), `exec "$@" >&-`), nil)
		if code != exitFailed || !strings.Contains(text, errOutputClosed.Error()) {
			t.Errorf("%s: exit %d, %s", name, code, text)
		}
	}
	checkNothingCreated(t, d)
	for name, args := range effects {
		if code, text := endOf(t, inShell(command(t, nil, args...), `exec "$@" >&-`), nil); code != 0 {
			t.Errorf("%s: exit %d, %s", name, code, text)
		}
	}
}

// Every command succeeds if its output is discarded with >/dev/null.
func TestOutputDiscarded(t *testing.T) {
	t.Parallel()
	_, effects, results := printing(t)
	for _, commands := range []map[string][]string{results, effects} {
		for name, args := range commands {
			if code, text := endOf(t, inShell(command(t, nil, args...), `exec "$@" >/dev/null`), nil); code != 0 {
				t.Errorf("%s: exit %d, %s", name, code, text)
			}
		}
	}
}

// endOf runs a command and returns its exit code and its standard error.
func endOf(t *testing.T, cmd *exec.Cmd, stdout *os.File) (code int, errs string) {
	t.Helper()
	var said safeBuffer
	cmd.Stderr = &said
	if stdout != nil {
		cmd.Stdout = stdout
		defer stdout.Close()
	}
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	err = cmd.Wait()
	_ = stdin.Close() // Wait may have closed it
	var exit *exec.ExitError
	switch {
	case err == nil:
		return 0, said.String()
	case errors.As(err, &exit):
		return exit.ExitCode(), said.String()
	}
	t.Fatal(err)
	return 0, ""
}
