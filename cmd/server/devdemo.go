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

// demo is the account that `server dev` shows, as dev.env tells of it.
type demo struct {
	url         string
	key         string
	databaseURL string
	envFile     string
}

// prepare makes the account, or finds that of an earlier run by its key, fills
// it up to so many organizations, and writes dev.env.
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
	// Before the organizations, so that a run that is killed meanwhile is found again.
	if err := d.writeEnv(); err != nil {
		return err
	}
	have, err := seed.Count(ctx, pool.Pgx(), owner.AccountID)
	if err != nil || have >= organizations {
		return err
	}
	bar := newProgress(std.err, organizations)
	defer bar.done()
	return seed.Run(ctx, pool.Pgx(), seed.Options{
		Account: owner.AccountID, From: have, Orgs: organizations, Members: demoMembers, APIKey: owner.KeyID, Seed: defaultSeed,
		// In order, for From of the next run.
		Workers:  1,
		Progress: func(done int) { bar.set(have + done) },
	})
}

// makeAccount makes the account and its key. A key that dev.env holds is of
// another database or dead; it is kept aside.
func (d *demo) makeAccount(ctx context.Context, std streams, pool *db.Pool) (apikeys.Principal, error) {
	if d.key != "" {
		if err := os.Rename(d.envFile, d.envFile+".old"); err != nil {
			return apikeys.Principal{}, err
		}
		fmt.Fprintf(std.err, "the key in %s does not open this database: a new account is made, and the file kept as %s.old\n", d.envFile, d.envFile)
	}
	account, err := accounts.NewRepository(pool).Create(ctx, demoName, func(accounts.Account) error { return nil })
	if err != nil {
		return apikeys.Principal{}, err
	}
	made, err := apikeys.NewRepository(pool).Create(ctx, operatorsCall(account.ID), apikeys.NewAPIKey{
		Description: "server dev", Scopes: apikeys.Scopes,
	})
	if err != nil {
		return apikeys.Principal{}, err
	}
	d.key = made.Key.Reveal()
	return apikeys.Principal{AccountID: account.ID, KeyID: made.APIKey.ID, Scopes: made.APIKey.Scopes}, nil
}

// writeEnv writes dev.env, which a shell can read, whole or not at all: a run may
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

// shellQuote leaves plain values plain, which more readers of such files know.
func shellQuote(s string) string {
	if plainValue.MatchString(s) {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}

var plainValue = regexp.MustCompile(`^[A-Za-z0-9_:/@.?=%+,-]*$`)
