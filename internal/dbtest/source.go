package dbtest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"time"

	"github.com/testcontainers/testcontainers-go"
	"github.com/testcontainers/testcontainers-go/log"
	"github.com/testcontainers/testcontainers-go/modules/postgres"
	"github.com/testcontainers/testcontainers-go/wait"

	"orgd/internal/localpg"
	"orgd/internal/pgprograms"
)

// URLVariable is the environment variable with the URL of a server for the tests. Its
// user must be allowed to create databases and roles.
const URLVariable = "TEST_DATABASE_URL"

// VersionVariable is the environment variable with a major version of PostgreSQL. If it
// is set, the tests run on a downloaded PostgreSQL of that version.
const VersionVariable = "TEST_POSTGRES_VERSION"

// Image is the container image of PostgreSQL for the tests. It is the same as in
// docker-compose.yml.
const Image = "postgres:18.6"

// Source is a PostgreSQL server on which tests may create databases.
type Source struct {
	URL         string
	Description string // which server this is, for messages
	stop        func() error
}

// Stop stops the server if it was started for the tests.
func (s *Source) Stop() error { return s.stop() }

// FindSource returns the first available server: the one in the environment, one in a
// container, one from installed programs, or one from downloaded programs. The error says
// why each way failed.
func FindSource(ctx context.Context) (*Source, error) {
	if url := os.Getenv(URLVariable); url != "" {
		return &Source{URL: url, Description: URLVariable, stop: func() error { return nil }}, nil
	}
	why := errors.New(VersionVariable + " is set")
	if os.Getenv(VersionVariable) == "" {
		var source *Source
		if source, why = startContainer(ctx); why == nil {
			return source, nil
		}
	}
	programs, err := Programs(ctx)
	if err != nil {
		return nil, fmt.Errorf("%w\nA container was not used: %w", err, why)
	}
	private, err := startPrivate(ctx, programs)
	if err != nil {
		return nil, err
	}
	private.Description += fmt.Sprintf(" (a container was not used: %.200v)", why)
	return private, nil
}

// Programs returns the directory of the programs for a private server: downloaded ones of
// the version in the environment if it is set, or else installed ones, or else downloaded
// ones.
func Programs(ctx context.Context) (string, error) {
	if version := os.Getenv(VersionVariable); version != "" {
		major, err := strconv.Atoi(version)
		if err != nil {
			return "", fmt.Errorf("%s is %q; it must be a major version", VersionVariable, version)
		}
		return pgprograms.Download(ctx, major, os.Stderr)
	}
	programs, missing := localpg.FindBinaries()
	if missing == nil {
		return programs, nil
	}
	programs, err := pgprograms.Download(ctx, pgprograms.Newest, os.Stderr)
	if err != nil {
		return "", pgprograms.Missing(URLVariable, missing, err)
	}
	return programs, nil
}

// settings trade durability for speed: the data is deleted after the tests.
var settings = map[string]string{
	"fsync":              "off",
	"synchronous_commit": "off",
	"full_page_writes":   "off",
	"max_connections":    "300",
	"shared_buffers":     "256MB",
}

// containerLimit bounds the wait for a container. Its port may be unreachable.
const containerLimit = 30 * time.Second

func startPrivate(ctx context.Context, programs string) (*Source, error) {
	dir, err := os.MkdirTemp("", "orgd-test-")
	if err != nil {
		return nil, err
	}
	// 0711: if root runs the tests, PostgreSQL runs as another user, who must reach its
	// data in this directory.
	if err := os.Chmod(dir, 0o711); err != nil {
		return nil, err
	}
	server, err := localpg.Start(ctx, localpg.Options{Dir: dir, Settings: settings, Programs: programs})
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	return &Source{
		URL:         server.URL("postgres"),
		Description: "a private server started from the programs in " + programs,
		stop:        func() error { return errors.Join(server.Remove(), os.RemoveAll(dir)) },
	}, nil
}

func startContainer(ctx context.Context) (source *Source, err error) {
	defer func() {
		// testcontainers panics if there is no Docker host.
		if p := recover(); p != nil {
			err = fmt.Errorf("no Docker engine: %v", p)
		}
	}()
	// The reaper, which removes abandoned containers, would need another image. Stop
	// removes our container.
	if err := os.Setenv("TESTCONTAINERS_RYUK_DISABLED", "true"); err != nil {
		return nil, err
	}
	log.SetDefault(log.NewNoopLogger()) // errors are returned instead
	if err := pingDocker(ctx); err != nil {
		return nil, err
	}
	command := []string{"postgres"}
	for name, value := range settings {
		command = append(command, "-c", name+"="+value)
	}
	container, err := postgres.Run(ctx, Image,
		postgres.WithDatabase("orgd"), postgres.WithUsername("orgd"), postgres.WithPassword("orgd"),
		testcontainers.WithCmd(command...),
		// Wait for the second such line: the image first starts PostgreSQL to create the
		// database.
		testcontainers.WithWaitStrategyAndDeadline(containerLimit,
			wait.ForLog("database system is ready to accept connections").WithOccurrence(2),
			wait.ForListeningPort("5432/tcp")))
	if err != nil {
		return nil, errors.Join(err, testcontainers.TerminateContainer(container))
	}
	url, err := container.ConnectionString(ctx, "sslmode=disable")
	if err != nil {
		return nil, errors.Join(err, testcontainers.TerminateContainer(container))
	}
	return &Source{
		URL:         url,
		Description: "a container of " + Image,
		stop: func() error {
			return testcontainers.TerminateContainer(container, testcontainers.StopTimeout(time.Second))
		},
	}, nil
}

func pingDocker(ctx context.Context) error {
	provider, err := testcontainers.NewDockerProvider()
	if err != nil {
		return fmt.Errorf("no Docker engine: %w", err)
	}
	if err := provider.Health(ctx); err != nil {
		return fmt.Errorf("no Docker engine answers: %w", err)
	}
	return nil
}
