package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"orgd"
	"orgd/internal/apikeys"
	"orgd/internal/db"
	orgdhttp "orgd/internal/http"
	"orgd/internal/orgs"
	"orgd/internal/telemetry"
	"orgd/migrations"
)

// statementTimeout is less than the deadline of a request, so that PostgreSQL
// ends a statement before its caller leaves: a caller that leaves costs the
// connection.
const statementTimeout = 8 * time.Second

const (
	// lockTimeout keeps those who wait for one organization from holding all
	// connections for long.
	lockTimeout = 2 * time.Second
	// idleTxTimeout frees what a server that vanished had locked; without it that
	// stays until TCP gives the connection up.
	idleTxTimeout = 10 * time.Second
)

type serveConfig struct {
	databaseURL string
	unprepared  bool   // the pooler knows no prepared statements
	directURL   string // the same, but not through a pooler; empty: databaseURL
	maxConns    int32
	perAccount  int32                     // connections that one account may hold; 0: four fifths of maxConns
	listen      func() (listeners, error) // called once the database is known not to refuse this release
	publicURL   string                    // empty: what the public listener is bound to
	drainDelay  time.Duration
	idleTimeout time.Duration // 0: orgdhttp.DefaultIdleTimeout
	keyTTL      time.Duration // how long what is known of a key may be used; 0: not at all
	limits      orgdhttp.Limits
	maxKeys     int // good keys of an account; 0: no limit
	proxies     []*net.IPNet
	tracesURL   string        // empty: no traces
	unlogged    float64       // share of the requests without an error that are not logged
	sweepEvery  time.Duration // 0: sweepInterval
	flushEvery  time.Duration // 0: usageInterval
	logger      *slog.Logger
	linesLost   func() int64 // how many lines of the log could not be written
}

// serve is the whole server from top to bottom. It returns when ctx is done and
// what was in flight is finished.
func serve(ctx context.Context, cfg serveConfig) error {
	release, revision := build()
	tracing, err := startTracing(ctx, cfg.tracesURL, release, cfg.logger)
	if err != nil {
		return err
	}
	defer tracing.stop()
	pooled := cfg.directURL != "" && cfg.directURL != cfg.databaseURL
	pool, err := db.Open(ctx, cfg.databaseURL, db.Options{
		MaxConns: cfg.maxConns, MaxConnsPerOwner: cfg.perAccount, StatementTimeout: statementTimeout, LockTimeout: lockTimeout, IdleTxTimeout: idleTxTimeout,
		UserTimeout: db.UserTimeout, Pooled: pooled, Unprepared: cfg.unprepared, Tracer: tracing.statements,
	})
	if err != nil {
		return err
	}
	defer pool.Close()
	var schemaVersion atomic.Int64
	var isReady atomic.Bool
	ready := func(ctx context.Context) error {
		version, err := checkSchema(ctx, pool)
		isReady.Store(err == nil)
		if version > 0 {
			schemaVersion.Store(version)
		}
		return err
	}
	switch err := ready(ctx); {
	case ctx.Err() != nil:
		return nil // told to stop before it began
	case errors.Is(err, db.ErrMisconfigured):
		return err
	case errors.Is(err, db.ErrDenied):
		cfg.logger.Warn("the database refuses this server; the server will be ready when it is let in", "error", err)
	case errors.Is(err, db.ErrUnavailable):
		cfg.logger.Warn("the database does not answer yet; the server will be ready when it does", "error", err)
	case err != nil:
		return err
	case pooled:
		warnOfTimeouts(ctx, cfg.logger, pool)
	}

	// Not before: a load balancer may send requests to a server that accepts
	// connections, and they would be lost if it ended.
	bound, err := cfg.listen()
	if err != nil {
		return err
	}
	defer bound.close()

	metrics := telemetry.NewMetrics()
	metrics.SetBuild(release, revision)
	metrics.WatchPool(pool.Stat)
	metrics.WatchPoolWaits(func() (int, int64, time.Duration, int64) {
		w := pool.Waits()
		return w.Waiting, w.Served, w.Time, w.GivenUp
	})
	metrics.WatchLog(cfg.linesLost)

	public, admin := bound.public, bound.admin
	apiURL := publicURL(cfg.publicURL, public.Addr())
	if cfg.publicURL == "" && !isLoopback(public.Addr()) {
		cfg.logger.Warn("ORGD_PUBLIC_URL is not set: links in answers lead to this machine itself", "publicUrl", apiURL)
	}
	repository := orgs.NewRepository(pool)
	usage := apikeys.NewUsage(pool)
	keys := apikeys.NewRepository(pool).WithLimits(apikeys.Limits{KeysPerAccount: cfg.maxKeys, RateLimit: int32(cfg.limits.PerKey.PerSecond)})
	watch := &keyWatch{keys: apikeys.NewVerifier(keys, cfg.keyTTL, usage), logger: cfg.logger}
	metrics.WatchKeys(watch.listening.Load, watch.keys.Stats)
	metrics.WatchReadiness(isReady.Load)
	metrics.WatchSchema(schemaVersion.Load, migrations.Latest())
	server := orgdhttp.New(orgdhttp.Config{
		Orgs:        repository,
		Keys:        keys,
		Auth:        watch.keys,
		Limits:      cfg.limits,
		Proxies:     cfg.proxies,
		Ready:       ready,
		PublicURL:   apiURL,
		Logger:      cfg.logger,
		Observer:    metrics,
		Tracer:      tracing.requests,
		Unlogged:    cfg.unlogged,
		IdleTimeout: cfg.idleTimeout,
		OpenAPIYAML: orgd.OpenAPIYAML,
		OpenAPIJSON: orgd.OpenAPIJSON,
	})

	group, groupCtx := errgroup.WithContext(ctx)
	// What goes on until the last request is answered: the admin address, where
	// probes and metrics tell of the drain, and what is known of keys.
	lastCtx, stopLast := context.WithCancel(context.WithoutCancel(ctx))
	group.Go(func() error {
		defer stopLast()
		return server.Serve(groupCtx, public, cfg.drainDelay)
	})
	group.Go(func() error { return server.ServeAdmin(lastCtx, admin, metrics.Handler()) })
	group.Go(func() error { return watch.run(lastCtx, cmp.Or(cfg.directURL, cfg.databaseURL), repository.Owner()) })
	group.Go(func() error {
		keepRecordingLost(lastCtx, cfg.logger, repository)
		return nil
	})
	group.Go(func() error {
		keepFlushing(groupCtx, lastCtx, cfg.logger, cmp.Or(cfg.flushEvery, usageInterval), usage)
		return nil
	})
	group.Go(func() error {
		keepSweeping(groupCtx, cfg.logger, cmp.Or(cfg.sweepEvery, sweepInterval), sweepers(pool, repository))
		return nil
	})

	cfg.logger.Info("serving", "version", release, "commit", revision, "addr", public.Addr().String(), "adminAddr", admin.Addr().String(), "publicUrl", apiURL)
	if err := group.Wait(); err != nil {
		return err
	}
	cfg.logger.Info("stopped")
	return nil
}

// warnOfTimeouts tells of what a pooler does not pass on and the role lacks.
func warnOfTimeouts(ctx context.Context, logger *slog.Logger, pool *db.Pool) {
	for name, want := range map[string]time.Duration{
		"statement_timeout": statementTimeout, "lock_timeout": lockTimeout, "idle_in_transaction_session_timeout": idleTxTimeout,
	} {
		value, err := pool.Setting(ctx, name)
		if err == nil && value == "0" {
			logger.Warn("behind a pooler the database's role has to set this", "setting", name, "recommended", want.String())
		}
	}
}

// checkSchema says whether the database answers and has the schema that this
// release runs on, or a newer one that still serves it. It returns the version, or
// 0 if that cannot be asked.
func checkSchema(ctx context.Context, pool *db.Pool) (version int64, err error) {
	if version, err = pool.SchemaVersion(ctx); err != nil {
		return 0, err
	}
	own := migrations.Latest()
	if version < own {
		return version, fmt.Errorf("the database's schema has version %d and this server needs %d: run `server migrate up`", version, own)
	}
	if version > own {
		floor, err := pool.SchemaFloor(ctx)
		if err != nil {
			return version, err
		}
		if floor > own {
			return version, fmt.Errorf("the database's schema has version %d and serves releases from schema %d on, this server is of schema %d: run a newer release", version, floor, own)
		}
	}
	return version, nil
}
