package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/jackc/pgx/v5"

	"orgd/internal/db/dbtest"
	"orgd/internal/localpg"
)

// postgres is a PostgreSQL server to be killed.
type postgres struct {
	options localpg.Options
	server  *localpg.Server
}

// startPostgres returns nil where there is no PostgreSQL to start, and the other
// tests have one from elsewhere, as the tests of internal/localpg do.
func startPostgres(t *testing.T) *postgres {
	t.Helper()
	_, err := localpg.FindBinaries()
	if errors.Is(err, localpg.ErrNotInstalled) && os.Getenv(dbtest.URLVariable) != "" {
		fmt.Fprintln(os.Stderr, t.Name()+": NOT TESTED:", err)
		return nil
	}
	dir, err := os.MkdirTemp("", "orgd-test-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	p := &postgres{options: localpg.Options{Dir: dir, Settings: map[string]string{
		"fsync": "on", "full_page_writes": "on", "synchronous_commit": "on", "shared_buffers": "32MB",
	}}}
	keepPort(t, dir)
	p.start(t)
	t.Cleanup(func() {
		if err := p.server.Remove(); err != nil {
			t.Errorf("remove PostgreSQL: %v", err)
		}
	})
	return p
}

// keepPort has PostgreSQL take a port that is below those of outgoing connections:
// one of the many that the tests make could have it while PostgreSQL is down.
func keepPort(t *testing.T, dir string) {
	t.Helper()
	await(t, "no port is free", func() bool {
		port := 20000 + rand.IntN(10000)
		ln, err := net.Listen("tcp", fmt.Sprint("127.0.0.1:", port))
		if err != nil {
			return false
		}
		ln.Close()
		return os.WriteFile(filepath.Join(dir, "port"), []byte(strconv.Itoa(port)), 0o600) == nil
	})
}

func (p *postgres) start(t *testing.T) {
	t.Helper()
	server, err := localpg.Start(context.Background(), p.options)
	if err != nil {
		t.Fatal(err)
	}
	p.server = server
}

// dataDir is where the cluster is.
func (p *postgres) dataDir(t *testing.T) (dir string) {
	t.Helper()
	conn, err := pgx.Connect(context.Background(), p.server.URL("postgres"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	if err := conn.QueryRow(context.Background(), "SHOW data_directory").Scan(&dir); err != nil {
		t.Fatal(err)
	}
	return dir
}
