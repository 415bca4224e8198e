package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"orgd"
	"orgd/internal/db"
	"orgd/internal/localpg"
	"orgd/internal/pgprograms"
)

// devDatabase is the database of `server dev`.
type devDatabase struct {
	url         string
	description string
	ended       <-chan struct{} // closed when PostgreSQL has exited; nil if `server dev` did not start the process
	stop        func() error    // stops PostgreSQL if `server dev` started it; an error if it had already exited
}

// openDevDatabase returns the configured database if there is one. Otherwise it starts a
// private PostgreSQL if one is installed, or else one in a container, or else a private
// one from downloaded programs. It writes the progress of a download to progress.
func openDevDatabase(ctx context.Context, configured, dir string, progress io.Writer) (devDatabase, error) {
	if configured != "" {
		if err := claimDevDatabase(ctx, configured); err != nil {
			return devDatabase{}, err
		}
		return devDatabase{url: configured, description: "DATABASE_URL", stop: func() error { return nil }}, nil
	}
	_, missing := localpg.FindBinaries()
	cluster := filepath.Join(dir, "postgres")
	// An existing private cluster has the data of earlier runs. A container would not
	// have it.
	if _, err := os.Stat(filepath.Join(cluster, "cluster")); err == nil || missing == nil {
		return startPrivate(ctx, cluster, progress)
	}
	composed, composeErr := startCompose(ctx, dir)
	if composeErr == nil {
		return composed, nil
	}
	private, err := startPrivate(ctx, cluster, progress)
	if errors.Is(err, localpg.ErrNotInstalled) {
		return devDatabase{}, pgprograms.Missing("DATABASE_URL", err, composeErr)
	}
	return private, err
}

func startPrivate(ctx context.Context, dir string, progress io.Writer) (devDatabase, error) {
	server, err := localpg.Start(ctx, localpg.Options{Dir: dir, Download: progress})
	if err != nil {
		return devDatabase{}, err
	}
	if err := createDatabase(ctx, server.URL("postgres"), "orgd"); err != nil {
		return devDatabase{}, errors.Join(err, server.Stop())
	}
	return devDatabase{
		url:         server.URL("orgd"),
		description: "a private PostgreSQL in " + dir,
		ended:       server.Done(),
		stop:        server.Stop,
	}, nil
}

// createDatabase creates the database unless it already exists.
func createDatabase(ctx context.Context, url, name string) error {
	pool, err := db.Open(ctx, url, db.Options{MaxConns: 1})
	if err != nil {
		return err
	}
	defer pool.Close()
	return pool.Write(ctx, func(ctx context.Context, q db.Querier) error {
		var exists bool
		err := q.QueryRow(ctx, "SELECT EXISTS (SELECT FROM pg_database WHERE datname = $1)", name).Scan(&exists)
		if err == nil && !exists {
			_, err = q.Exec(ctx, fmt.Sprintf("CREATE DATABASE %q", name))
		}
		return err
	})
}

// startCompose starts PostgreSQL from the Compose file, on a free port. The name of the
// Compose project is derived from dir, so `docker compose up` and other directories have
// separate containers.
func startCompose(ctx context.Context, dir string) (_ devDatabase, err error) {
	absolute, err := filepath.Abs(dir)
	if err != nil {
		return devDatabase{}, err
	}
	digest := sha256.Sum256([]byte(absolute))
	project := composeProject("orgd-dev-" + hex.EncodeToString(digest[:6]))
	defer func() {
		if err != nil {
			err = errors.Join(err, project.stop(ctx))
		}
	}()
	if _, err := project.run(ctx, "up", "--detach", "--wait", "postgres"); err != nil {
		return devDatabase{}, err
	}
	addr, err := project.run(ctx, "port", "postgres", "5432")
	if err != nil {
		return devDatabase{}, err
	}
	return devDatabase{
		url:         "postgres://orgd:orgd@" + strings.TrimSpace(addr) + "/orgd?sslmode=disable",
		description: fmt.Sprintf("PostgreSQL in Docker Compose (project %s)", project),
		stop:        func() error { return project.stop(ctx) },
	}, nil
}

// composeProject is the name of a Compose project.
type composeProject string

// stop stops the containers, even if ctx is done.
func (p composeProject) stop(ctx context.Context) error {
	_, err := p.run(context.WithoutCancel(ctx), "stop")
	return err
}

func (p composeProject) run(ctx context.Context, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, "docker", append([]string{"compose", "--project-name", string(p), "--file", "-"}, args...)...)
	cmd.Env = append(os.Environ(), "ORGD_POSTGRES_PORT=0", "ORGD_POSTGRES_PASSWORD=orgd")
	cmd.Stdin = bytes.NewReader(orgd.Compose)
	var out, problem bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &problem
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("docker compose %s: %w: %s", args[0], err, bytes.TrimSpace(problem.Bytes()))
	}
	return out.String(), nil
}
