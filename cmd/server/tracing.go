package main

import (
	"context"
	"log/slog"
	"time"

	"orgd/internal/db"
	orgdhttp "orgd/internal/http"
	"orgd/internal/telemetry"
)

// lastTracesLimit bounds how long sending the last traces can delay the shutdown.
const lastTracesLimit = 2 * time.Second

// tracing holds the tracers of a server. They are nil if no collector is configured.
type tracing struct {
	requests   orgdhttp.Tracer
	statements db.Tracer
	stop       func() // sends the last spans, within lastTracesLimit
}

func startTracing(ctx context.Context, collector string, logger *slog.Logger) (tracing, error) {
	if collector == "" {
		return tracing{stop: func() {}}, nil
	}
	release, _ := build()
	traces, err := telemetry.NewTraces(ctx, collector, release, logger)
	if err != nil {
		return tracing{}, err
	}
	return tracing{traces, traces.QueryTracer(), func() {
		limited, cancel := context.WithTimeout(context.WithoutCancel(ctx), lastTracesLimit)
		defer cancel()
		if err := traces.Close(limited); err != nil {
			logger.Warn("the last traces are lost", "error", err)
		}
	}}, nil
}
