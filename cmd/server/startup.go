package main

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"net"
	"time"

	"golang.org/x/sync/errgroup"

	"orgd"
	"orgd/internal/apikeys"
	"orgd/internal/db"
	"orgd/internal/events"
	orgdhttp "orgd/internal/http"
	"orgd/internal/orgs"
	"orgd/internal/telemetry"
	"orgd/internal/webhooks"
	"orgd/migrations"
)

// statementTimeout is shorter than the deadline of a request, so that PostgreSQL ends a
// slow statement first. If the deadline canceled the statement, pgx would close the
// connection.
const statementTimeout = 8 * time.Second

const (
	// lockTimeout bounds how long requests that wait for the same organization can occupy
	// all connections.
	lockTimeout = 2 * time.Second
	// idleTxTimeout makes PostgreSQL release the locks of a server that vanished. Without
	// it, they are held until TCP gives up on the connection.
	idleTxTimeout = 10 * time.Second
)

type serveConfig struct {
	databaseURL string
	unprepared  bool   // the pooler does not support prepared statements
	directURL   string // bypasses the pooler; empty: databaseURL
	maxConns    int32
	perAccount  int32                     // connections that one account may hold; 0 means four fifths of maxConns
	listen      func() (listeners, error) // called after the checks of the database
	publicURL   string                    // empty: the address of the public listener
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
	eventsKeep  time.Duration // how long events are kept; 0 means for ever
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

func openPool(ctx context.Context, cfg serveConfig, t tracing) (*db.Pool, error) {
	return db.Open(ctx, cfg.databaseURL, db.Options{
		MaxConns: cfg.maxConns, MaxConnsPerOwner: cfg.perAccount, StatementTimeout: statementTimeout, LockTimeout: lockTimeout, IdleTxTimeout: idleTxTimeout,
		UserTimeout: db.UserTimeout, Pooled: cfg.isPooled(), Unprepared: cfg.unprepared, Tracer: t.statements,
	})
}

// checkAtStart returns an error if the server must not start, because the database is
// misconfigured or has the wrong schema. If the database is down or denies access, the
// server starts, because the database may recover.
func checkAtStart(ctx context.Context, cfg serveConfig, ready *readiness) error {
	switch err := ready.check(ctx); {
	case ctx.Err() != nil:
		return ctx.Err()
	case errors.Is(err, db.ErrMisconfigured):
		return err
	case errors.Is(err, db.ErrDenied):
		cfg.logger.Warn("the database denies access; the server will be ready when access is granted", "error", err)
	case errors.Is(err, db.ErrUnavailable):
		cfg.logger.Warn("the database cannot be reached; the server will be ready once the database is reachable", "error", err)
	case err != nil:
		return err
	case cfg.isPooled():
		warnOfTimeouts(ctx, cfg.logger, ready.pool)
	}
	return nil
}

// warnOfTimeouts warns about timeouts that are not set. Behind a pooler, the server
// cannot set them itself; the database role must.
func warnOfTimeouts(ctx context.Context, logger *slog.Logger, pool *db.Pool) {
	for name, want := range map[string]time.Duration{
		"statement_timeout": statementTimeout, "lock_timeout": lockTimeout, "idle_in_transaction_session_timeout": idleTxTimeout,
	} {
		value, err := pool.Setting(ctx, name)
		if err == nil && value == "0" {
			logger.Warn("a timeout is not set; behind a pooler, set it on the database role with ALTER ROLE", "setting", name, "recommended", want.String())
		}
	}
}

// service is a server that is ready to start: its listeners, and the parts that its
// workers share.
type service struct {
	cfg           serveConfig
	pool          *db.Pool
	bound         listeners
	metrics       *telemetry.Metrics
	organizations *orgs.Repository
	hub           *events.Hub
	retention     *events.Retention
	deliveries    *webhooks.Worker // nil if this server does not deliver
	usage         *apikeys.Usage
	watch         *keyWatch
	http          *orgdhttp.Server
	apiURL        string
}

func newService(cfg serveConfig, ready *readiness, t tracing, bound listeners) *service {
	pool := ready.pool
	usage := apikeys.NewUsage(pool)
	keys := apikeys.NewRepository(pool).WithLimits(apikeys.Limits{KeysPerAccount: cfg.maxKeys, RateLimit: int32(cfg.limits.PerKey.PerSecond)})
	hub := events.NewHub(pool)
	organizations := orgs.NewRepository(pool)
	organizations.OnChange(hub.Changed)
	keys.OnChange(hub.Changed)
	s := &service{
		cfg: cfg, pool: pool, bound: bound,
		organizations: organizations,
		hub:           hub,
		retention:     events.NewRetention(pool, cfg.eventsKeep),
		usage:         usage,
		watch:         &keyWatch{keys: apikeys.NewVerifier(keys, cfg.keyTTL, usage), hub: hub, logger: cfg.logger},
		apiURL:        publicURL(cfg.publicURL, bound.public.Addr()),
	}
	s.metrics = s.newMetrics(ready)
	feed := events.NewRepository(pool)
	hooks, worker := newWebhooks(cfg, pool, feed, hub, s.metrics)
	s.deliveries = worker
	s.retention.OnRemoved(countMissing(hooks, s.metrics, cfg.logger))
	s.http = orgdhttp.New(orgdhttp.Config{
		Orgs:        s.organizations,
		Keys:        keys,
		Events:      feed,
		Hub:         hub,
		Webhooks:    hooks,
		Auth:        s.watch.keys,
		Limits:      cfg.limits,
		Proxies:     cfg.proxies,
		Ready:       ready.check,
		PublicURL:   s.apiURL,
		Logger:      cfg.logger,
		Observer:    s.metrics,
		Tracer:      t.requests,
		Unlogged:    cfg.unlogged,
		IdleTimeout: cfg.idleTimeout,
		OpenAPIYAML: orgd.OpenAPIYAML,
		OpenAPIJSON: orgd.OpenAPIJSON,
	})
	s.metrics.WatchWaiting(s.http.Waiting)
	return s
}

func (s *service) newMetrics(ready *readiness) *telemetry.Metrics {
	metrics := telemetry.NewMetrics()
	metrics.SetBuild(build())
	metrics.WatchPool(s.pool.Stat)
	metrics.WatchPoolWaits(func() (int, int64, time.Duration, int64) {
		w := s.pool.Waits()
		return w.Waiting, w.Served, w.Time, w.GivenUp
	})
	metrics.WatchLog(s.cfg.linesLost)
	metrics.WatchKeys(s.watch.listening.Load, s.watch.keys.Stats)
	metrics.WatchErasures(s.organizations.PendingErasures)
	metrics.WatchRetention(s.cfg.eventsKeep, s.retention.Removed, s.retention.OldestAge)
	metrics.WatchReadiness(ready.isReady.Load)
	metrics.WatchSchema(ready.schemaVersion.Load, migrations.Latest())
	return metrics
}

// start starts the workers. They end when ctx is done and the last request is answered.
// If one fails, the others end too.
func (s *service) start(ctx context.Context) *errgroup.Group {
	cfg := s.cfg
	if cfg.publicURL == "" && !isLoopback(s.bound.public.Addr()) {
		cfg.logger.Warn("ORGD_PUBLIC_URL is not set: links in responses point to this machine", "publicUrl", s.apiURL)
	}
	workers, ctx := errgroup.WithContext(ctx)
	// Workers with lastCtx run until the last request is answered. Requests need the key
	// cache and the record of lost answers, and the admin address reports the drain in
	// its probes and metrics.
	lastCtx, stopLast := context.WithCancel(context.WithoutCancel(ctx))
	workers.Go(func() error {
		defer stopLast()
		return s.http.Serve(ctx, s.bound.public, cfg.drainDelay)
	})
	workers.Go(func() error { return s.http.ServeAdmin(lastCtx, s.bound.admin, s.metrics.Handler()) })
	workers.Go(func() error {
		return s.watch.run(lastCtx, cmp.Or(cfg.directURL, cfg.databaseURL), s.organizations.Owner())
	})
	workers.Go(func() error {
		s.hub.Announce(lastCtx)
		return nil
	})
	workers.Go(func() error {
		keepPolling(lastCtx, cfg.logger, cmp.Or(cfg.pollEvery, events.PollEvery), s.hub)
		return nil
	})
	workers.Go(func() error {
		keepRecordingLost(lastCtx, cfg.logger, s.organizations)
		return nil
	})
	workers.Go(func() error {
		keepFlushing(ctx, lastCtx, cfg.logger, cmp.Or(cfg.flushEvery, usageInterval), s.usage)
		return nil
	})
	workers.Go(func() error {
		keepSweeping(ctx, cfg.logger, cmp.Or(cfg.sweepEvery, sweepInterval), sweepers(s.pool, s.organizations))
		return nil
	})
	workers.Go(func() error {
		keepErasing(ctx, cfg.logger, cmp.Or(cfg.eraseEvery, eraseInterval), s.organizations)
		return nil
	})
	if cfg.eventsKeep > 0 {
		workers.Go(func() error {
			keepRemoving(ctx, cfg.logger, cmp.Or(cfg.removeEvery, removeInterval), s.retention)
			return nil
		})
	}
	if s.deliveries != nil {
		workers.Go(func() error {
			s.deliveries.Run(ctx)
			return nil
		})
	}
	release, revision := build()
	cfg.logger.Info("serving", "version", release, "commit", revision, "addr", s.bound.public.Addr().String(), "adminAddr", s.bound.admin.Addr().String(), "publicUrl", s.apiURL)
	return workers
}
