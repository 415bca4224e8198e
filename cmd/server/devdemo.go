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

Or run  set -a; . %[2]s  and use "$ORGD_URL" and "$ORGD_API_KEY". Ctrl-C stops everything.

`

const (
	demoName    = "Demo"
	demoMembers = 8
)

// demo is the sample account of `server dev`, as dev.env describes it.
type demo struct {
	url         string
	key         string
	databaseURL string
	envFile     string
}

// prepare finds the account of an earlier run by its key, or creates one. It writes
// dev.env and fills the account up to the given number of organizations.
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
	// Before the organizations, so the next run finds the account if this one is killed.
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
		// One worker creates them in order, which From of the next run relies on.
		Workers:  1,
		Progress: func(done int) { bar.Set(have + done) },
	})
}

// makeAccount creates the account and its key. A key in dev.env belongs to another
// database or is revoked; makeAccount keeps it in another file.
func (d *demo) makeAccount(ctx context.Context, std streams, pool *db.Pool) (apikeys.Principal, error) {
	if d.key != "" {
		if err := os.Rename(d.envFile, d.envFile+".old"); err != nil {
			return apikeys.Principal{}, err
		}
		fmt.Fprintf(std.err, "the key in %s is not valid for this database: creating a new account; the old file is kept as %s.old\n", d.envFile, d.envFile)
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

// writeEnv writes dev.env for a shell. It replaces the file atomically, because a run may
// be killed at any moment.
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

// shellQuote quotes s only if needed: not every reader of such files supports quotes.
func shellQuote(s string) string {
	if plainValue.MatchString(s) {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}

var plainValue = regexp.MustCompile(`^[A-Za-z0-9_:/@.?=%+,-]*$`)
