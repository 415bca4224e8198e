package telemetry

import (
	"errors"
	"log/slog"

	"github.com/go-logr/logr"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/sdk/resource"
)

// logSDK makes OpenTelemetry's SDK log to logger instead of standard error. The SDK's
// logger is global, so the last call wins.
func logSDK(logger *slog.Logger) {
	otel.SetLogger(logr.New(sdkLog{logger}))
	otel.SetErrorHandler(otel.ErrorHandlerFunc(func(err error) {
		if errors.Is(err, resource.ErrPartialResource) { // its text contains the value
			err = errors.New("part of OTEL_RESOURCE_ATTRIBUTES cannot be parsed")
		}
		logger.Warn("the OpenTelemetry SDK reports an error", "error", err)
	}))
}

// sdkLog logs the SDK's warnings without their values. A value may be a header that
// authenticates the client to a collector.
type sdkLog struct{ logger *slog.Logger }

// Init does nothing: only sinks that log their caller need it.
func (l sdkLog) Init(logr.RuntimeInfo) {}

// Enabled accepts warnings, which the SDK logs at level 1, and nothing more detailed.
func (l sdkLog) Enabled(level int) bool { return level <= 1 }

// Info logs a warning.
func (l sdkLog) Info(_ int, msg string, _ ...any) { l.warn(msg) }

// Error logs a failure without the text of the error, which repeats the value that
// failed.
func (l sdkLog) Error(_ error, msg string, _ ...any) { l.warn(msg) }

// WithValues returns the same sink. Values are not logged.
func (l sdkLog) WithValues(...any) logr.LogSink { return l }

// WithName returns the same sink. Names are not logged.
func (l sdkLog) WithName(string) logr.LogSink { return l }

func (l sdkLog) warn(msg string) {
	l.logger.Warn("the OpenTelemetry SDK reports a problem", "about", msg)
}
