package main

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/jackc/pgx/v5"
)

// contest is an operation with its load for both sides.
type contest struct {
	operation
	targets []target
	script  string // file with the script for pgbench
}

// round is one run of each side.
type round struct {
	orgd    load
	pgbench float64 // transactions per second
}

// measureOperations compares orgd with PostgreSQL alone, which only runs the SQL.
func (b *bench) measureOperations(ctx context.Context) error {
	conn, err := pgx.Connect(ctx, b.tenant.databaseURL)
	if err != nil {
		return err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	targets, err := pickTargets(ctx, conn, b.tenant.accountID)
	if err != nil {
		return err
	}
	if len(targets) == 0 {
		return errors.New("the account has no organizations")
	}
	for _, o := range operations {
		c, err := b.newContest(ctx, conn, o, targets)
		if err != nil {
			return err
		}
		if err := b.runContest(ctx, c); err != nil {
			return err
		}
		if err := b.profileContest(ctx, c); err != nil {
			return err
		}
	}
	return nil
}

func (b *bench) newContest(ctx context.Context, conn *pgx.Conn, o operation, targets []target) (contest, error) {
	c := contest{operation: o, targets: targets, script: b.path(o.name + ".sql")}
	statement, err := b.capture(ctx, conn, o, targets[0].String())
	if err != nil {
		return c, err
	}
	return c, writeFile(c.script, pgbenchScript(targets, statement))
}

func writeFile(name, text string) error { return os.WriteFile(name, []byte(text), 0o600) }

// runContest runs both sides in turn and prints the comparison.
func (b *bench) runContest(ctx context.Context, c contest) error {
	progress("%s: orgd, pgbench", c.name)
	const warmUp = 1
	if _, err := b.playRound(ctx, c, warmUp); err != nil {
		return err
	}
	var loads, bare []load
	for range b.pairs {
		r, err := b.playRound(ctx, c, b.seconds)
		if err != nil {
			return err
		}
		loads = append(loads, r.orgd)
		bare = append(bare, load{perSecond: r.pgbench})
	}
	b.printf("\n%s: A is orgd, B is pgbench with the same SQL; %d connections to the database each\n", c.name, connections)
	b.printRatio("statement", loads, bare, func(l load) float64 { return l.perSecond })
	b.printLatency(loads)
	return nil
}

func (b *bench) printLatency(loads []load) {
	var p50, p99 []float64
	for _, l := range loads {
		p50, p99 = append(p50, milliseconds(l.p50)), append(p99, milliseconds(l.p99))
	}
	b.printf("  %-10s  p50 %.2f ms  p99 %.2f ms (medians of the runs)\n", "orgd", median(p50), median(p99))
}

func (b *bench) playRound(ctx context.Context, c contest, seconds int) (r round, err error) {
	if r.orgd, err = b.loadOperation(ctx, c, seconds); err != nil {
		return r, err
	}
	before, err := b.effectOf(ctx, c.operation)
	if err != nil {
		return r, err
	}
	if r.pgbench, err = b.pgbench(ctx, c.script, seconds); err != nil {
		return r, err
	}
	after, err := b.effectOf(ctx, c.operation)
	// A statement with wrong parameters could return early, and pgbench would be too fast.
	if want := 0.9 * r.pgbench * float64(seconds); err == nil && c.effect != "" && float64(after-before) < want {
		err = fmt.Errorf("%s: pgbench changed %d rows, want at least %.0f", c.name, after-before, want)
	}
	return r, err
}

func (b *bench) effectOf(ctx context.Context, o operation) (effect int64, err error) {
	if o.effect == "" {
		return 0, nil
	}
	conn, err := pgx.Connect(ctx, b.tenant.databaseURL)
	if err != nil {
		return 0, err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	return effect, conn.QueryRow(ctx, o.effect).Scan(&effect)
}

// loadOperation sends the operation's requests to orgd with wrk.
func (b *bench) loadOperation(ctx context.Context, c contest, seconds int) (load, error) {
	script := b.path(c.name + ".lua")
	if err := writeFile(script, c.wrkScript(c.targets)); err != nil {
		return load{}, err
	}
	return b.load(ctx, "http://"+b.orgd.addr, connections, seconds, "--script", script)
}
