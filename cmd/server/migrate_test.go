package main

import (
	"context"
	"fmt"
	"io/fs"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"orgd/internal/dbtest"
	"orgd/migrations"
)

// If several processes migrate an empty database, each migration runs once. If the
// migrating process is killed, another one continues.
func TestMigrationContinuesAfterAKill(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	url := dbtest.NewURL(t)
	pool, err := pgxpool.New(ctx, url)
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Close()
	one := func(sql string) (value string) {
		t.Helper()
		if err := pool.QueryRow(ctx, sql).Scan(&value); err != nil {
			t.Fatal(err)
		}
		return value
	}
	tx, err := pool.Begin(ctx)
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Rollback(ctx)
	// The first migration waits until this transaction ends.
	if _, err := tx.Exec(ctx, "CREATE TABLE accounts ()"); err != nil {
		t.Fatal(err)
	}
	replicas := map[string]*process{}
	for i := range 5 {
		name := fmt.Sprint("replica-", i)
		replicas[name] = startCommand(t, withParam(t, url, "application_name", name), "migrate", "up")
	}
	const waiting = `FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`
	await(t, "no replica migrates", func() bool { return one("SELECT count(*)::text "+waiting) == "1" })
	working := one("SELECT application_name " + waiting)
	replicas[working].kill()
	killed := time.Now()
	if err := tx.Rollback(ctx); err != nil {
		t.Fatal(err)
	}
	applied := 0
	for name, replica := range replicas {
		if name == working {
			continue
		}
		if err := replica.wait(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		applied += strings.Count(replica.out.String(), "applied")
	}
	t.Logf("the other replicas finished %s after the kill", time.Since(killed))
	files, err := fs.Glob(migrations.FS, "*.sql")
	if err != nil {
		t.Fatal(err)
	}
	if rows := one("SELECT count(*)::text FROM orgd_migrations WHERE version_id > 0"); applied != len(files) || rows != fmt.Sprint(applied) {
		t.Errorf("%d migrations were reported as applied and %s are recorded, want %d", applied, rows, len(files))
	}
}
