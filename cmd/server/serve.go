package main

import (
	"context"
	"time"

	"orgd/internal/telemetry"
)

// lastLinesLimit bounds how long a blocked log can delay the shutdown.
const lastLinesLimit = time.Second

type serveCommand struct {
	databaseFlags `embed:""`
	poolerFlag    `embed:""`
	serverFlags   `embed:""`
	rateFlags     `embed:""`
	Addr          string `env:"ORGD_ADDR" default:":8080" placeholder:"HOST:PORT" help:"Address of the API (default: ${default})."`
}

// Validate rejects invalid values before anything starts.
func (c *serveCommand) Validate() error {
	return firstError(c.databaseFlags.Validate(), c.serverFlags.Validate(), c.rateFlags.Validate(), validAddr("ORGD_ADDR", c.Addr))
}

// Run serves until ctx is done.
func (c *serveCommand) Run(ctx context.Context, std streams, unknown []unknownVariable) error {
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
		listen:      func() (listeners, error) { return listen(ctx, c.Addr, c.AdminAddr) },
		publicURL:   c.PublicURL,
		drainDelay:  c.DrainDelay,
		idleTimeout: c.IdleTimeout,
		keyTTL:      c.KeyCacheTTL,
		eventsKeep:  time.Duration(c.EventsKeep),
		limits:      c.limits(c.rateFlags),
		maxKeys:     c.MaxKeysPerAccount,
		webhooks:    c.webhooks(),
		proxies:     c.proxies(),
		tracesURL:   c.TracesURL,
		unlogged:    1 - c.LogSample,
		logger:      log.Logger,
		linesLost:   log.Lost,
	})
}
