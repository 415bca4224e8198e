package main

import (
	"context"
	"log/slog"
	"time"

	"orgd/internal/events"
)

// keepPolling looks for new events that no notification reported, until ctx is done. It
// logs the first of several errors in a row.
func keepPolling(ctx context.Context, logger *slog.Logger, interval time.Duration, hub *events.Hub) {
	failing := false
	hub.Poll(ctx, interval, func(err error) {
		if err != nil && !failing {
			logger.Warn("polling for new events failed; clients that wait for events may get them late", "error", err)
		}
		failing = err != nil
	})
}
