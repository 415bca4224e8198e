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

// Traces makes spans of requests and of their statements, and sends them to a
// collector. The SDK's own variables hold too: OTEL_TRACES_SAMPLER,
// OTEL_SERVICE_NAME, OTEL_EXPORTER_OTLP_HEADERS and the others.
type Traces struct {
	provider *sdktrace.TracerProvider
}

// NewTraces returns traces for the collector at endpoint, the base URL of OTLP over
// HTTP. A collector that cannot be reached costs its spans and a line in the log.
func NewTraces(ctx context.Context, endpoint, version string, logger *slog.Logger) (*Traces, error) {
	logSDK(logger)
	described, err := resource.New(ctx,
		resource.WithAttributes(attribute.String("service.name", "orgd"), attribute.String("service.version", version)),
		resource.WithFromEnv())
	if err != nil && !errors.Is(err, resource.ErrPartialResource) { // of which the SDK tells
		return nil, fmt.Errorf("traces: %w", err)
	}
	exporter, err := otlptracehttp.New(ctx, otlptracehttp.WithEndpointURL(strings.TrimRight(endpoint, "/")+"/v1/traces"))
	if err != nil {
		return nil, fmt.Errorf("traces: %w", err)
	}
	return &Traces{sdktrace.NewTracerProvider(
		sdktrace.WithBatcher(&discreet{SpanExporter: exporter, logger: logger}),
		sdktrace.WithResource(described),
	)}, nil
}

// Close sends what is left, as long as ctx lasts.
func (t *Traces) Close(ctx context.Context) error { return t.provider.Shutdown(ctx) }

// Trace makes each request to next a span, which continues the trace that its
// traceparent names (W3C Trace Context); those that are let out are none.
func (t *Traces) Trace(next http.Handler, letOut func(*http.Request) bool) http.Handler {
	traced := otelhttp.NewHandler(next, "request",
		otelhttp.WithTracerProvider(t.provider),
		otelhttp.WithPropagators(propagation.TraceContext{}),
		otelhttp.WithFilter(func(r *http.Request) bool { return !letOut(r) }))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		// A copy, since otelhttp puts another body into it: with its own, net/http would
		// wait for one that a client holds back (Expect: 100-continue).
		traced.ServeHTTP(w, r.WithContext(r.Context()))
	})
}

// Route names the span of a request, which route is known of only when it is
// answered, and returns the ids of its trace and its own, for the log; they are empty
// if it has none.
func (t *Traces) Route(ctx context.Context, method, route string) (traceID, spanID string) {
	span := trace.SpanFromContext(ctx)
	if !span.SpanContext().IsValid() {
		return "", ""
	}
	span.SetName(method + " " + route)
	span.SetAttributes(attribute.String("http.route", route))
	return span.SpanContext().TraceID().String(), span.SpanContext().SpanID().String()
}

// QueryTracer makes each statement of a traced request a span.
func (t *Traces) QueryTracer() pgx.QueryTracer {
	return otelpgx.NewTracer(
		otelpgx.WithTracerProvider(t.provider),
		otelpgx.WithSpanNameFunc(verb),
		otelpgx.WithDisableConnectionDetailsInAttributes())
}

// verb is the first word of a statement.
func verb(sql string) string {
	fields := strings.Fields(strings.TrimLeft(sql, "( \n"))
	if len(fields) == 0 {
		return "statement"
	}
	return fields[0]
}

// told are the attributes that leave the process. Paths, queries, headers and the
// texts of errors may hold keys and names; statements have placeholders in their
// place.
var told = map[attribute.Key]bool{
	"http.route": true, "http.request.method": true, "http.response.status_code": true,
	"http.request.body.size": true, "http.response.body.size": true, "network.protocol.version": true,
	"error.type": true, "db.system.name": true, "db.query.text": true,
	"pgx.operation.type": true, "pgx.rows_affected": true, "pgx.sql_state": true,
}

// discreet exports nothing that clients have sent but their trace ids, and logs
// the first failure of several.
type discreet struct {
	sdktrace.SpanExporter
	logger  *slog.Logger
	failing atomic.Bool
}

// ExportSpans sends the spans, or logs that it could not.
func (d *discreet) ExportSpans(ctx context.Context, spans []sdktrace.ReadOnlySpan) error {
	cut := make([]sdktrace.ReadOnlySpan, len(spans))
	for i, s := range spans {
		cut[i] = discreetSpan{s}
	}
	err := d.SpanExporter.ExportSpans(ctx, cut)
	if failed := err != nil; d.failing.Swap(failed) != failed {
		if failed {
			d.logger.Warn("traces are lost: the collector does not take them", "error", err)
		} else {
			d.logger.Info("the collector takes traces again")
		}
	}
	return nil
}

type discreetSpan struct{ sdktrace.ReadOnlySpan }

// SpanContext is without the state that a client may have sent with its trace id.
func (s discreetSpan) SpanContext() trace.SpanContext {
	return s.ReadOnlySpan.SpanContext().WithTraceState(trace.TraceState{})
}

// Parent is as SpanContext.
func (s discreetSpan) Parent() trace.SpanContext {
	return s.ReadOnlySpan.Parent().WithTraceState(trace.TraceState{})
}

// Attributes are those that may be told.
func (s discreetSpan) Attributes() (attributes []attribute.KeyValue) {
	for _, a := range s.ReadOnlySpan.Attributes() {
		if told[a.Key] {
			attributes = append(attributes, a)
		}
	}
	return attributes
}

// Events are none: they would be the texts of errors.
func (s discreetSpan) Events() []sdktrace.Event { return nil }

// Status is without its text.
func (s discreetSpan) Status() sdktrace.Status {
	return sdktrace.Status{Code: s.ReadOnlySpan.Status().Code}
}
