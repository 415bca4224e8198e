package db

import (
	"context"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/multitracer"
)

// busyMarker is a tracer that marks a connection as busy from the start of a statement
// until its answer is read to the end. pgx reports both events only to tracers.
type busyMarker struct{}

// markBusy returns a tracer that is a busyMarker and calls t too, if t is not nil.
func markBusy(t Tracer) Tracer {
	if t == nil {
		return busyMarker{}
	}
	return multitracer.New(busyMarker{}, t)
}

func (busyMarker) begin(ctx context.Context, conn *pgx.Conn) context.Context {
	socketOf(conn.PgConn()).busy.Store(true)
	return ctx
}

func (busyMarker) end(conn *pgx.Conn) { socketOf(conn.PgConn()).busy.Store(false) }

// TraceQueryStart implements pgx.QueryTracer.
func (m busyMarker) TraceQueryStart(ctx context.Context, conn *pgx.Conn, _ pgx.TraceQueryStartData) context.Context {
	return m.begin(ctx, conn)
}

// TraceQueryEnd implements pgx.QueryTracer.
func (m busyMarker) TraceQueryEnd(_ context.Context, conn *pgx.Conn, _ pgx.TraceQueryEndData) {
	m.end(conn)
}

// TraceBatchStart implements pgx.BatchTracer.
func (m busyMarker) TraceBatchStart(ctx context.Context, conn *pgx.Conn, _ pgx.TraceBatchStartData) context.Context {
	return m.begin(ctx, conn)
}

// TraceBatchQuery implements pgx.BatchTracer.
func (busyMarker) TraceBatchQuery(context.Context, *pgx.Conn, pgx.TraceBatchQueryData) {}

// TraceBatchEnd implements pgx.BatchTracer.
func (m busyMarker) TraceBatchEnd(_ context.Context, conn *pgx.Conn, _ pgx.TraceBatchEndData) {
	m.end(conn)
}

// TraceCopyFromStart implements pgx.CopyFromTracer.
func (m busyMarker) TraceCopyFromStart(ctx context.Context, conn *pgx.Conn, _ pgx.TraceCopyFromStartData) context.Context {
	return m.begin(ctx, conn)
}

// TraceCopyFromEnd implements pgx.CopyFromTracer.
func (m busyMarker) TraceCopyFromEnd(_ context.Context, conn *pgx.Conn, _ pgx.TraceCopyFromEndData) {
	m.end(conn)
}
