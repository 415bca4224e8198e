// Floor does the minimum that a Go service needs for GET /v1/orgs: one keyset query with
// pgx, and JSON appended by hand. It has no authentication, router, validation, limits,
// logs or metrics. The benchmark compares orgd with it in one run.
//
// Environment: DATABASE_URL, ACCOUNT_ID (a UUID), ADDR (the address to listen on), POOL
// (the number of connections).
package main

import (
	"context"
	"fmt"
	"log"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strconv"

	"github.com/jackc/pgx/v5/pgxpool"
)

func main() {
	log.Fatal(run(context.Background()))
}

func run(ctx context.Context) error {
	pool, err := openPool(ctx)
	if err != nil {
		return err
	}
	defer pool.Close()
	ln, err := net.Listen("tcp", os.Getenv("ADDR"))
	if err != nil {
		return err
	}
	// orgd logs the same line, so the benchmark parses both in the same way.
	slog.New(slog.NewJSONHandler(os.Stdout, nil)).Info("serving", "addr", ln.Addr().String())
	http.Handle("GET /v1/orgs", handler{pool: pool, account: os.Getenv("ACCOUNT_ID")})
	return http.Serve(ln, nil)
}

func openPool(ctx context.Context) (*pgxpool.Pool, error) {
	cfg, err := pgxpool.ParseConfig(os.Getenv("DATABASE_URL"))
	if err != nil {
		return nil, err
	}
	conns, err := strconv.ParseInt(os.Getenv("POOL"), 10, 32)
	if err != nil {
		return nil, fmt.Errorf("POOL: %w", err)
	}
	cfg.MaxConns = int32(conns)
	return pgxpool.NewWithConfig(ctx, cfg)
}
