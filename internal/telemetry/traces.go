package telemetry

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"sync/atomic"

	"github.com/exaring/otelpgx"
	"github.com/jackc/pgx/v5"
	"go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
)

// Traces records spans of requests and their statements, and sends them to a collector.
// The SDK also reads its own variables: OTEL_TRACES_SAMPLER, OTEL_SERVICE_NAME,
// OTEL_EXPORTER_OTLP_HEADERS and others.
type Traces struct {
	provider *sdktrace.TracerProvider
}

// NewTraces returns traces for the collector at endpoint, the base URL of OTLP over HTTP.
// If the collector cannot be reached, spans are lost and the failure is logged.
func NewTraces(ctx context.Context, endpoint, version string, logger *slog.Logger) (*Traces, error) {
	logSDK(logger)
	described, err := resource.New(ctx,
		resource.WithAttributes(attribute.String("service.name", "orgd"), attribute.String("service.version", version)),
		resource.WithFromEnv())
	// The SDK logs a partial resource itself.
	if err != nil && !errors.Is(err, resource.ErrPartialResource) {
		return nil, fmt.Errorf("traces: %w", err)
	}
	exporter, err := otlptracehttp.New(ctx, otlptracehttp.WithEndpointURL(strings.TrimRight(endpoint, "/")+"/v1/traces"))
	if err != nil {
		return nil, fmt.Errorf("traces: %w", err)
	}
	return &Traces{sdktrace.NewTracerProvider(
		sdktrace.WithBatcher(&redactingExporter{SpanExporter: exporter, logger: logger}),
		sdktrace.WithResource(described),
	)}, nil
}

// Close sends the remaining spans. It gives up when ctx is done.
func (t *Traces) Close(ctx context.Context) error { return t.provider.Shutdown(ctx) }

// Trace returns a handler that records a span for each request to next. The span
// continues the trace of the request's traceparent header (W3C Trace Context). Requests
// for which skip returns true have no span.
func (t *Traces) Trace(next http.Handler, skip func(*http.Request) bool) http.Handler {
	traced := otelhttp.NewHandler(next, "request",
		otelhttp.WithTracerProvider(t.provider),
		otelhttp.WithPropagators(propagation.TraceContext{}),
		otelhttp.WithFilter(func(r *http.Request) bool { return !skip(r) }))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		// Pass a copy, because otelhttp replaces the body of the request that it gets. If
		// it replaced the body of the original, net/http would wait for a body that the
		// client withholds (Expect: 100-continue).
		traced.ServeHTTP(w, r.WithContext(r.Context()))
	})
}

// Route sets the route of a request's span, which is known only when the request is
// answered. It returns the trace id and the span id for the log; they are empty if there
// is no span.
func (t *Traces) Route(ctx context.Context, method, route string) (traceID, spanID string) {
	span := trace.SpanFromContext(ctx)
	if !span.SpanContext().IsValid() {
		return "", ""
	}
	span.SetName(method + " " + route)
	span.SetAttributes(attribute.String("http.route", route))
	return span.SpanContext().TraceID().String(), span.SpanContext().SpanID().String()
}

// QueryTracer returns a tracer that records a span for each statement of a traced
// request.
func (t *Traces) QueryTracer() pgx.QueryTracer {
	return otelpgx.NewTracer(
		otelpgx.WithTracerProvider(t.provider),
		otelpgx.WithSpanNameFunc(verb),
		otelpgx.WithDisableConnectionDetailsInAttributes())
}

// verb returns the first word of a statement.
func verb(sql string) string {
	fields := strings.Fields(strings.TrimLeft(sql, "( \n"))
	if len(fields) == 0 {
		return "statement"
	}
	return fields[0]
}

// exported are the attributes that leave the process. Paths, queries, headers and error
// texts may contain keys and names; statements have placeholders instead.
var exported = map[attribute.Key]bool{
	"http.route": true, "http.request.method": true, "http.response.status_code": true,
	"http.request.body.size": true, "http.response.body.size": true, "network.protocol.version": true,
	"error.type": true, "db.system.name": true, "db.query.text": true,
	"pgx.operation.type": true, "pgx.rows_affected": true, "pgx.sql_state": true,
}

// redactingExporter removes everything that may contain a secret or a text from a client.
// It logs the first of several failures in a row.
type redactingExporter struct {
	sdktrace.SpanExporter
	logger  *slog.Logger
	failing atomic.Bool
}

// ExportSpans sends the redacted spans. It logs a failure and returns nil.
func (e *redactingExporter) ExportSpans(ctx context.Context, spans []sdktrace.ReadOnlySpan) error {
	redacted := make([]sdktrace.ReadOnlySpan, len(spans))
	for i, s := range spans {
		redacted[i] = redactedSpan{s}
	}
	err := e.SpanExporter.ExportSpans(ctx, redacted)
	if failed := err != nil; e.failing.Swap(failed) != failed {
		if failed {
			e.logger.Warn("traces are lost: they could not be sent to the collector", "error", err)
		} else {
			e.logger.Info("the collector accepts traces again")
		}
	}
	return nil
}

type redactedSpan struct{ sdktrace.ReadOnlySpan }

// SpanContext omits the trace state, which a client may have sent.
func (s redactedSpan) SpanContext() trace.SpanContext {
	return s.ReadOnlySpan.SpanContext().WithTraceState(trace.TraceState{})
}

// Parent omits the trace state too.
func (s redactedSpan) Parent() trace.SpanContext {
	return s.ReadOnlySpan.Parent().WithTraceState(trace.TraceState{})
}

// Attributes returns the attributes that may be exported.
func (s redactedSpan) Attributes() (attributes []attribute.KeyValue) {
	for _, a := range s.ReadOnlySpan.Attributes() {
		if exported[a.Key] {
			attributes = append(attributes, a)
		}
	}
	return attributes
}

// Events returns none: events contain the texts of errors.
func (s redactedSpan) Events() []sdktrace.Event { return nil }

// Status omits the description, which may contain the text of an error.
func (s redactedSpan) Status() sdktrace.Status {
	return sdktrace.Status{Code: s.ReadOnlySpan.Status().Code}
}
