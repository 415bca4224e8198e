package main

import (
	"context"
	"log/slog"

	"orgd/internal/events"
)

// keepPolling looks for new events that no notification reported, until ctx is done. It
// logs the first of several errors in a row.
func keepPolling(ctx context.Context, logger *slog.Logger, hub *events.Hub) {
	hub.Poll(ctx, func(err error) {
		logger.Warn("cannot look for new events; readers may wait longer", "error", err)
	})
}
