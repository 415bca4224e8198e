package main

import (
	"context"
	"fmt"
	"sync/atomic"

	"orgd/internal/db"
	"orgd/migrations"
)

// readiness is whether the database answers and has a schema that this release runs
// on, as the last check found it.
type readiness struct {
	pool          *db.Pool
	isReady       atomic.Bool
	schemaVersion atomic.Int64 // 0 if it was never read
}

// check asks the database, for a probe or at the start.
func (r *readiness) check(ctx context.Context) error {
	version, err := checkSchema(ctx, r.pool)
	r.isReady.Store(err == nil)
	if version > 0 {
		r.schemaVersion.Store(version)
	}
	return err
}

// checkSchema says whether the database answers and has the schema that this
// release runs on, or a newer one that still serves it. It returns the version, or
// 0 if that cannot be asked.
func checkSchema(ctx context.Context, pool *db.Pool) (version int64, err error) {
	if version, err = pool.SchemaVersion(ctx); err != nil {
		return 0, err
	}
	own := migrations.Latest()
	if version < own {
		return version, fmt.Errorf("the database's schema has version %d and this server needs %d: run `server migrate up`", version, own)
	}
	if version > own {
		floor, err := pool.SchemaFloor(ctx)
		if err != nil {
			return version, err
		}
		if floor > own {
			return version, fmt.Errorf("the database's schema has version %d and serves releases from schema %d on, this server is of schema %d: run a newer release", version, floor, own)
		}
	}
	return version, nil
}
