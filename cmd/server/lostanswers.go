package main

import (
	"context"
	"log/slog"
	"time"

	"orgd/internal/orgs"
)

const (
	// lostLimit bounds one attempt, so that a dead connection delays neither the next
	// attempt nor the shutdown.
	lostLimit = 3 * time.Second

	firstLostBackoff = 100 * time.Millisecond
	lastLostBackoff  = 3 * time.Second
)

// keepRecordingLost records in the database which creations were not answered, because
// their client did not receive the response. A retry on another replica then finds them.
// It records them immediately, retries until it succeeds, and returns after a last
// attempt when ctx is done.
func keepRecordingLost(ctx context.Context, logger *slog.Logger, repository *orgs.Repository) {
	for running := true; running; {
		select {
		case <-ctx.Done():
			running = false
		case <-repository.Lost():
		}
		for backoff := firstLostBackoff; !recordLost(ctx, logger, repository) && running; backoff = min(2*backoff, lastLostBackoff) {
			select {
			case <-ctx.Done():
				running = false
			case <-time.After(backoff):
			}
		}
	}
}

func recordLost(ctx context.Context, logger *slog.Logger, repository *orgs.Repository) (done bool) {
	limited, cancel := context.WithTimeout(context.WithoutCancel(ctx), lostLimit)
	defer cancel()
	err := repository.RecordLost(limited)
	if err != nil {
		logger.Warn("it could not be recorded which clients got no response to a creation; until this succeeds, a retry on another replica may create a duplicate organization", "error", err)
	}
	return err == nil
}
