package main

import (
	"context"
	"log/slog"
	"time"

	"orgd/internal/apikeys"
)

const (
	// usageInterval is how long the last use of a key may be known to this process
	// alone.
	usageInterval = time.Minute
	usageLimit    = 5 * time.Second
)

// keepFlushing writes the uses of keys about once in every interval, when the
// server is told to stop, and a last time when all is answered: whoever stops it may
// not wait for that.
func keepFlushing(stopping, ended context.Context, logger *slog.Logger, interval time.Duration, usage *apikeys.Usage) {
	ticker := time.NewTicker(interval)
	defer ticker.Stop()
	told := stopping.Done()
	for running := true; running; {
		select {
		case <-ended.Done():
			running = false
		case <-told:
			told = nil
		case <-ticker.C:
		}
		limited, cancel := context.WithTimeout(context.WithoutCancel(ended), usageLimit)
		if err := usage.Flush(limited); err != nil {
			logger.Warn("when keys were used is not written yet", "error", err)
		}
		cancel()
	}
}
