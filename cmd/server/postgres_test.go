package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/jackc/pgx/v5"

	"orgd/internal/db"
	"orgd/internal/dbtest"
	"orgd/internal/localpg"
	"orgd/migrations"
)

// postgres is a PostgreSQL server that a test can kill.
type postgres struct {
	options localpg.Options
	server  *localpg.Server
}

func startPostgres(t *testing.T) *postgres {
	t.Helper()
	programs, err := dbtest.Programs(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	p := &postgres{options: localpg.Options{Dir: serverDir(t), Programs: programs, Settings: map[string]string{
		"fsync": "on", "full_page_writes": "on", "synchronous_commit": "on", "shared_buffers": "32MB",
	}}}
	p.run(t)
	return p
}

// run starts the server, and removes it at the end of the test.
func (p *postgres) run(t *testing.T) {
	t.Helper()
	p.start(t)
	t.Cleanup(func() {
		if err := p.server.Remove(); err != nil {
			t.Errorf("remove PostgreSQL: %v", err)
		}
	})
}

// serverDir returns a directory for a server, with a file that sets its port.
func serverDir(t *testing.T) string {
	t.Helper()
	// PostgreSQL may run as another user, who cannot enter the directory of t.TempDir.
	dir, err := os.MkdirTemp("", "orgd-test-") //nolint:usetesting // see above
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o711); err != nil {
		t.Fatal(err)
	}
	keepPort(t, dir)
	return dir
}

// keepPort makes PostgreSQL use a port below the ephemeral range. While PostgreSQL is
// down, an outgoing connection of another test could take an ephemeral port.
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

// database creates a migrated database on the server.
func (p *postgres) database(t *testing.T, name string) *dbtest.DB {
	t.Helper()
	ctx := context.Background()
	if err := createDatabase(ctx, p.server.URL("postgres"), name); err != nil {
		t.Fatal(err)
	}
	if _, err := db.MigrateUp(ctx, p.server.URL(name), migrations.FS); err != nil {
		t.Fatal(err)
	}
	return p.open(t, name)
}

// open opens an existing database of the server.
func (p *postgres) open(t *testing.T, name string) *dbtest.DB {
	t.Helper()
	conns, err := db.Open(context.Background(), p.server.URL(name), db.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(conns.Close)
	return &dbtest.DB{URL: p.server.URL(name), Conns: conns, Pool: conns.Pgx()}
}

// dataDir returns the data directory of the server.
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

// kill kills all processes of PostgreSQL.
func (p *postgres) kill(t *testing.T, d *dbtest.DB) {
	t.Helper()
	var postmaster int
	query(t, d, "SELECT split_part(pg_read_file('postmaster.pid'), E'\\n', 1)::int", &postmaster)
	// A stopped postmaster starts no new processes.
	send(t, postmaster, syscall.SIGSTOP)
	for _, child := range childrenOf(t, postmaster) {
		send(t, child, syscall.SIGKILL)
	}
	send(t, postmaster, syscall.SIGKILL)
	<-p.server.Done()
	if err := p.server.Stop(); err == nil || !strings.Contains(err.Error(), "signal: killed") {
		t.Errorf("PostgreSQL was not killed: %v", err)
	}
}

// query reads one value. It retries, because the pool may still have connections that a
// crash has closed.
func query(t *testing.T, d *dbtest.DB, sql string, into any) {
	t.Helper()
	await(t, "PostgreSQL does not answer: "+sql, func() bool {
		return nil == d.Conns.Read(context.Background(), func(ctx context.Context, q db.Querier) error {
			return q.QueryRow(ctx, sql).Scan(into)
		})
	})
}

func childrenOf(t *testing.T, parent int) (children []int) {
	t.Helper()
	out, err := exec.Command("ps", "-A", "-o", "pid=,ppid=").Output()
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(out)) {
		fields := strings.Fields(line)
		if len(fields) != 2 || fields[1] != strconv.Itoa(parent) {
			continue
		}
		child, err := strconv.Atoi(fields[0])
		if err != nil {
			t.Fatal(err)
		}
		children = append(children, child)
	}
	return children
}
