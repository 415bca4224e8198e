package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/jackc/pgx/v5"

	"orgd"
	"orgd/internal/localpg"
)

// devDatabase is where `server dev` keeps its data.
type devDatabase struct {
	url         string
	description string
	log         string          // where the private server writes its log
	died        <-chan struct{} // closed if the private server ends by itself; else nil
	stop        func() error
}

// openDevDatabase takes the database that is configured; else starts a private
// one from installed binaries; else one in a container.
func openDevDatabase(ctx context.Context, configured, dir string) (devDatabase, error) {
	if configured != "" {
		return devDatabase{url: configured, description: "DATABASE_URL", stop: func() error { return nil }}, nil
	}
	private, privateErr := startPrivate(ctx, filepath.Join(dir, "postgres"))
	if !errors.Is(privateErr, localpg.ErrNotInstalled) {
		return private, privateErr
	}
	composed, composeErr := startCompose(ctx)
	if composeErr == nil {
		return composed, nil
	}
	return devDatabase{}, fmt.Errorf(`no PostgreSQL to develop with. There are three ways:
  - set DATABASE_URL=postgres://user:password@host:port/name;
  - install PostgreSQL 15 or newer (Debian: apt-get install postgresql; macOS: brew install postgresql);
  - install Docker with Compose, which then runs the one in docker-compose.yml.
Installed: %w
Compose: %w`, privateErr, composeErr)
}

func startPrivate(ctx context.Context, dir string) (devDatabase, error) {
	server, err := localpg.Start(ctx, localpg.Options{Dir: dir})
	if err != nil {
		return devDatabase{}, err
	}
	if err := createDatabase(ctx, server.URL("postgres"), "orgd"); err != nil {
		return devDatabase{}, errors.Join(err, server.Stop())
	}
	return devDatabase{
		url:         server.URL("orgd"),
		description: "a private PostgreSQL in " + dir,
		log:         filepath.Join(dir, "postgres.log"),
		died:        server.Done(),
		stop:        server.Stop,
	}, nil
}

func createDatabase(ctx context.Context, url, name string) error {
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	var exists bool
	if err := conn.QueryRow(ctx, "SELECT EXISTS (SELECT FROM pg_database WHERE datname = $1)", name).Scan(&exists); err != nil {
		return err
	}
	if exists {
		return nil
	}
	_, err = conn.Exec(ctx, "CREATE DATABASE "+pgx.Identifier{name}.Sanitize())
	return err
}

// startCompose runs the Compose file's PostgreSQL, on a free port and apart from
// what `docker compose up` runs.
func startCompose(ctx context.Context) (devDatabase, error) {
	if _, err := compose(ctx, "up", "--detach", "--wait", "postgres"); err != nil {
		return devDatabase{}, err
	}
	addr, err := compose(ctx, "port", "postgres", "5432")
	if err != nil {
		return devDatabase{}, err
	}
	return devDatabase{
		url:         "postgres://orgd:orgd@" + strings.TrimSpace(addr) + "/orgd?sslmode=disable",
		description: "PostgreSQL by docker compose, project orgd-dev",
		stop: func() error {
			_, err := compose(context.WithoutCancel(ctx), "stop")
			return err
		},
	}, nil
}

func compose(ctx context.Context, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, "docker", append([]string{"compose", "--project-name", "orgd-dev", "--file", "-"}, args...)...)
	cmd.Env = append(os.Environ(), "ORGD_POSTGRES_PORT=0", "ORGD_POSTGRES_PASSWORD=orgd")
	cmd.Stdin = bytes.NewReader(orgd.Compose)
	var out, problem bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &problem
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("docker compose %s: %w: %s", args[0], err, bytes.TrimSpace(problem.Bytes()))
	}
	return out.String(), nil
}
