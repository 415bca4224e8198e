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
	// sweepLimit ends a sweep that hangs on a dead connection. If it ends a long sweep,
	// the next sweep deletes the rest.
	sweepLimit = time.Minute
)

// sweeper deletes expired records of one kind.
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

// keepSweeping sweeps about once per interval until ctx is done. The random wait keeps
// replicas that started together from sweeping together. A failed sweep costs only disk
// space: readers ignore expired records.
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
	if err != nil {
		if ctx.Err() == nil {
			logger.Warn("a sweep failed; the next one will delete the expired records", "records", s.records, "error", err)
		}
		return
	}
	logger.Debug("deleted expired records", "records", s.records, "deleted", deleted)
}
