package main

import (
	"context"
	"log/slog"
	"time"

	"orgd/internal/apikeys"
)

const (
	// usageInterval is how long the last use of a key may be known to this process only.
	usageInterval = time.Minute
	usageLimit    = 5 * time.Second
)

// keepFlushing writes when keys were last used: about once per interval, when the server
// is told to stop, and once more after the last request is answered. The supervisor may
// kill the server before that last write.
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
			logger.Warn("the last-use times of keys could not be saved; retrying later", "error", err)
		}
		cancel()
	}
}
