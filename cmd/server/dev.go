package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sync/errgroup"

	"orgd/internal/db"
	orgdhttp "orgd/internal/http"
	"orgd/internal/ratelimit"
	"orgd/internal/telemetry"
	"orgd/internal/webhooks"
	"orgd/migrations"
)

type devCommand struct {
	Addr        string           `env:"ORGD_ADDR" default:"127.0.0.1:8080" placeholder:"HOST:PORT" help:"Address of the API (default: ${default})."`
	AdminAddr   string           `env:"ORGD_ADMIN_ADDR" default:"127.0.0.1:9090" placeholder:"HOST:PORT" help:"Address of the probes, metrics and profiles (default: ${default})."`
	DatabaseURL telemetry.Secret `env:"DATABASE_URL" placeholder:"URL" help:"PostgreSQL database to use instead of a private one."`
	DataDir     string           `default:".data" type:"path" placeholder:"DIR" help:"Directory for the private database and dev.env (default: .data)."`
	Orgs        int              `default:"250" placeholder:"N" help:"Minimum number of sample organizations (default: ${default})."`
	RateLimit   int              `env:"ORGD_RATE_LIMIT" default:"0" placeholder:"N" help:"Sustained requests per second for each key, with a burst of twice as many; 0 for no limit (default: ${default})."`
	LogLevel    string           `env:"ORGD_LOG_LEVEL" default:"info" enum:"debug,info,warn,error" help:"Lowest level that is logged: ${enum} (default: ${default})."`
}

// Validate rejects invalid values before anything starts.
func (c *devCommand) Validate() error {
	if err := firstError(validAddr("--addr", c.Addr), validAddr("--admin-addr", c.AdminAddr), validRate("ORGD_RATE_LIMIT", c.RateLimit)); err != nil {
		return err
	}
	if c.Orgs < 0 {
		return fmt.Errorf("--orgs is %d; it must be 0 or more", c.Orgs)
	}
	if c.DatabaseURL != "" {
		return db.CheckURL("DATABASE_URL", c.DatabaseURL.Reveal())
	}
	return nil
}

// Run serves a demo account until ctx is done, and then stops the PostgreSQL that it
// started, if any.
func (c *devCommand) Run(ctx context.Context, std streams) (err error) {
	// 0711: other users may traverse but not list the directory. If root runs this
	// command, PostgreSQL runs as another user, who must reach its data in this
	// directory. Files with secrets have stricter modes.
	if err := os.MkdirAll(c.DataDir, 0o711); err != nil {
		return err
	}
	unlock, err := lockDir(c.DataDir)
	if err != nil {
		return err
	}
	defer unlock()
	bound, err := listen(ctx, c.Addr, c.AdminAddr)
	if err != nil {
		return err
	}
	defer bound.close()

	database, err := openDevDatabase(ctx, c.DatabaseURL.Reveal(), c.DataDir, std.err)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, database.stop()) }()
	fmt.Fprintln(std.err, "database:", database.description)
	if _, err := db.MigrateUp(ctx, database.url, migrations.FS); err != nil {
		return err
	}

	demo := demo{url: publicURL("", bound.public.Addr()), databaseURL: database.url, envFile: filepath.Join(c.DataDir, "dev.env")}
	if err := demo.prepare(ctx, std, c.Orgs); err != nil {
		return err
	}
	fmt.Fprintf(std.err, devReady, demo.url, demo.envFile, demo.key)

	log := telemetry.StartLog(std.out.to, std.err, logLevel(c.LogLevel))
	defer log.Close(lastLinesLimit)
	telemetry.LogStandard(log.Logger)
	group, ctx := errgroup.WithContext(ctx)
	ctx, cancel := context.WithCancel(ctx)
	group.Go(func() error {
		select {
		case <-ctx.Done():
			return nil
		case <-database.ended:
			return errors.New("the private PostgreSQL stopped unexpectedly; run `server dev` again to recover its data")
		}
	})
	group.Go(func() error {
		defer cancel()
		return serve(ctx, serveConfig{
			databaseURL: database.url,
			directURL:   database.url,
			docs:        true,
			dashboard:   true,
			maxConns:    10,
			keyTTL:      30 * time.Second,
			limits:      orgdhttp.Limits{PerKey: ratelimit.PerSecond(c.RateLimit), Failures: failures},
			webhooks:    webhookConfig{targets: webhooks.Targets{PlainLoopback: true}, concurrency: 16},
			listen:      func() (listeners, error) { return bound, nil },
			logger:      log.Logger,
			linesLost:   log.Lost,
		})
	})
	return group.Wait()
}
