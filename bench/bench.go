package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"time"
)

const (
	connections = 16 // open connections in a comparison
	poolSize    = 8  // database connections of each server, except in comparisons with pgbench
	pageSize    = 100
)

// bench holds the options and everything that the benchmark has started.
type bench struct {
	options
	out      io.Writer // the report
	outErr   error     // the first error of writing the report
	dir      string    // for programs and logs
	programs programs
	tenant   tenant
	client   *client
	orgd     *server
	floor    *server
}

// tenant is the account under load, with its API key and the URL of its database.
type tenant struct {
	databaseURL string
	accountID   string
	key         string
	keyID       string
}

// run sets everything up, measures, and cleans up.
func run(ctx context.Context, o options) (err error) {
	b := &bench{options: o, out: os.Stdout}
	if b.programs, err = findPrograms(); err != nil {
		return err
	}
	if b.dir, err = os.MkdirTemp("", "orgd-bench-"); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(b.dir)) }()
	if err := os.Chmod(b.dir, 0o711); err != nil { // PostgreSQL may run as another user
		return err
	}
	if err := b.build(ctx); err != nil {
		return err
	}
	databaseURL, remove, err := b.openDatabase(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, remove()) }()
	if err := b.describe(ctx, databaseURL); err != nil {
		return err
	}
	if b.shares {
		return b.runShares(ctx, databaseURL)
	}
	if b.orders {
		return errors.Join(b.runOrders(ctx, databaseURL), b.outErr)
	}
	if err := b.fill(ctx, databaseURL); err != nil {
		return err
	}
	b.client = newClient(b.tenant.key)
	if err := b.withOrgd(ctx, "orgd.log", poolSize, b.measure); err != nil {
		return err
	}
	// pgbench opens one database connection for each client, so orgd gets as many.
	return errors.Join(b.withOrgd(ctx, "changes.log", connections, b.measureChanges), b.outErr)
}

// withOrgd starts orgd, measures it, and stops it.
func (b *bench) withOrgd(ctx context.Context, log string, conns int, measure func(context.Context) error) (err error) {
	if b.orgd, err = b.startOrgd(ctx, log, conns); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.orgd.stop()) }()
	return measure(ctx)
}

func (b *bench) measure(ctx context.Context) (err error) {
	if b.floor, err = b.startFloor(ctx); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.floor.stop()) }()
	deep, err := b.walk(ctx)
	if err != nil {
		return err
	}
	if err := b.checkAlike(ctx); err != nil {
		return err
	}
	first := listURL(b.orgd, pageSize, "", "")
	for _, c := range []comparison{
		{"first page, limit=100: A is orgd, B is the bare handler", first, listURL(b.floor, pageSize, "", "")},
		{"first page, limit=20: A is orgd, B is the bare handler", listURL(b.orgd, 20, "", ""), listURL(b.floor, 20, "", "")},
		{
			fmt.Sprintf("orgd, limit=100: A is the page after %d organizations, B is the first", b.depth()),
			listURL(b.orgd, pageSize, deep, ""), first,
		},
	} {
		if err := b.compare(ctx, c); err != nil {
			return err
		}
	}
	if err := b.measureNames(ctx); err != nil {
		return err
	}
	if err := b.measureFilters(ctx); err != nil {
		return err
	}
	for _, measure := range []func(context.Context) error{b.measureActing, b.measureLimits, b.measureRevocations, b.measureTiming, b.measureMemory, b.measureStarts} {
		if err := measure(ctx); err != nil {
			return err
		}
	}
	return nil
}

func (b *bench) measureChanges(ctx context.Context) error {
	if err := b.measureOperations(ctx); err != nil {
		return err
	}
	return b.measureHot(ctx)
}

// depth returns the number of organizations before the deep page.
func (b *bench) depth() int { return b.orgs / 2 / pageSize * pageSize }

func listURL(s *server, limit int, cursor, name string) string {
	query := url.Values{"limit": {strconv.Itoa(limit)}}
	if cursor != "" {
		query.Set("cursor", cursor)
	}
	if name != "" {
		query.Set("orgName", name)
	}
	return "http://" + s.addr + "/v1/orgs?" + query.Encode()
}

func (b *bench) path(name string) string { return filepath.Join(b.dir, name) }

func (b *bench) printf(format string, args ...any) {
	_, err := fmt.Fprintf(b.out, format, args...)
	b.outErr = cmp.Or(b.outErr, err)
}

// progress prints the current step.
func progress(format string, args ...any) {
	fmt.Fprintf(os.Stderr, "%s %s\n", time.Now().Format(time.TimeOnly), fmt.Sprintf(format, args...))
}
