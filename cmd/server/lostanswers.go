package main

import (
	"context"
	"log/slog"
	"time"

	"orgd/internal/orgs"
)

const (
	// lostLimit is how long a record may take, so that a dead connection holds up
	// nothing, and the last one no stop.
	lostLimit = 3 * time.Second

	firstLostBackoff = 100 * time.Millisecond
	lastLostBackoff  = 3 * time.Second
)

// keepRecordingLost records which answers were lost as soon as the server knows, and
// tries again until the database has taken them. It returns when ctx is done, after a
// last try.
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
		logger.Warn("lost answers are not recorded yet; retries that come to other replicas may make second organizations", "error", err)
	}
	return err == nil
}
