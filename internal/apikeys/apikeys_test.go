package apikeys_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"orgd/internal/apikeys"
	"orgd/internal/db"
	"orgd/internal/dbtest"
	"orgd/internal/uuid"
)

func TestMain(m *testing.M) { dbtest.Main(m) }

func TestKeyFormat(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for range 1000 {
		k := apikeys.NewKey()
		text := k.Reveal()
		if len(text) != 41 || !strings.HasPrefix(text, "orgd_") || seen[text] {
			t.Fatalf("key %q", text)
		}
		seen[text] = true
		if parsed, err := apikeys.ParseKey(text); err != nil || parsed != k {
			t.Fatalf("ParseKey(%q): %v, %v", text, parsed, err)
		}
		if !k.IsVaried() {
			t.Fatalf("%s does not look random", text)
		}
		for _, printed := range []string{fmt.Sprint(k), fmt.Sprintf("%+v %#v %s %q", k, k, k, k), k.Hint()} {
			if strings.Contains(printed, text[5:20]) {
				t.Fatalf("the key prints as %s", printed)
			}
		}
	}
}

// The checksum is part of the key's format, because secret scanners compute it too.
func TestKeyChecksumFixture(t *testing.T) {
	t.Parallel()
	// python3 -c "import zlib; print(zlib.crc32(b'orgd_000000000000000000000000000000'))" is 3292064711, in base62 3anAPv.
	const fixture = "orgd_0000000000000000000000000000003anAPv"
	if k, err := apikeys.ParseKey(fixture); err != nil || k.IsVaried() {
		t.Errorf("%s is malformed or looks random: %v", fixture, err)
	}
}

func TestMalformedKeys(t *testing.T) {
	t.Parallel()
	good := apikeys.NewKey().Reveal()
	bad := []string{"", "orgd_", good[1:], good[:40], good + "0", "ORGD_" + good[5:], " " + good, good[:39] + "__", strings.Repeat("x", 41)}
	for i := range good {
		altered := []byte(good)
		if altered[i]++; altered[i] == good[i] {
			continue
		}
		bad = append(bad, string(altered))
	}
	for _, s := range bad {
		if _, err := apikeys.ParseKey(s); !errors.Is(err, apikeys.ErrMalformed) {
			t.Errorf("ParseKey(%q): %v, want ErrMalformed", s, err)
		}
	}
}

func TestKeyLifecycle(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	d := dbtest.New(t)
	account := d.Account(t)
	call := apikeys.ByOperator(account)
	keys := apikeys.NewRepository(d.Conns)
	verifier := apikeys.NewVerifier(keys, 0, nil)
	made, err := keys.Create(ctx, call, apikeys.NewAPIKey{
		Description: "CI", Scopes: []apikeys.Scope{apikeys.OrgsRead, apikeys.ActAsUser}, Expiry: apikeys.ExpiresIn(time.Hour),
	})
	if err != nil {
		t.Fatal(err)
	}
	key := made.APIKey
	if life := key.ExpiresAt.Sub(key.CreatedAt); life != time.Hour || key.Hint != made.Key.Hint() || key.AccountID != account {
		t.Errorf("made %+v", key)
	}
	p, err := verifier.Authenticate(ctx, made.Key.Reveal())
	if err != nil || p.AccountID != account || p.KeyID != key.ID || !p.Has(apikeys.OrgsRead) || p.Has(apikeys.OrgsWrite) {
		t.Errorf("Authenticate: %+v, %v", p, err)
	}
	d.Key(t, d.Account(t))
	newer, err := keys.Create(ctx, call, apikeys.NewAPIKey{Description: "newer", Scopes: apikeys.Scopes})
	if err != nil {
		t.Fatal(err)
	}
	if listed, err := keys.ListAll(ctx, &account); err != nil || len(listed) != 2 || listed[0].ID != newer.APIKey.ID {
		t.Errorf("ListAll: %+v, %v; want the account's two keys, the newer one first", listed, err)
	}
	if all, err := keys.ListAll(ctx, nil); err != nil || len(all) != 3 {
		t.Errorf("ListAll: %d keys, %v; want 3", len(all), err)
	}
	first, err := keys.Revoke(ctx, call, key.ID)
	if err != nil || first.APIKey.RevokedAt.IsZero() {
		t.Errorf("Revoke: %+v, %v", first, err)
	}
	if again, err := keys.Revoke(ctx, call, key.ID); err != nil || !again.APIKey.RevokedAt.Equal(first.APIKey.RevokedAt) {
		t.Errorf("Revoke again: %+v, %v", again, err)
	}
	if _, err := verifier.Authenticate(ctx, made.Key.Reveal()); !errors.Is(err, apikeys.ErrInvalidKey) {
		t.Errorf("a revoked key: %v", err)
	}
	if _, err := keys.Revoke(ctx, call, uuid.NewV7()); !errors.Is(err, apikeys.ErrNotFound) {
		t.Errorf("Revoke of an unknown key: %v", err)
	}
	nobody := apikeys.ByOperator(uuid.NewV7())
	if _, err := keys.Create(ctx, nobody, apikeys.NewAPIKey{Description: "x", Scopes: apikeys.Scopes}); !errors.Is(err, apikeys.ErrUnknownAccount) {
		t.Errorf("Create in an unknown account: %v", err)
	}
}

// The database never stores a key.
func TestKeysAreNotStored(t *testing.T) {
	t.Parallel()
	d := dbtest.New(t)
	key := d.Key(t, d.Account(t))
	var row string
	if err := d.Pool.QueryRow(context.Background(), "SELECT api_keys::text FROM api_keys").Scan(&row); err != nil {
		t.Fatal(err)
	}
	if strings.Contains(row, key[5:15]) {
		t.Errorf("the row contains the key: %s", row)
	}
}

func TestExpiryIsByTheDatabasesClock(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	d := dbtest.New(t)
	key := d.Key(t, d.Account(t))
	keys := apikeys.NewVerifier(apikeys.NewRepository(d.Conns), 0, nil)
	for expiry, want := range map[string]error{"now() + interval '1 minute'": nil, "now()": apikeys.ErrInvalidKey, "NULL": nil} {
		t.Run(expiry, func(t *testing.T) {
			d.Exec(t, "UPDATE api_keys SET expires_at = "+expiry)
			if _, err := keys.Authenticate(ctx, key); !errors.Is(err, want) {
				t.Errorf("expires_at %s: %v, want %v", expiry, err, want)
			}
		})
	}
}

// A malformed key is rejected without a query. A well-formed key that cannot be looked up
// may be valid, so the error is ErrUnavailable.
func TestAuthenticateWithoutADatabase(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	pool, err := db.Open(ctx, "postgres://u@127.0.0.1:1/d", db.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Close()
	keys := apikeys.NewVerifier(apikeys.NewRepository(pool), time.Minute, nil)
	if _, err := keys.Authenticate(ctx, "orgd_junk"); !errors.Is(err, apikeys.ErrInvalidKey) {
		t.Errorf("junk: %v", err)
	}
	if _, err := keys.Authenticate(ctx, apikeys.NewKey().Reveal()); !errors.Is(err, apikeys.ErrUnavailable) || errors.Is(err, apikeys.ErrInvalidKey) {
		t.Errorf("a key: %v", err)
	}
}

// The next flush retries a failed write. An hour that is already stored is not written
// again.
func TestFailedFlushIsRetried(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	d := dbtest.New(t)
	key := d.Key(t, d.Account(t))
	usage := apikeys.NewUsage(d.Conns)
	repository := apikeys.NewRepository(d.Conns)
	if _, err := apikeys.NewVerifier(repository, time.Hour, usage).Authenticate(ctx, key); err != nil {
		t.Fatal(err)
	}
	canceled, cancel := context.WithCancel(ctx)
	cancel()
	if err := usage.Flush(canceled); err == nil {
		t.Fatal("a canceled flush returned no error")
	}
	version := func() (version string) {
		if err := usage.Flush(ctx); err != nil {
			t.Fatal(err)
		}
		if err := d.Pool.QueryRow(ctx, "SELECT xmin::text FROM api_keys WHERE last_used_at IS NOT NULL").Scan(&version); err != nil {
			t.Fatal(err)
		}
		return version
	}
	first := version()
	if _, err := apikeys.NewVerifier(repository, time.Hour, usage).Authenticate(ctx, key); err != nil {
		t.Fatal(err)
	}
	if again := version(); again != first {
		t.Error("the same hour was written again")
	}
}
