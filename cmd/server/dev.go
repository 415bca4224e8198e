package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"orgd/internal/db"
	"orgd/internal/telemetry"
	"orgd/migrations"
)

type devCommand struct {
	Addr        string           `env:"ORGD_ADDR" default:"127.0.0.1:8080" placeholder:"HOST:PORT" help:"Address of the API (${default})."`
	AdminAddr   string           `env:"ORGD_ADMIN_ADDR" default:"127.0.0.1:9090" placeholder:"HOST:PORT" help:"Address of the probes, metrics and profiles (${default})."`
	DatabaseURL telemetry.Secret `env:"DATABASE_URL" placeholder:"URL" help:"A PostgreSQL to use instead of a private one."`
	DataDir     string           `default:".data" type:"path" placeholder:"DIR" help:"Where the private database and dev.env are kept (.data)."`
	Orgs        int              `default:"250" placeholder:"N" help:"Sample organizations to have at least (${default})."`
	LogLevel    string           `env:"ORGD_LOG_LEVEL" default:"info" enum:"debug,info,warn,error" help:"Least level that is logged: ${enum} (${default})."`
}

// Validate finds wrong values before anything is started.
func (c *devCommand) Validate() error {
	if err := validAddr("--addr", c.Addr); err != nil {
		return err
	}
	if err := validAddr("--admin-addr", c.AdminAddr); err != nil {
		return err
	}
	if c.Orgs < 0 {
		return fmt.Errorf("--orgs is %d: give 0 or more", c.Orgs)
	}
	if c.DatabaseURL != "" {
		return validDatabaseURL(c.DatabaseURL)
	}
	return nil
}

// Run serves a demo account until ctx is done, and stops the database that it
// started.
func (c *devCommand) Run(ctx context.Context, std streams) (err error) {
	// For others to pass, not to look: as root, PostgreSQL runs as another user and
	// must reach its directory in here. What is secret has a mode of its own.
	if err := os.MkdirAll(c.DataDir, 0o711); err != nil {
		return err
	}
	unlock, err := lockDir(c.DataDir)
	if err != nil {
		return err
	}
	defer unlock()

	database, err := openDevDatabase(ctx, c.DatabaseURL.Reveal(), c.DataDir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, database.stop()) }()
	fmt.Fprintln(std.err, "database:", database.description)

	if _, err := db.MigrateUp(ctx, database.url, migrations.FS); err != nil {
		return err
	}
	demo, err := prepareDemo(ctx, std, database.url, c.envFile(), c.Orgs)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	go func() {
		select {
		case <-database.died:
			cancel(errors.New("the private database ended; its log is " + database.log))
		case <-ctx.Done():
		}
	}()
	err = serve(ctx, c.serveConfig(std, database.url, demo))
	if cause := context.Cause(ctx); err == nil && !errors.Is(cause, context.Canceled) {
		return cause
	}
	return err
}

func (c *devCommand) envFile() string { return filepath.Join(c.DataDir, "dev.env") }

func (c *devCommand) serveConfig(std streams, databaseURL string, demo devEnv) serveConfig {
	flags := serverFlags{LogLevel: c.LogLevel}
	cfg := serveConfig{
		databaseURL: databaseURL,
		maxConns:    10,
		addr:        c.Addr,
		adminAddr:   c.AdminAddr,
		logger:      telemetry.NewLogger(std.out, flags.level()),
	}
	cfg.started = func(apiURL, _ string) error {
		demo.URL = apiURL
		if err := demo.write(c.envFile()); err != nil {
			return err
		}
		fmt.Fprintf(std.err, devReady, apiURL, c.envFile(), demo.Key)
		return nil
	}
	return cfg
}
