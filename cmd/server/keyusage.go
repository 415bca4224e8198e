package main

import (
	"context"
	"log/slog"
	"time"

	"orgd/internal/apikeys"
)

const (
	// usageInterval is how often the last-use times of keys are saved.
	usageInterval = time.Minute
	usageLimit    = 5 * time.Second
)

// keepFlushing saves the last-use times of keys once per interval, when the server is told
// to stop, and after the last request has been answered. It saves at the stop signal
// because the supervisor may kill the server before the final save.
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
			logger.Warn("could not save the last-use times of keys; the next save will include them", "error", err)
		}
		cancel()
	}
}
