package main

import (
	"cmp"
	"context"
	"time"

	"golang.org/x/sync/errgroup"

	"orgd"
	"orgd/internal/apikeys"
	"orgd/internal/db"
	"orgd/internal/events"
	orgdhttp "orgd/internal/http"
	"orgd/internal/orgs"
	"orgd/internal/site"
	"orgd/internal/telemetry"
	"orgd/internal/webhooks"
	"orgd/migrations"
)

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
	hookStates    *webhooks.Monitor
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
	hooks, monitor, worker := newWebhooks(cfg, pool, feed, hub, s.metrics)
	s.hookStates, s.deliveries = monitor, worker
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
		Site:        pages(cfg),
	})
	s.metrics.WatchWaiting(s.http.Waiting)
	s.metrics.WatchFeedLag(hub.Lag)
	return s
}

// pages returns the pages for people, or nil if the server has none.
func pages(cfg serveConfig) *site.Site {
	if !cfg.docs && !cfg.dashboard {
		return nil
	}
	release, _ := build()
	return site.New(site.Config{HasDocs: cfg.docs, HasDashboard: cfg.dashboard, Version: release, Guides: orgd.Guides, OpenAPI: orgd.OpenAPIJSON, Problems: orgdhttp.Problems()})
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
	workers.Go(func() error {
		s.hookStates.Run(lastCtx)
		return nil
	})
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
