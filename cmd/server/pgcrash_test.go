package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"orgd/internal/db"
	"orgd/internal/db/dbtest"
	"orgd/internal/localpg"
	"orgd/migrations"
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

// database makes a migrated database on it.
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

// open returns a database that is there already.
func (p *postgres) open(t *testing.T, name string) *dbtest.DB {
	t.Helper()
	conns, err := db.Open(context.Background(), p.server.URL(name), db.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(conns.Close)
	return &dbtest.DB{URL: p.server.URL(name), Conns: conns, Pool: conns.Pgx()}
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

// crash kills all processes of PostgreSQL, and starts it again on what they left.
func (p *postgres) crash(t *testing.T, d *dbtest.DB) {
	t.Helper()
	p.kill(t, d)
	address := p.server.URL("postgres")
	p.start(t)
	if p.server.URL("postgres") != address {
		t.Fatal("another program took the port of PostgreSQL meanwhile")
	}
}

func (p *postgres) kill(t *testing.T, d *dbtest.DB) {
	t.Helper()
	var postmaster int
	query(t, d, "SELECT split_part(pg_read_file('postmaster.pid'), E'\\n', 1)::int", &postmaster)
	// Stopped, it makes no child that would be overlooked.
	send(t, postmaster, syscall.SIGSTOP)
	for _, child := range childrenOf(t, postmaster) {
		send(t, child, syscall.SIGKILL)
	}
	send(t, postmaster, syscall.SIGKILL)
	<-p.server.Done()
	if err := p.server.Stop(); err == nil || !strings.Contains(err.Error(), "signal: killed") {
		t.Errorf("PostgreSQL ended otherwise: %v", err)
	}
}

// crashOne kills one process, upon which PostgreSQL ends all that serve a client,
// and recovers by itself.
func (p *postgres) crashOne(t *testing.T, d *dbtest.DB) {
	t.Helper()
	var backend int
	query(t, d, `SELECT pid FROM pg_stat_activity
		WHERE datname = current_database() AND backend_type = 'client backend' AND pid <> pg_backend_pid()
		ORDER BY state = 'active' DESC LIMIT 1`, &backend)
	send(t, backend, syscall.SIGKILL)
}

// query reads one value; a connection that died in a crash is no hindrance.
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

func send(t *testing.T, pid int, signal syscall.Signal) {
	t.Helper()
	if err := syscall.Kill(pid, signal); err != nil && !errors.Is(err, syscall.ESRCH) {
		t.Fatal(err)
	}
}

func TestPostgresKilled(t *testing.T) {
	t.Parallel()
	p := startPostgres(t)
	if p == nil {
		return
	}
	// One after another: each kills it for all.
	t.Run("after the commit, key", func(t *testing.T) { p.testAfterTheCommit(t, "after_key", true) })
	t.Run("after the commit, bare retry", func(t *testing.T) { p.testAfterTheCommit(t, "after_bare", false) })
	t.Run("at any moment", p.testAtAnyMoment)
}

// The same server goes on with what PostgreSQL had committed.
func (p *postgres) testAfterTheCommit(t *testing.T, name string, keyed bool) {
	d := p.database(t, name)
	between := newProxy(t, d.URL)
	r := start(t, func(c *serveConfig) { c.databaseURL = between.url })
	s := scene{DB: d, proxy: between, url: r.url, apiKey: d.Key(t, d.Account(t))}
	asked := creation("Acme", keyed)
	replied := afterTheCommit(t, s, asked)
	p.crash(t, d)
	s.proxy.cut()
	if r := <-replied; r.err != nil || !r.mayBeRepeated() {
		t.Errorf("the server answered %+v, %v", r.answer, r.err)
	}
	s.proxy.answers.release()
	s.proxy.restore(t)
	j := newJournal(s.apiKey)
	j.insist(t, r.url, asked, 1)
	d.Pool.Reset()
	j.check(t, d)
	if again := j.answers[asked]; !again.replayed {
		t.Errorf("the repeat was answered %+v", again)
	}
}

// Whenever PostgreSQL is killed, the server refuses what it cannot do as long as
// that lasts, and goes on by itself; every call that is repeated until it is done
// is done once, and nothing that was acknowledged is lost.
func (p *postgres) testAtAnyMoment(t *testing.T) {
	d := p.database(t, "any_moment")
	j := newJournal(d.Key(t, d.Account(t)))
	r := start(t, func(c *serveConfig) { c.databaseURL, c.maxConns = d.URL, 8 })
	hot := creation("Hot", true)
	j.insist(t, r.url, hot, 0)
	members := "/v1/orgs/" + j.answers[hot].OrgID + "/users"

	var stopped atomic.Bool
	calls := clients(t, func(client, n int) call {
		if client%2 == 0 {
			return call{path: members, field: "userId", value: fmt.Sprintf("usr_%016x%016x", client, n), keyed: true}
		}
		return creation(fmt.Sprint("client ", client, " call ", n), n%2 == 0)
	}, func(c call) bool {
		j.insist(t, r.url, c, 0)
		return !stopped.Load()
	})
	for _, crash := range []func(*testing.T, *dbtest.DB){p.crash, p.crashOne, p.crash} {
		j.awaitMore(t, 50+rand.IntN(100))
		time.Sleep(rand.N(5 * time.Millisecond)) // or it would always be after an answer
		crash(t, d)
	}
	j.awaitMore(t, 100)
	stopped.Store(true)
	asked := calls()

	j.repeat(t, r.url, asked)
	if j.done() != len(asked)+1 {
		t.Errorf("%d calls, %d done", len(asked)+1, j.done())
	}
	d.Pool.Reset()
	j.check(t, d)
	checkMembers(t, d, asked)
}

func checkMembers(t *testing.T, d *dbtest.DB, asked []call) {
	t.Helper()
	added := 0
	for _, c := range asked {
		if c.field == "userId" {
			added++
		}
	}
	for what, sql := range map[string]string{
		"userCount": "SELECT user_count FROM orgs WHERE org_name = 'Hot'",
		"members":   "SELECT count(*) FROM org_members",
		"events":    "SELECT count(*) FROM org_events WHERE type = 'org.member_added'",
	} {
		if n := count(t, d, sql); n != added {
			t.Errorf("%s: %d, and %d were added", what, n, added)
		}
	}
}
