package telemetry

import (
	"errors"
	"log/slog"

	"github.com/go-logr/logr"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/sdk/resource"
)

// logSDK has OpenTelemetry's SDK speak in logger instead of on standard error. Its
// loggers are the process's, so the last one given counts.
func logSDK(logger *slog.Logger) {
	otel.SetLogger(logr.New(sdkLog{logger}))
	otel.SetErrorHandler(otel.ErrorHandlerFunc(func(err error) {
		if errors.Is(err, resource.ErrPartialResource) { // its text has the value
			err = errors.New("OTEL_RESOURCE_ATTRIBUTES cannot be read in part")
		}
		logger.Warn("OpenTelemetry's SDK has failed", "error", err)
	}))
}

// sdkLog logs what the SDK finds wrong, without the values that it found it in: they
// may be the headers with which a collector knows its clients.
type sdkLog struct{ logger *slog.Logger }

// Init is for sinks that want to know their caller.
func (l sdkLog) Init(logr.RuntimeInfo) {}

// Enabled lets warnings through, which the SDK has at level 1.
func (l sdkLog) Enabled(level int) bool { return level <= 1 }

// Info logs a warning.
func (l sdkLog) Info(_ int, msg string, _ ...any) { l.warn(msg) }

// Error logs a failure, without its text, which repeats the value.
func (l sdkLog) Error(_ error, msg string, _ ...any) { l.warn(msg) }

// WithValues returns the same.
func (l sdkLog) WithValues(...any) logr.LogSink { return l }

// WithName returns the same.
func (l sdkLog) WithName(string) logr.LogSink { return l }

func (l sdkLog) warn(msg string) {
	l.logger.Warn("OpenTelemetry's SDK finds something wrong", "about", msg)
}
