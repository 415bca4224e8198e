package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"

	"orgd/internal/child"
	"orgd/internal/localpg"
)

// build builds orgd and the bare handler as the Dockerfile builds orgd. With --server, it
// uses that program instead.
func (b *bench) build(ctx context.Context) error {
	if b.server != "" {
		given, err := filepath.Abs(b.server)
		if err != nil {
			return err
		}
		return os.Symlink(given, b.path("server"))
	}
	progress("building")
	cmd := child.Command(ctx, "go", "build", "-trimpath", "-ldflags=-s -w", "-o", b.dir+"/", "orgd/cmd/server", "orgd/bench/floor")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	_, err := child.Output(cmd)
	return err
}

// openDatabase returns the URL of the configured PostgreSQL, or of a private one, and a
// function that removes the private one.
func (b *bench) openDatabase(ctx context.Context) (databaseURL string, remove func() error, err error) {
	if b.databaseURL != "" {
		return b.databaseURL, func() error { return nil }, nil
	}
	progress("starting a private PostgreSQL")
	private, err := localpg.Start(ctx, localpg.Options{
		Dir: b.path("postgres"),
		Settings: map[string]string{
			"shared_buffers": "512MB", "max_wal_size": "4GB",
			"track_activity_query_size": "16kB", // so that capture gets whole statements
		},
	})
	if err != nil {
		return "", nil, fmt.Errorf("%w (or give --database-url)", err)
	}
	return private.URL("postgres"), private.Remove, nil
}

func (b *bench) createTenant(ctx context.Context) error {
	var account struct{ AccountID string }
	if err := b.operateJSON(ctx, &account, "accounts", "create", "--name", "bench", "--json"); err != nil {
		return err
	}
	var key struct{ Key, APIKeyID string }
	if err := b.operateJSON(ctx, &key, "keys", "create", "--account", account.AccountID,
		"--description", "bench", "--scope", "orgs:read", "--scope", "orgs:write", "--scope", "members:write", "--scope", "keys:manage", "--json"); err != nil {
		return err
	}
	b.tenant.accountID, b.tenant.key, b.tenant.keyID = account.AccountID, key.Key, key.APIKeyID
	return nil
}

// operate runs a command of the server and returns its output.
func (b *bench) operate(ctx context.Context, args ...string) (string, error) {
	cmd := child.Command(ctx, b.path("server"), args...)
	cmd.Env = []string{"DATABASE_URL=" + b.tenant.databaseURL}
	return child.Output(cmd)
}

func (b *bench) operateJSON(ctx context.Context, v any, args ...string) error {
	printed, err := b.operate(ctx, args...)
	if err != nil {
		return err
	}
	return json.Unmarshal([]byte(printed), v)
}
