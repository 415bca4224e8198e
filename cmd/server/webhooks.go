package main

import (
	"context"
	"fmt"
	"log/slog"
	"net/netip"

	"orgd/internal/db"
	"orgd/internal/events"
	"orgd/internal/telemetry"
	"orgd/internal/uuid"
	"orgd/internal/webhooks"
)

type webhookFlags struct {
	WebhooksAllow         []network `env:"ORGD_WEBHOOKS_ALLOW" placeholder:"CIDR" help:"Private or other special addresses to which webhooks may be sent, such as 10.1.2.0/24 (default: none)."`
	WebhooksConcurrency   int       `env:"ORGD_WEBHOOKS_CONCURRENCY" default:"256" placeholder:"N" help:"Maximum number of webhooks to which this server delivers at once; 0 leaves all deliveries to other servers (default: ${default})."`
	MaxWebhooksPerAccount int       `env:"ORGD_MAX_WEBHOOKS_PER_ACCOUNT" default:"20" placeholder:"N" help:"Maximum number of webhooks per account; requests to create more get 409; 0 for no limit (default: ${default})."`
}

// Validate rejects values that the command-line parser accepts but the server does not
// support.
func (f webhookFlags) Validate() error {
	if f.WebhooksConcurrency < 0 || f.WebhooksConcurrency > 10_000 {
		return fmt.Errorf("ORGD_WEBHOOKS_CONCURRENCY is %d; it must be from 0 to 10000", f.WebhooksConcurrency)
	}
	if f.MaxWebhooksPerAccount < 0 {
		return fmt.Errorf("ORGD_MAX_WEBHOOKS_PER_ACCOUNT is %d; it must be 0 or more", f.MaxWebhooksPerAccount)
	}
	return nil
}

// webhookConfig is how a server delivers webhooks.
type webhookConfig struct {
	targets     webhooks.Targets
	concurrency int // 0: it does not deliver
	perAccount  int // webhooks of an account; 0 means no limit
}

func (f webhookFlags) webhooks() webhookConfig {
	cfg := webhookConfig{concurrency: f.WebhooksConcurrency, perAccount: f.MaxWebhooksPerAccount}
	for _, n := range f.WebhooksAllow {
		address, _ := netip.AddrFromSlice(n.IP)
		bits, _ := n.Mask.Size()
		cfg.targets.Allowed = append(cfg.targets.Allowed, netip.PrefixFrom(address, bits))
	}
	return cfg
}

// newWebhooks returns the repository of webhooks, the monitor of their state, and the
// worker, which is nil if this server does not deliver.
func newWebhooks(cfg serveConfig, pool *db.Pool, feed *events.Repository, hub *events.Hub, metrics *telemetry.Metrics) (*webhooks.Repository, *webhooks.Monitor, *webhooks.Worker) {
	version, _ := build()
	sender := webhooks.NewSender(webhooks.SenderConfig{Targets: cfg.webhooks.targets, UserAgent: "orgd/" + version})
	store := webhooks.NewRepository(pool, feed, sender).WithLimit(cfg.webhooks.perAccount)
	store.OnChange(hub.Changed)
	monitor := webhooks.NewMonitor(store, cfg.logger, webhooks.StatsEvery)
	if cfg.webhooks.concurrency == 0 {
		metrics.WatchWebhooks(statesOf(monitor), func() int { return 0 })
		return store, monitor, nil
	}
	worker := webhooks.NewWorker(store, hub, webhooks.WorkerConfig{Logger: cfg.logger, Observer: metrics, Concurrency: cfg.webhooks.concurrency})
	hub.Follow(worker.Wake)
	metrics.WatchWebhooks(statesOf(monitor), worker.Running)
	return store, monitor, worker
}

func statesOf(monitor *webhooks.Monitor) func() (telemetry.Webhooks, bool) {
	return func() (telemetry.Webhooks, bool) {
		s, ok := monitor.Stats()
		return telemetry.Webhooks(s), ok
	}
}

// countMissing returns a function that counts the webhooks that had not received events
// when retention deleted them.
func countMissing(store *webhooks.Repository, metrics *telemetry.Metrics, logger *slog.Logger) func(context.Context, uuid.UUID, int64, int64) {
	return func(ctx context.Context, accountID uuid.UUID, after, upTo int64) {
		n, err := store.Missing(ctx, accountID, after, upTo)
		if err != nil && ctx.Err() == nil {
			logger.Warn("deleted old events, but could not count the webhooks that had not received them", "accountId", accountID.String(), "error", err)
		}
		metrics.CountMissing(n)
	}
}
