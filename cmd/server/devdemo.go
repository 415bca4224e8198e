package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"regexp"
	"strings"

	"orgd/internal/accounts"
	"orgd/internal/apikeys"
	"orgd/internal/db"
	"orgd/internal/progress"
	"orgd/internal/seed"
)

const devReady = `
orgd is serving at %[1]s. The demo account's key is in %[2]s. Try this in another terminal:

  curl -s '%[1]s/v1/orgs?limit=2' -H 'Authorization: Bearer %[3]s'

Or run  set -a; . %[2]s  and use "$ORGD_URL" and "$ORGD_API_KEY". In a browser, open %[1]s/dashboard and sign in with the
key. Ctrl-C stops the server and any PostgreSQL that it started.

`

const (
	demoName    = "Demo"
	demoMembers = 8
)

// demo is the demo account of `server dev`, and the content of dev.env.
type demo struct {
	url         string
	key         string
	databaseURL string
	envFile     string
}

// prepare finds the account of an earlier run by the key in dev.env, or creates one. It
// writes dev.env and adds organizations until the account has the given number.
func (d *demo) prepare(ctx context.Context, std streams, organizations int) error {
	pool, err := db.Open(ctx, d.databaseURL, db.Options{MaxConns: 4})
	if err != nil {
		return err
	}
	defer pool.Close()
	if d.key, err = readKey(d.envFile); err != nil {
		return err
	}
	owner, err := apikeys.NewVerifier(apikeys.NewRepository(pool), 0, nil).Authenticate(ctx, d.key)
	if errors.Is(err, apikeys.ErrInvalidKey) {
		owner, err = d.makeAccount(ctx, std, pool)
	}
	if err != nil {
		return err
	}
	// Write dev.env before creating organizations: if this run is killed, the next one
	// finds the account.
	if err := d.writeEnv(); err != nil {
		return err
	}
	have, err := seed.Count(ctx, pool.Pgx(), owner.AccountID)
	if err != nil || have >= organizations {
		return err
	}
	bar := progress.New(std.err, organizations, "organizations")
	defer bar.Done()
	return seed.Run(ctx, pool.Pgx(), seed.Options{
		Account: owner.AccountID, From: have, Orgs: organizations, Members: demoMembers, APIKey: owner.KeyID, Seed: defaultSeed,
		// With one worker, organizations are created in order, so the next run can
		// continue after those that exist.
		Workers:  1,
		Progress: func(done int) { bar.Set(have + done) },
	})
}

// makeAccount creates the account and its key. If dev.env has a key, that key belongs to
// another database or is revoked: makeAccount renames the file.
func (d *demo) makeAccount(ctx context.Context, std streams, pool *db.Pool) (apikeys.Principal, error) {
	if d.key != "" {
		if err := os.Rename(d.envFile, d.envFile+".old"); err != nil {
			return apikeys.Principal{}, err
		}
		fmt.Fprintf(std.err, "the key in %s is not valid for this database: creating a new account; the old file was renamed to %s.old\n", d.envFile, d.envFile)
	}
	account, err := accounts.NewRepository(pool).Create(ctx, demoName, func(accounts.Account) error { return nil })
	if err != nil {
		return apikeys.Principal{}, err
	}
	created, err := apikeys.NewRepository(pool).Create(ctx, apikeys.ByOperator(account.ID), apikeys.NewAPIKey{
		Description: "server dev", Scopes: apikeys.Scopes,
	})
	if err != nil {
		return apikeys.Principal{}, err
	}
	d.key = created.Key.Reveal()
	return apikeys.Principal{AccountID: account.ID, KeyID: created.APIKey.ID, Scopes: created.APIKey.Scopes}, nil
}

// writeEnv writes dev.env as a file that a shell can source. It replaces the file
// atomically, because a run may be killed at any moment.
func (d *demo) writeEnv() error {
	text := "ORGD_URL=" + shellQuote(d.url) + "\nORGD_API_KEY=" + d.key + "\nDATABASE_URL=" + shellQuote(d.databaseURL) + "\n"
	if err := os.WriteFile(d.envFile+".new", []byte(text), 0o600); err != nil {
		return err
	}
	return os.Rename(d.envFile+".new", d.envFile)
}

// readKey returns the key in dev.env, or "" if there is none.
func readKey(file string) (string, error) {
	text, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	for line := range strings.Lines(string(text)) {
		if key, ok := strings.CutPrefix(strings.TrimSpace(line), "ORGD_API_KEY="); ok {
			return strings.Trim(key, `'"`), nil
		}
	}
	return "", nil
}

// shellQuote quotes s for dev.env if needed. Plain values stay unquoted, because some
// programs that read such files do not support quotes.
func shellQuote(s string) string {
	if plainValue.MatchString(s) {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}

var plainValue = regexp.MustCompile(`^[A-Za-z0-9_:/@.?=%+,-]*$`)
