package main

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"time"

	"orgd/internal/orgs"
)

const (
	eraseInterval = time.Minute
	// firstEraseBackoff is the wait after the first failure. It doubles with each further
	// failure, up to eraseInterval.
	firstEraseBackoff = time.Second
)

// keepErasing erases the data of deleted organizations and users until ctx is done:
// immediately after a deletion by this process, and otherwise once per interval, or every
// second while another process erases, to continue what it leaves unfinished.
func keepErasing(ctx context.Context, logger *slog.Logger, interval time.Duration, repository *orgs.Repository) {
	wait, backoff := rand.N(interval), firstEraseBackoff
	for {
		select {
		case <-ctx.Done():
			return
		case <-repository.Erasing():
		case <-time.After(wait):
		}
		wait = interval
		pieces, err := repository.Erase(ctx)
		switch {
		case ctx.Err() != nil:
			return
		case err != nil:
			logger.Warn("not all erasures succeeded; retrying", "error", err, "retryAfter", backoff.String())
			wait, backoff = min(backoff, interval), min(2*backoff, eraseInterval)
		default:
			backoff = firstEraseBackoff
			if pending, _ := repository.PendingErasures(); pending > 0 {
				wait = min(firstEraseBackoff, interval) // another server erases at the moment, and may stop
			}
		}
		if pieces > 0 {
			logger.Info("erased data of deleted organizations and users", "transactions", pieces)
		}
	}
}
