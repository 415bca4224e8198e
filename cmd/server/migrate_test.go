package main

import (
	"context"
	"fmt"
	"io/fs"
	"strings"
	"syscall"
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
	blocked := fmt.Sprintf(`SELECT coalesce(string_agg(application_name, ', '), '')
		FROM pg_stat_activity WHERE %d = ANY (pg_blocking_pids(pid))`, tx.Conn().PgConn().PID())
	// The wait for the lock has a timeout, after which another replica may migrate. A
	// stopped replica keeps its turn until it is killed.
	var working string
	await(t, "no replica migrates", func() bool {
		working = one(blocked)
		if replicas[working] == nil {
			return false
		}
		send(t, replicas[working].Pid, syscall.SIGSTOP)
		if one(blocked) == working {
			return true
		}
		send(t, replicas[working].Pid, syscall.SIGCONT)
		return false
	})
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
