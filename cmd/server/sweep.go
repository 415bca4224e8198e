package main

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"time"

	"orgd/internal/db"
	"orgd/internal/idempotency"
	"orgd/internal/orgs"
)

const (
	sweepInterval = time.Minute
	// sweepLimit is for a connection that has gone dead; what a long sweep leaves
	// undone, the next one finds.
	sweepLimit = time.Minute
)

// sweeper deletes one kind of records whose time is over.
type sweeper struct {
	records string
	sweep   func(context.Context) (int64, error)
}

func sweepers(pool *db.Pool, repository *orgs.Repository) []sweeper {
	return []sweeper{
		{"idempotency keys", func(ctx context.Context) (int64, error) { return idempotency.Sweep(ctx, pool) }},
		{"unanswered creations", repository.Sweep},
	}
}

// keepSweeping sweeps about once in every interval until ctx is done. Replicas
// that were started together do not sweep together. A sweep that fails costs
// nothing but room: no reader takes an old record for a young one.
func keepSweeping(ctx context.Context, logger *slog.Logger, interval time.Duration, all []sweeper) {
	wait := rand.N(interval)
	for {
		select {
		case <-ctx.Done():
			return
		case <-time.After(wait):
		}
		for _, s := range all {
			s.run(ctx, logger)
		}
		wait = interval - interval/10 + rand.N(interval/5)
	}
}

func (s sweeper) run(ctx context.Context, logger *slog.Logger) {
	limited, cancel := context.WithTimeout(ctx, sweepLimit)
	defer cancel()
	deleted, err := s.sweep(limited)
	if err != nil && ctx.Err() == nil {
		logger.Warn("old records are left for the next sweep", "records", s.records, "error", err)
	}
	logger.Debug("swept", "records", s.records, "deleted", deleted)
}
