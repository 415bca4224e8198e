package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"

	"orgd/internal/child"
)

const (
	database = "orgd"
	// server and owner are the roles of deploy/postgres/roles.sql under other names,
	// because the superuser of the cluster is called orgd.
	server, owner = "app", "app_owner"
	password      = "secret"
)

// template is what every run starts from: the server program, and a stopped cluster with
// the schema, the roles and the accounts.
type template struct {
	dir      string
	program  string
	postgres *postgres
	tenant   account
	other    account
	fillers  []account // for filling the pools
}

// account is the id of an account and its API keys.
type account struct {
	id        string
	keys      []string
	readerKey string // for the feed and the webhook; only the tenant has one
}

// newTemplate builds the server, unless program is given, and creates the cluster.
func newTemplate(ctx context.Context, program string) (t *template, err error) {
	t = &template{program: program}
	if t.dir, err = os.MkdirTemp("", "orgd-faults-"); err != nil {
		return nil, err
	}
	if err := t.fill(ctx); err != nil {
		return nil, errors.Join(err, t.remove())
	}
	return t, nil
}

func (t *template) fill(ctx context.Context) (err error) {
	if err := os.Chmod(t.dir, 0o711); err != nil { // PostgreSQL may run as another user
		return err
	}
	if t.program == "" {
		t.program = filepath.Join(t.dir, "server")
		if err := run(ctx, "go", "build", "-o", t.program, "orgd/cmd/server"); err != nil {
			return err
		}
	}
	if t.postgres, err = startPostgres(ctx, filepath.Join(t.dir, "template")); err != nil {
		return err
	}
	if err := t.prepare(ctx); err != nil {
		return err
	}
	return t.postgres.stop()
}

// prepare creates the database as docs/operating.md describes.
func (t *template) prepare(ctx context.Context) error {
	if err := t.postgres.exec(ctx, "postgres", "CREATE DATABASE "+database); err != nil {
		return err
	}
	root, err := output(ctx, "go", "list", "-m", "-f", "{{.Dir}}")
	if err != nil {
		return err
	}
	roles, err := os.ReadFile(filepath.Join(root, "deploy", "postgres", "roles.sql"))
	if err != nil {
		return err
	}
	renamed := regexp.MustCompile(`\borgd(_owner)?\b`).ReplaceAllStringFunc(string(roles), func(role string) string {
		return map[string]string{"orgd_owner": owner, "orgd": server}[role]
	})
	makeRoles := func() error { return t.postgres.exec(ctx, database, renamed) }
	if err := makeRoles(); err != nil {
		return err
	}
	if _, err := t.operate(ctx, "migrate", "up"); err != nil {
		return err
	}
	if err := makeRoles(); err != nil {
		return err
	}
	if err := t.postgres.exec(ctx, database, fmt.Sprintf("ALTER ROLE %s PASSWORD '%s'", server, password)); err != nil {
		return err
	}
	if t.tenant, err = t.newAccount(ctx, "tenant", 2); err != nil {
		return err
	}
	if t.tenant.readerKey, err = t.operate(ctx, "keys", "create", "--account", t.tenant.id, "--description", "feed", "--scope", "events:read", "--scope", "webhooks:manage"); err != nil {
		return err
	}
	if t.other, err = t.newAccount(ctx, "other", 5); err != nil {
		return err
	}
	for range 10 { // one for each connection of a pool
		filler, err := t.newAccount(ctx, "filler", 1)
		if err != nil {
			return err
		}
		t.fillers = append(t.fillers, filler)
	}
	return nil
}

func (t *template) newAccount(ctx context.Context, name string, keys int) (a account, err error) {
	if a.id, err = t.operate(ctx, "accounts", "create", "--name", name); err != nil {
		return a, err
	}
	for range keys {
		key, err := t.operate(ctx, "keys", "create", "--account", a.id, "--description", name,
			"--scope", "orgs:read", "--scope", "orgs:write", "--scope", "orgs:delete", "--scope", "members:write", "--scope", "users:erase")
		if err != nil {
			return a, err
		}
		a.keys = append(a.keys, key)
	}
	return a, nil
}

// operate runs a command of the server as the superuser.
func (t *template) operate(ctx context.Context, args ...string) (string, error) {
	cmd := child.Command(ctx, t.program, args...)
	cmd.Env = []string{"DATABASE_URL=" + t.postgres.url(database)}
	return child.Output(cmd)
}

// remove removes the cluster and all files.
func (t *template) remove() error {
	var err error
	if t.postgres != nil && t.postgres.server != nil {
		err = t.postgres.server.Remove()
	}
	return errors.Join(err, os.RemoveAll(t.dir))
}
