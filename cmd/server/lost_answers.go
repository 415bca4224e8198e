package main

import (
	"context"
	"log/slog"
	"time"

	"orgd/internal/orgs"
)

const (
	// lostLimit bounds one attempt, and so how long a dead connection delays the next
	// attempt or the shutdown.
	lostLimit = 3 * time.Second

	firstLostBackoff = 100 * time.Millisecond
	lastLostBackoff  = 3 * time.Second
)

// keepRecordingLost records in the database the creations whose response did not reach
// the client, so that a retry on another replica finds them. It records them immediately,
// retries until it succeeds, and returns after a last attempt when ctx is done.
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
		logger.Warn("could not record the creations whose response did not reach the client; until they are recorded, a retry on another replica may create a duplicate organization", "error", err)
	}
	return err == nil
}
