// Ensure makes sure that there is a PostgreSQL for `make run` or `make test` before
// anything large is built. The argument is the name of the environment variable for the
// URL of a server. If it is not set, and neither an installed PostgreSQL nor a Docker
// engine is found, Ensure downloads PostgreSQL. If TEST_POSTGRES_VERSION is set instead,
// it downloads that version.
//
//	ensure DATABASE_URL
package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"strconv"
	"syscall"
	"time"

	"orgd/internal/localpg"
	"orgd/internal/pgprograms"
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: ensure VARIABLE")
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := ensure(ctx, os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func ensure(ctx context.Context, variable string) error {
	if os.Getenv(variable) != "" {
		return nil
	}
	if version := os.Getenv("TEST_POSTGRES_VERSION"); version != "" {
		major, err := strconv.Atoi(version)
		if err != nil {
			return fmt.Errorf("TEST_POSTGRES_VERSION is %q; it must be a major version", version)
		}
		_, err = pgprograms.Download(ctx, major, os.Stderr)
		return err
	}
	_, missing := localpg.FindBinaries()
	if missing == nil || dockerAnswers(ctx) {
		return nil
	}
	_, failed := pgprograms.Download(ctx, pgprograms.Newest, os.Stderr)
	if failed == nil || ctx.Err() != nil {
		return failed
	}
	return pgprograms.Missing(variable, missing, failed)
}

func dockerAnswers(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	return exec.CommandContext(ctx, "docker", "version").Run() == nil
}
