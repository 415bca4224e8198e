package main

import (
	"context"
	"errors"
	"time"

	"orgd/internal/db"
	"orgd/internal/telemetry"
)

// lastLinesLimit is what a log that blocks may add to the time of a stop.
const lastLinesLimit = time.Second

type serveCommand struct {
	databaseFlags `embed:""`
	poolerFlag    `embed:""`
	serverFlags   `embed:""`
	rateFlags     `embed:""`
	Addr          string `env:"ORGD_ADDR" default:":8080" placeholder:"HOST:PORT" help:"Address of the API (${default})."`
}

// Validate finds wrong values before anything is started.
func (c *serveCommand) Validate() error {
	return firstError(c.databaseFlags.Validate(), c.serverFlags.Validate(), c.rateFlags.Validate(), validAddr("ORGD_ADDR", c.Addr))
}

// Run serves until ctx is done.
func (c *serveCommand) Run(ctx context.Context, std streams, unknown []unknownVariable) error {
	if err := c.refusal(ctx); err != nil {
		return err
	}
	bound, err := listen(c.Addr, c.AdminAddr)
	if err != nil {
		return err
	}
	log := telemetry.StartLog(std.out.to, std.err, logLevel(c.LogLevel))
	defer log.Close(lastLinesLimit)
	for _, v := range unknown {
		log.Warn("unknown environment variable", "variable", v.name, "nearest", v.nearest)
	}
	return serve(ctx, serveConfig{
		databaseURL: c.DatabaseURL.Reveal(),
		directURL:   c.direct(),
		unprepared:  c.ExecMode == "described",
		maxConns:    c.DBMaxConns,
		perAccount:  c.DBMaxConnsPerAccount,
		listeners:   bound,
		publicURL:   c.PublicURL,
		drainDelay:  c.DrainDelay,
		idleTimeout: c.IdleTimeout,
		keyTTL:      c.KeyCacheTTL,
		limits:      c.limits(c.rateFlags),
		maxKeys:     c.MaxKeysPerAccount,
		proxies:     c.proxies(),
		tracesURL:   c.TracesURL,
		unlogged:    1 - c.LogSample,
		logger:      log.Logger,
		linesLost:   log.Lost,
	})
}

// refusal returns why this release cannot serve the database, if that is known now. It
// comes before the addresses are bound: a load balancer may send requests to a server
// that accepts connections, and they would be lost with its end.
func (c *serveCommand) refusal(ctx context.Context) error {
	err := withPool(ctx, c.databaseFlags, func(*db.Pool) error { return nil })
	if ctx.Err() != nil || errors.Is(err, db.ErrUnavailable) || errors.Is(err, db.ErrDenied) {
		return nil // serve waits for the database
	}
	return err
}
