package main

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"time"

	"orgd/internal/events"
)

const (
	removeInterval = time.Hour
	// firstRemoval bounds the wait before the first run, so that servers that are often
	// restarted delete old events too.
	firstRemoval = time.Minute
)

// validKeep rejects a time so short that a reader of the feed could easily miss events.
func validKeep(keep age) error {
	if keep != 0 && time.Duration(keep) < day {
		return fmt.Errorf("ORGD_EVENTS_KEEP is %s; it must be 1d or more, or 0 to keep events forever", keep)
	}
	return nil
}

// keepRemoving deletes old events about once per interval until ctx is done. The random
// wait keeps replicas that started together from running together.
func keepRemoving(ctx context.Context, logger *slog.Logger, interval time.Duration, retention *events.Retention) {
	wait := rand.N(min(interval, firstRemoval))
	for {
		select {
		case <-ctx.Done():
			return
		case <-time.After(wait):
		}
		deleted, err := retention.Run(ctx)
		if err != nil && ctx.Err() == nil {
			logger.Warn("could not delete all old events; the next run will continue", "error", err)
		}
		if deleted > 0 {
			logger.Info("deleted old events", "deleted", deleted)
		}
		wait = interval - interval/10 + rand.N(interval/5)
	}
}
