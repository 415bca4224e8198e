package main

import (
	"bufio"
	"context"
	"errors"
	"io/fs"
	"os"
	"regexp"
	"strings"

	"orgd/internal/accounts"
	"orgd/internal/apikeys"
	"orgd/internal/db"
	"orgd/internal/seed"
)

const devReady = `
orgd serves %[1]s, the demo account's key is in %[2]s. Try, in another terminal:

  curl -s '%[1]s/v1/orgs?limit=2' -H 'Authorization: Bearer %[3]s'

or first:  set -a; . %[2]s  and then use "$ORGD_URL" and "$ORGD_API_KEY". Ctrl-C stops everything.

`

const (
	demoName    = "Demo"
	demoMembers = 8
)

// devEnv is the content of dev.env, which a shell can read.
type devEnv struct {
	URL         string
	Key         string
	DatabaseURL string
}

func (e devEnv) write(file string) error {
	text := "ORGD_URL=" + shellQuote(e.URL) + "\nORGD_API_KEY=" + e.Key + "\nDATABASE_URL=" + shellQuote(e.DatabaseURL) + "\n"
	// Whole or not at all: a run may be killed at any moment.
	if err := os.WriteFile(file+".new", []byte(text), 0o600); err != nil {
		return err
	}
	return os.Rename(file+".new", file)
}

// shellQuote leaves plain values plain, which more readers of such files know.
func shellQuote(s string) string {
	if plainValue.MatchString(s) {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}

var plainValue = regexp.MustCompile(`^[A-Za-z0-9_:/@.?=%+,-]*$`)

// readKey returns the key of an earlier run, or "" if there was none.
func readKey(file string) (string, error) {
	f, err := os.Open(file)
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		if key, ok := strings.CutPrefix(lines.Text(), "ORGD_API_KEY="); ok {
			return key, nil
		}
	}
	return "", lines.Err()
}

// prepareDemo makes the demo account, or finds that of an earlier run by its
// key, and fills it up to so many organizations.
func prepareDemo(ctx context.Context, std streams, databaseURL, envFile string, organizations int) (devEnv, error) {
	pool, err := db.Open(ctx, databaseURL, db.Options{MaxConns: 4})
	if err != nil {
		return devEnv{}, err
	}
	defer pool.Close()
	env := devEnv{DatabaseURL: databaseURL}
	if env.Key, err = readKey(envFile); err != nil {
		return devEnv{}, err
	}
	keys := apikeys.NewRepository(pool)
	demo, err := keys.Authenticate(ctx, env.Key)
	if errors.Is(err, apikeys.ErrInvalidKey) {
		demo, env.Key, err = makeDemo(ctx, pool, keys)
		if err == nil {
			err = env.write(envFile) // now, so that a killed run is not forgotten
		}
	}
	if err != nil {
		return devEnv{}, err
	}
	have, err := seed.Count(ctx, pool.Pgx(), demo.AccountID)
	if err != nil || have >= organizations {
		return env, err
	}
	bar := newProgress(std.err, organizations)
	defer bar.done()
	return env, seed.Run(ctx, pool.Pgx(), seed.Options{
		Account: demo.AccountID, From: have, Orgs: organizations, Members: demoMembers,
		APIKey: demo.KeyID, Seed: defaultSeed, Progress: bar.set,
	})
}

func makeDemo(ctx context.Context, pool *db.Pool, keys *apikeys.Repository) (apikeys.Principal, string, error) {
	account, err := accounts.NewRepository(pool).Create(ctx, demoName)
	if err != nil {
		return apikeys.Principal{}, "", err
	}
	made, key, err := keys.Create(ctx, apikeys.NewAPIKey{AccountID: account.ID, Description: "server dev", Scopes: apikeys.Scopes})
	if err != nil {
		return apikeys.Principal{}, "", err
	}
	return apikeys.Principal{AccountID: account.ID, KeyID: made.ID, Scopes: made.Scopes}, key.Reveal(), nil
}
