package main

import (
	"context"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"

	"go.yaml.in/yaml/v3"

	"orgd/internal/apikeys"
	"orgd/internal/dbtest"
	"orgd/internal/uuid"
)

// keyFile writes a file with exactly this mode, regardless of the umask, and returns its
// path.
func keyFile(t *testing.T, contents string, mode os.FileMode) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(path, []byte(contents), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, mode); err != nil {
		t.Fatal(err)
	}
	return path
}

// bootstrap runs `migrate up` with an account, a key file and additional flags.
func bootstrap(t *testing.T, databaseURL, account, file string, flags ...string) (code int, stdout, stderr string) {
	t.Helper()
	return run(t, append([]string{"migrate", "up", "--database-url=" + databaseURL, "--bootstrap-account=" + account, "--bootstrap-key-file=" + file}, flags...)...)
}

// mustBootstrap calls bootstrap for a database without pending migrations. It returns
// what was printed about the account and the key.
func mustBootstrap(t *testing.T, databaseURL, account, file string, flags ...string) string {
	t.Helper()
	code, out, errs := bootstrap(t, databaseURL, account, file, flags...)
	if code != 0 || errs != "" {
		t.Fatalf("exit %d: %s%s", code, out, errs)
	}
	_, out, _ = strings.Cut(out, "\n")
	return out
}

var anyID = regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f-]{27}`)

// The key in the file works after the first migration. Later runs change nothing.
func TestBootstrapFromAnEmptyDatabase(t *testing.T) {
	t.Parallel()
	databaseURL := dbtest.NewURL(t)
	key := succeed(t, "keys", "generate")
	file := keyFile(t, key+"\n", 0o440)
	code, out, errs := bootstrap(t, databaseURL, "My team", file)
	if code != 0 || !strings.Contains(out, "applied 00001_accounts.sql") || !strings.Contains(out, "\ncreated account ") || !strings.Contains(out, "\nregistered key ") || strings.Contains(out+errs, key) {
		t.Fatalf("exit %d: %s%s", code, out, errs)
	}
	r := start(t, func(c *serveConfig) { c.databaseURL = databaseURL })
	var made struct{ Scopes []apikeys.Scope }
	decode(t, r.mustAsk(t, key, "/v1/api-keys/"+anyID.FindString(out[strings.Index(out, "registered key "):])), &made)
	if len(made.Scopes) != len(apikeys.Scopes) {
		t.Errorf("scopes %v, want all", made.Scopes)
	}
	var listed []struct{ AccountID string }
	for range 2 {
		again := mustBootstrap(t, databaseURL, "My team", file)
		if !strings.HasPrefix(again, "key ") || !strings.HasSuffix(again, " already exists\n") {
			t.Errorf("again: %s", again)
		}
		decode(t, succeed(t, "accounts", "list", "--database-url="+databaseURL, "--json"), &listed)
		if len(listed) != 1 {
			t.Fatalf("accounts %+v", listed)
		}
		// The id and the name of the account are interchangeable.
		if again := mustBootstrap(t, databaseURL, listed[0].AccountID, file); !strings.HasSuffix(again, " already exists\n") {
			t.Errorf("with the account's id: %s", again)
		}
	}
}

func (r *running) mustAsk(t *testing.T, key, path string) string {
	t.Helper()
	status, answer := r.ask(t, key, http.MethodGet, path, "")
	if status != http.StatusOK {
		t.Fatalf("%s: %d %s", path, status, answer)
	}
	return answer
}

// A revoked key stays revoked, and a changed key keeps its changes.
func TestBootstrapChangesNoExistingKey(t *testing.T) {
	t.Parallel()
	d := dbtest.New(t)
	database := "--database-url=" + d.URL
	file := keyFile(t, succeed(t, "keys", "generate"), 0o400)
	made := mustBootstrap(t, d.URL, "Acme", file, "--bootstrap-scopes=orgs:read,keys:manage")
	ids := anyID.FindAllString(made, -1) // the ids of the account and of the key
	succeed(t, "keys", "update", database, ids[1], "--description=Renamed", "--expires-in=1h")
	if again := mustBootstrap(t, d.URL, "Acme", file); !strings.Contains(again, "already exists, and expires at 20") {
		t.Errorf("a key with an expiry: %s", again)
	}
	d.Exec(t, "UPDATE api_keys SET created_at = now() - interval '1 day', expires_at = now() - interval '1 hour'")
	if again := mustBootstrap(t, d.URL, "Acme", file); !strings.HasSuffix(again, "Z, and stays expired\n") {
		t.Errorf("an expired key: %s", again)
	}
	succeed(t, "keys", "revoke", database, ids[1])
	if again := mustBootstrap(t, d.URL, "Acme", file); !strings.HasSuffix(again, "It was revoked, and stays revoked\n") {
		t.Errorf("a revoked key: %s", again)
	}
	var state string
	err := d.Pool.QueryRow(context.Background(), `
SELECT concat_ws(' ', description, scopes, revoked_at IS NOT NULL, created_by_api_key_id, (
  SELECT string_agg(concat_ws(' ', type, actor_api_key_id, split_part(request_id, '-', 1)), ', ' ORDER BY events.id)
  FROM events WHERE api_key_id = api_keys.id))
FROM api_keys`).Scan(&state)
	const want = "Renamed {orgs:read,keys:manage} t api_key.created operator, api_key.updated operator, api_key.revoked operator"
	if err != nil || state != want {
		t.Errorf("%s, %v; want %s", state, err, want)
	}
}

// Concurrent runs create one account and one key.
func TestConcurrentBootstraps(t *testing.T) {
	t.Parallel()
	d := dbtest.New(t)
	file := keyFile(t, succeed(t, "keys", "generate"), 0o400)
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			if code, out, errs := bootstrap(t, d.URL, "Acme", file); code != 0 {
				t.Errorf("exit %d: %s%s", code, out, errs)
			}
		})
	}
	all.Wait()
	if n := count(t, d, "SELECT 10 * (SELECT count(*) FROM accounts) + (SELECT count(*) FROM api_keys)"); n != 11 {
		t.Errorf("%d accounts and %d keys", n/10, n%10)
	}
}

// A server that has rejected the key as unknown accepts it as soon as it is registered.
func TestBootstrapWhileAServerRuns(t *testing.T) {
	t.Parallel()
	d := dbtest.New(t)
	key := succeed(t, "keys", "generate")
	r := start(t, remembering(d.URL))
	r.awaitLog(t, hearing, 1)
	if r.opens(t, key) {
		t.Fatal("an unknown key works")
	}
	mustBootstrap(t, d.URL, "Acme", keyFile(t, key, 0o400))
	await(t, "the registered key does not work", func() bool { return r.opens(t, key) })
}

// A bootstrap that fails changes nothing.
func TestBootstrapThatFails(t *testing.T) {
	t.Parallel()
	d := dbtest.New(t)
	other := d.Account(t) // named Test, like the account below
	file := keyFile(t, succeed(t, "keys", "generate"), 0o400)
	mustBootstrap(t, d.URL, "Acme", file)
	d.Account(t)
	second := keyFile(t, succeed(t, "keys", "generate"), 0o400)
	before := count(t, d, "SELECT (SELECT count(*) FROM accounts) + (SELECT count(*) FROM api_keys)")
	for name, c := range map[string]struct{ account, file, reason string }{
		"the key of another account": {other.String(), file, "the key belongs to another account"},
		"its key for a new account":  {"New", file, "the key belongs to another account"},
		"an unknown account":         {uuid.NewV7().String(), second, "no such account"},
		"a name of two accounts":     {"Test", second, "several accounts have this name"},
	} {
		t.Run(name, func(t *testing.T) {
			code, out, errs := bootstrap(t, d.URL, c.account, c.file)
			if code != exitFailed || strings.Count(errs, "\n") != 1 || !strings.Contains(errs, c.reason) {
				t.Errorf("exit %d: %s%s", code, out, errs)
			}
			if after := count(t, d, "SELECT (SELECT count(*) FROM accounts) + (SELECT count(*) FROM api_keys)"); after != before {
				t.Errorf("%d accounts and keys, want %d", after, before)
			}
		})
	}
}

// A wrong file or flag is reported before the first migration, in one line that does not
// contain the key.
func TestWrongBootstrap(t *testing.T) {
	t.Parallel()
	d := dbtest.NewEmpty(t)
	key := apikeys.NewKey().Reveal()
	pipe := filepath.Join(t.TempDir(), "pipe")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	good := keyFile(t, key, 0o400)
	for name, c := range map[string]struct {
		account, file, reason string
		flags                 []string
	}{
		"no file":             {account: "Acme", file: "/no/such/file", reason: "no such file"},
		"a directory":         {account: "Acme", file: t.TempDir(), reason: "is not a regular file"},
		"a pipe":              {account: "Acme", file: pipe, reason: "is not a regular file"},
		"writable by all":     {account: "Acme", file: keyFile(t, key, 0o666), reason: "mode 0666"},
		"empty":               {account: "Acme", file: keyFile(t, "", 0o400), reason: "is empty"},
		"a line break":        {account: "Acme", file: keyFile(t, "\n", 0o400), reason: "is empty"},
		"CRLF":                {account: "Acme", file: keyFile(t, key+"\r\n", 0o400), reason: "CRLF"},
		"two line breaks":     {account: "Acme", file: keyFile(t, key+"\n\n", 0o400), reason: "white space"},
		"a space":             {account: "Acme", file: keyFile(t, " "+key, 0o400), reason: "white space"},
		"two keys":            {account: "Acme", file: keyFile(t, key+"\n"+key+"\n", 0o400), reason: "more than one key"},
		"a byte order mark":   {account: "Acme", file: keyFile(t, "\ufeff"+key, 0o400), reason: "byte order mark"},
		"another format":      {account: "Acme", file: keyFile(t, "sk_live_123", 0o400), reason: "does not contain a valid key"},
		"damaged":             {account: "Acme", file: keyFile(t, key[:40]+"_", 0o400), reason: "does not contain a valid key"},
		"an example":          {account: "Acme", file: keyFile(t, "orgd_0000000000000000000000000000003anAPv", 0o400), reason: "is not random"},
		"long":                {account: "Acme", file: keyFile(t, strings.Repeat(key, 1000), 0o400), reason: "does not contain a valid key"},
		"no account":          {file: good, reason: "set both"},
		"no key":              {account: "Acme", reason: "set both"},
		"a name of two lines": {account: "a\nb", file: good, reason: "ORGD_BOOTSTRAP_ACCOUNT must not contain control characters"},
		"no such scope":       {account: "Acme", file: good, reason: "root", flags: []string{"--bootstrap-scopes=orgs:read,root"}},
		"a repeated scope":    {account: "Acme", file: good, reason: "orgs:read", flags: []string{"--bootstrap-scopes=orgs:read,orgs:read"}},
	} {
		t.Run(name, func(t *testing.T) {
			code, out, errs := bootstrap(t, d.URL, c.account, c.file, c.flags...)
			if code != exitUsage || out != "" || strings.Count(errs, "\n") != 1 || !strings.Contains(errs, c.reason) || strings.Contains(errs, key[5:35]) {
				t.Errorf("exit %d, printed %q and %q", code, out, errs)
			}
			if n := count(t, d, "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'"); n != 0 {
				t.Errorf("%d tables were created", n)
			}
		})
	}
}

// The schema's owner can bootstrap. The serving role cannot, because it may not create
// accounts.
func TestBootstrapByTheRoles(t *testing.T) {
	t.Parallel()
	r := newRoles(t)
	d := r.install(t)
	file := keyFile(t, succeed(t, "keys", "generate"), 0o400)
	code, _, errs := bootstrap(t, r.urlAs(t, r.server), "Acme", file)
	if code != exitFailed || strings.Count(errs, "\n") != 1 || !strings.Contains(errs, "42501") {
		t.Errorf("by the serving role: exit %d, %s", code, errs)
	}
	if out := mustBootstrap(t, d.URL, "Acme", file); !strings.HasPrefix(out, "created account ") {
		t.Errorf("by the owner: %s", out)
	}
}

// The examples for Kubernetes and Compose set only known variables, and mount the key
// file at the path that they set.
func TestDeployedBootstrap(t *testing.T) {
	t.Parallel()
	known := knownVariables(t)
	var component struct{ Patches []struct{ Patch string } }
	if err := yaml.Unmarshal(readFile(t, "../../deploy/kubernetes/bootstrap/kustomization.yaml"), &component); err != nil {
		t.Fatal(err)
	}
	var object any
	if err := yaml.Unmarshal([]byte(component.Patches[0].Patch), &object); err != nil {
		t.Fatal(err)
	}
	var job manifest
	into(t, object, &job)
	find(t, kubernetes(t), job.Kind, job.Metadata.Name)
	set := map[string]string{}
	for _, e := range job.Spec.Template.Spec.Containers[0].Env {
		set[e.Name] = e.Value
	}
	if text := component.Patches[0].Patch; !strings.Contains(text, "mountPath: "+filepath.Dir(set["ORGD_BOOTSTRAP_KEY_FILE"])+"\n") || !strings.Contains(text, "secretName: orgd-bootstrap\n") {
		t.Errorf("%s is not in the mounted Secret: %s", set["ORGD_BOOTSTRAP_KEY_FILE"], text)
	}
	var compose struct {
		Services map[string]struct {
			Environment map[string]string
			Secrets     []string
		}
	}
	if err := yaml.Unmarshal(readFile(t, "../../deploy/compose/bootstrap.yaml"), &compose); err != nil {
		t.Fatal(err)
	}
	migrate := compose.Services["migrate"]
	if len(migrate.Secrets) != 1 || migrate.Environment["ORGD_BOOTSTRAP_KEY_FILE"] != "/run/secrets/"+migrate.Secrets[0] {
		t.Errorf("Compose mounts %v at /run/secrets, and sets %v", migrate.Secrets, migrate.Environment)
	}
	for _, variables := range []map[string]string{set, migrate.Environment} {
		for name := range variables {
			if _, ok := known[name]; !ok {
				t.Errorf("%s is set, but nothing reads it", name)
			}
		}
		if variables["ORGD_BOOTSTRAP_ACCOUNT"] == "" || variables["ORGD_BOOTSTRAP_KEY_FILE"] == "" {
			t.Errorf("the account or the key file is not set: %v", variables)
		}
	}
	manual := string(readFile(t, "../../docs/operating.md"))
	for _, text := range []string{"create secret generic orgd-bootstrap --from-file=key=", "deploy/compose/bootstrap.yaml", "deploy/kubernetes/bootstrap"} {
		if !strings.Contains(manual, text) {
			t.Errorf("docs/operating.md lacks %q", text)
		}
	}
}
