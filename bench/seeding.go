package main

import (
	"context"
	"errors"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
)

// fill creates an account and its organizations with the server's own commands. Before
// that, it measures the creation of organizations without members in a separate database,
// and drops that database. This keeps the figure comparable with earlier ones, and the
// measured tables free of other rows.
func (b *bench) fill(ctx context.Context, databaseURL string) error {
	if err := b.seedAside(ctx, databaseURL); err != nil {
		return err
	}
	b.tenant.databaseURL = databaseURL
	if err := b.seed(ctx, "--members", strconv.Itoa(b.members)); err != nil {
		return err
	}
	return b.vacuum(ctx)
}

func (b *bench) seedAside(ctx context.Context, databaseURL string) (err error) {
	aside, err := url.Parse(databaseURL)
	if err != nil {
		return errors.New("the database's URL cannot be parsed") // the error itself would show the password
	}
	name := "orgd_bench_" + strconv.FormatInt(time.Now().UnixNano(), 36)
	aside.Path = "/" + name
	if err := execute(ctx, databaseURL, "CREATE DATABASE "+name); err != nil {
		return err
	}
	defer func() {
		err = errors.Join(err, execute(context.WithoutCancel(ctx), databaseURL, "DROP DATABASE "+name+" WITH (FORCE)"))
	}()
	b.tenant.databaseURL = aside.String()
	return b.seed(ctx)
}

// seed creates the tables, an account and its organizations, and prints how long the
// organizations took.
func (b *bench) seed(ctx context.Context, flags ...string) error {
	if _, err := b.operate(ctx, "migrate", "up"); err != nil {
		return err
	}
	if err := b.createTenant(ctx); err != nil {
		return err
	}
	flags = append([]string{"--orgs", strconv.Itoa(b.orgs)}, flags...)
	what := "server seed " + strings.Join(flags, " ")
	progress("%s", what)
	start := time.Now()
	if _, err := b.operate(ctx, append([]string{"seed", "--account", b.tenant.accountID}, flags...)...); err != nil {
		return err
	}
	b.printf("\n%s: %.1f s\n", what, time.Since(start).Seconds())
	return nil
}

// vacuum does what autovacuum would otherwise do during a measurement.
func (b *bench) vacuum(ctx context.Context) error {
	progress("vacuuming")
	return execute(ctx, b.tenant.databaseURL, "VACUUM (ANALYZE)")
}

func execute(ctx context.Context, databaseURL, sql string) error {
	conn, err := pgx.Connect(ctx, databaseURL)
	if err != nil {
		return err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	_, err = conn.Exec(ctx, sql)
	return err
}
