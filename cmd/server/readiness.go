package main

import (
	"context"
	"fmt"
	"sync/atomic"

	"orgd/internal/db"
	"orgd/migrations"
)

// readiness is the result of the last check of the database: whether it answers and has
// a schema that this release supports.
type readiness struct {
	pool          *db.Pool
	isReady       atomic.Bool
	schemaVersion atomic.Int64 // 0 if it was never read
}

// check checks the database. It runs at startup and for each readiness probe.
func (r *readiness) check(ctx context.Context) error {
	version, err := checkSchema(ctx, r.pool)
	r.isReady.Store(err == nil)
	if version > 0 {
		r.schemaVersion.Store(version)
	}
	return err
}

// checkSchema returns an error unless the database answers and has the schema that this
// release needs, or a newer schema that still supports this release. It returns the
// version of the schema, or 0 if it cannot be read.
func checkSchema(ctx context.Context, pool *db.Pool) (version int64, err error) {
	if version, err = pool.SchemaVersion(ctx); err != nil {
		return 0, err
	}
	own := migrations.Latest()
	if version < own {
		return version, fmt.Errorf("the database's schema has version %d and this server needs %d: run `server migrate up`", version, own)
	}
	floor, err := pool.SchemaFloor(ctx)
	if err == nil && floor > own {
		err = fmt.Errorf("the database's schema has version %d and supports only releases with schema %d or newer; this release has schema %d: run a newer release", version, floor, own)
	}
	return version, err
}
