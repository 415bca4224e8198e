package main

import (
	"context"
	"log/slog"
	"net"
	"time"

	orgdhttp "orgd/internal/http"
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
	telemetry.LogStandard(log.Logger)
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
		docs:        c.Docs == "on",
		dashboard:   c.Dashboard == "on",
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

type serveConfig struct {
	databaseURL string
	unprepared  bool   // the pooler does not support prepared statements
	directURL   string // bypasses the pooler; empty: databaseURL
	maxConns    int32
	perAccount  int32                     // connections that one account may hold; 0 means four fifths of maxConns
	listen      func() (listeners, error) // called after the checks of the database
	publicURL   string                    // empty: the address of the public listener
	docs        bool                      // serve the pages for people, except the dashboard
	dashboard   bool
	drainDelay  time.Duration
	idleTimeout time.Duration // 0: orgdhttp.DefaultIdleTimeout
	keyTTL      time.Duration // how long a key may be cached; 0 means not at all
	limits      orgdhttp.Limits
	maxKeys     int // active keys of an account; 0 means no limit
	webhooks    webhookConfig
	proxies     []*net.IPNet
	tracesURL   string        // empty: no traces
	unlogged    float64       // share of successful requests that are not logged
	sweepEvery  time.Duration // 0: sweepInterval
	flushEvery  time.Duration // 0: usageInterval
	eraseEvery  time.Duration // 0: eraseInterval
	pollEvery   time.Duration // 0: events.PollEvery
	eventsKeep  time.Duration // how long events are kept; 0 means forever
	removeEvery time.Duration // 0: removeInterval
	logger      *slog.Logger
	linesLost   func() int64 // number of log lines that could not be written
}

// serve starts the server, step by step. It returns when ctx is done and the requests in
// flight are answered.
func serve(ctx context.Context, cfg serveConfig) error {
	tracing, err := startTracing(ctx, cfg.tracesURL, cfg.logger)
	if err != nil {
		return err
	}
	defer tracing.stop()
	pool, err := openPool(ctx, cfg, tracing)
	if err != nil {
		return err
	}
	defer pool.Close()
	ready := &readiness{pool: pool}
	if err := checkAtStart(ctx, cfg, ready); err != nil {
		if ctx.Err() != nil {
			return nil // told to stop before it served
		}
		return err
	}

	// Listen only after the checks: a load balancer may send requests as soon as the port
	// is open, and they would be lost if the server then exited.
	bound, err := cfg.listen()
	if err != nil {
		return err
	}
	defer bound.close()
	workers := newService(cfg, ready, tracing, bound).start(ctx)
	if err := workers.Wait(); err != nil {
		return err
	}
	cfg.logger.Info("stopped")
	return nil
}

// isPooled reports whether statements go through a pooler.
func (cfg serveConfig) isPooled() bool {
	return cfg.directURL != "" && cfg.directURL != cfg.databaseURL
}
