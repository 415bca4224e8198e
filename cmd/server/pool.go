package main

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"orgd/internal/db"
)

// statementTimeout is shorter than the deadline of a request, so that PostgreSQL ends a
// slow statement first. If the deadline canceled the statement, pgx would close the
// connection.
const statementTimeout = 8 * time.Second

const (
	// lockTimeout bounds how long requests that wait for the same organization can occupy
	// all connections.
	lockTimeout = 2 * time.Second
	// idleTxTimeout makes PostgreSQL release the locks of a server that vanished. Without
	// it, they are held until TCP gives up on the connection.
	idleTxTimeout = 10 * time.Second
)

func openPool(ctx context.Context, cfg serveConfig, t tracing) (*db.Pool, error) {
	return db.Open(ctx, cfg.databaseURL, db.Options{
		MaxConns: cfg.maxConns, MaxConnsPerOwner: cfg.perAccount, StatementTimeout: statementTimeout, LockTimeout: lockTimeout, IdleTxTimeout: idleTxTimeout,
		UserTimeout: db.UserTimeout, Pooled: cfg.isPooled(), Unprepared: cfg.unprepared, Tracer: t.statements,
	})
}

// checkAtStart returns an error if the server must not start, because the database is
// misconfigured or has the wrong schema. If the database is down or denies access, the
// server starts, because the database may recover.
func checkAtStart(ctx context.Context, cfg serveConfig, ready *readiness) error {
	switch err := ready.check(ctx); {
	case ctx.Err() != nil:
		return ctx.Err()
	case errors.Is(err, db.ErrMisconfigured):
		return err
	case errors.Is(err, db.ErrDenied):
		cfg.logger.Warn("the database denies access; the server will be ready when access is granted", "error", err)
	case errors.Is(err, db.ErrUnavailable):
		cfg.logger.Warn("the database cannot be reached; the server will be ready once the database is reachable", "error", err)
	case err != nil:
		return err
	case cfg.isPooled():
		warnOfTimeouts(ctx, cfg.logger, ready.pool)
	}
	return nil
}

// warnOfTimeouts warns about timeouts that are not set. Behind a pooler, the server
// cannot set them itself; the database role must.
func warnOfTimeouts(ctx context.Context, logger *slog.Logger, pool *db.Pool) {
	for name, want := range map[string]time.Duration{
		"statement_timeout": statementTimeout, "lock_timeout": lockTimeout, "idle_in_transaction_session_timeout": idleTxTimeout,
	} {
		value, err := pool.Setting(ctx, name)
		if err == nil && value == "0" {
			logger.Warn("a timeout is not set; behind a pooler, set it on the database role with ALTER ROLE", "setting", name, "recommended", want.String())
		}
	}
}
