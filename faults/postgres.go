package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"

	"orgd/internal/localpg"
	"orgd/internal/standby"
)

// settings are the settings of a PostgreSQL that must not lose data.
var settings = map[string]string{
	"fsync": "on", "full_page_writes": "on", "synchronous_commit": "on",
	"shared_buffers": "32MB", "max_connections": "40", "max_wal_size": "128MB",
}

// postgres is a PostgreSQL server that faults act on.
type postgres struct {
	dir    string // the directory that localpg uses
	server *localpg.Server
	data   string // its data directory
	port   int
}

// startPostgres starts the cluster in dir, or creates one there.
func startPostgres(ctx context.Context, dir string) (*postgres, error) {
	p := &postgres{dir: dir}
	if err := p.start(ctx); err != nil {
		return nil, err
	}
	err := p.query(ctx, "postgres", "SHOW data_directory", &p.data)
	return p, err
}

func (p *postgres) start(ctx context.Context) (err error) {
	port := p.port
	if p.server, err = localpg.Start(ctx, localpg.Options{Dir: p.dir, Settings: settings, Download: os.Stderr}); err != nil {
		return err
	}
	u, err := url.Parse(p.url("postgres"))
	if err != nil {
		return err
	}
	if p.port, err = strconv.Atoi(u.Port()); err == nil && port != 0 && p.port != port {
		err = fmt.Errorf("another program took PostgreSQL's port %d while PostgreSQL was down", port)
	}
	return err
}

// addr returns the address of the server.
func (p *postgres) addr() string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(p.port)) }

// url returns the URL of a database for the superuser.
func (p *postgres) url(database string) string { return p.server.URL(database) }

// copyTo copies the stopped cluster to dir, for another server.
func (p *postgres) copyTo(ctx context.Context, dir string) error {
	return run(ctx, "cp", "-a", filepath.Dir(p.data), filepath.Join(dir, "cluster"))
}

// newDir creates a directory for a server in parent, with a port below the ephemeral
// range: an outgoing connection could take an ephemeral port while the server is down.
func newDir(parent string) (string, error) {
	dir, err := os.MkdirTemp(parent, "server-")
	if err != nil {
		return "", err
	}
	// PostgreSQL may run as another user, which must be able to traverse the directory.
	if err := os.Chmod(dir, 0o711); err != nil {
		return "", err
	}
	port, err := freePort()
	if err != nil {
		return "", err
	}
	return dir, os.WriteFile(filepath.Join(dir, "port"), []byte(strconv.Itoa(port)), 0o600)
}

func freePort() (int, error) {
	var last error
	for range 100 {
		port := 20000 + rand.IntN(10000)
		ln, err := net.Listen("tcp", fmt.Sprint("127.0.0.1:", port))
		if err == nil {
			return port, ln.Close()
		}
		last = err
	}
	return 0, last
}

// standby starts a second server that replicates from the first one.
func (p *postgres) standby(ctx context.Context, parent string) (*postgres, error) {
	dir, err := newDir(parent)
	if err != nil {
		return nil, err
	}
	if err := standby.Make(ctx, p.url("postgres"), dir); err != nil {
		return nil, err
	}
	return startPostgres(ctx, dir)
}

// processes returns the postmaster and its children.
func (p *postgres) processes() (pids []int, err error) {
	text, err := os.ReadFile(filepath.Join(p.data, "postmaster.pid"))
	if err != nil {
		return nil, err
	}
	line, _, _ := strings.Cut(string(text), "\n")
	postmaster, err := strconv.Atoi(line)
	if err != nil {
		return nil, err
	}
	out, err := exec.Command("ps", "-A", "-o", "pid=,ppid=").Output()
	if err != nil {
		return nil, err
	}
	pids = []int{postmaster}
	for line := range strings.Lines(string(out)) {
		var child, parent int
		if _, err := fmt.Sscan(line, &child, &parent); err != nil {
			return nil, err
		}
		if parent == postmaster {
			pids = append(pids, child)
		}
	}
	return pids, nil
}

// signal sends a signal to the postmaster, and then to its children.
func (p *postgres) signal(signal syscall.Signal) error {
	pids, err := p.processes()
	if err != nil {
		return err
	}
	for _, pid := range pids {
		if err := syscall.Kill(pid, signal); err != nil && !errors.Is(err, syscall.ESRCH) {
			return err
		}
	}
	return nil
}

// pause stops all processes. The second signal stops children that the postmaster started
// in between.
func (p *postgres) pause() error {
	return errors.Join(p.signal(syscall.SIGSTOP), p.signal(syscall.SIGSTOP))
}

func (p *postgres) resume() error { return p.signal(syscall.SIGCONT) }

// kill kills all processes.
func (p *postgres) kill() error {
	if err := errors.Join(p.pause(), p.signal(syscall.SIGKILL)); err != nil {
		return err
	}
	<-p.server.Done()
	return p.ended("signal: killed")
}

// ended cleans up after a server that exited by itself. It fails if the server's error
// does not contain how.
func (p *postgres) ended(how string) error {
	switch err := p.server.Stop(); {
	case err == nil:
		return errors.New("PostgreSQL did not exit by itself")
	case !strings.Contains(err.Error(), how):
		return fmt.Errorf("PostgreSQL exited for another reason: %w", err)
	}
	return nil
}

func (p *postgres) stop() error { return p.server.Stop() }

func (p *postgres) connect(ctx context.Context, database string) (*pgx.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	return pgx.Connect(ctx, p.url(database))
}

// exec runs statements as the superuser.
func (p *postgres) exec(ctx context.Context, database string, statements ...string) error {
	conn, err := p.connect(ctx, database)
	if err != nil {
		return err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	for _, sql := range statements {
		if _, err := conn.Exec(ctx, sql, pgx.QueryExecModeSimpleProtocol); err != nil {
			return fmt.Errorf("%s: %w", sql, err)
		}
	}
	return nil
}

// query reads one row as the superuser.
func (p *postgres) query(ctx context.Context, database, sql string, into ...any) error {
	conn, err := p.connect(ctx, database)
	if err != nil {
		return err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	return conn.QueryRow(ctx, sql, pgx.QueryExecModeSimpleProtocol).Scan(into...)
}

// awaitTrue waits until a query of one boolean returns true.
func (p *postgres) awaitTrue(ctx context.Context, what, sql string) error {
	return await(ctx, what, 20*time.Second, func() (bool, error) {
		var yes bool
		err := p.query(ctx, database, sql, &yes)
		return yes, err
	})
}

// await calls done until it returns true, fails, or the limit expires.
func await(ctx context.Context, what string, limit time.Duration, done func() (bool, error)) error {
	for deadline := time.Now().Add(limit); ; {
		yes, err := done()
		if yes || err != nil {
			return err
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("timed out after %v, waiting until %s", limit, what)
		}
		if !sleep(ctx, 20*time.Millisecond) {
			return context.Cause(ctx)
		}
	}
}
