package localpg_test

import (
	"context"
	"errors"
	"io/fs"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"orgd/internal/localpg"
)

func TestDataAndAddressSurviveAStop(t *testing.T) {
	t.Parallel()
	dir := serverDir(t)
	s := start(t, dir)
	exec1(t, s.URL("postgres"), "CREATE DATABASE shop")
	exec1(t, s.URL("shop"), "CREATE TABLE kept AS SELECT 'a word' AS word")
	stop(t, s)
	stop(t, s) // a second call does nothing
	select {
	case <-s.Done():
	default:
		t.Error("Done is not closed after Stop")
	}
	again := start(t, dir)
	if got := query1(t, again.URL("shop"), "SELECT word FROM kept"); got != "a word" {
		t.Errorf("found %q", got)
	}
	if s.URL("shop") != again.URL("shop") {
		t.Errorf("the address changed from %s to %s", s.URL("shop"), again.URL("shop"))
	}
}

func TestStartAvoidsAUsedPort(t *testing.T) {
	t.Parallel()
	dir := serverDir(t)
	s := start(t, dir)
	stop(t, s)
	u, err := url.Parse(s.URL("postgres"))
	if err != nil {
		t.Fatal(err)
	}
	ln, err := net.Listen("tcp", u.Host)
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	again := start(t, dir)
	if again.URL("postgres") == s.URL("postgres") {
		t.Error("the address is the same, though another program listens there")
	}
	query1(t, again.URL("postgres"), "SELECT ''")
}

func TestOtherUsersHaveNoAccess(t *testing.T) {
	t.Parallel()
	dir := openDir(t)
	s := start(t, dir)
	u, err := url.Parse(s.URL("postgres"))
	if err != nil {
		t.Fatal(err)
	}
	password, _ := u.User.Password()
	u.User = url.UserPassword("orgd", "guessed")
	_, err = pgx.Connect(t.Context(), u.String())
	if pgErr := (*pgconn.PgError)(nil); !errors.As(err, &pgErr) || pgErr.Code != "28P01" {
		t.Errorf("connect with a wrong password: %v", err)
	}
	if got := query1(t, s.URL("postgres"), "SELECT string_agg(DISTINCT auth_method, ' ') FROM pg_hba_file_rules"); got != "scram-sha-256" {
		t.Errorf("auth methods: %s", got)
	}
	if got := query1(t, s.URL("postgres"), "SELECT current_setting('listen_addresses') || current_setting('unix_socket_directories')"); got != "127.0.0.1" {
		t.Errorf("listens on %s", got)
	}
	args, err := exec.Command("ps", "-ww", "-A", "-o", "args=").Output()
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(args), dir) {
		t.Error("ps does not show the server: nothing was tested")
	}
	if strings.Contains(string(args)+read(t, filepath.Join(dir, "postgres.log")), password) {
		t.Error("the password can be seen in ps or in the log")
	}
	for name, want := range map[string]fs.FileMode{
		"": 0o711, "cluster": 0o700, "cluster/password": 0o600, "cluster/data": 0o700, "postgres.log": 0o600,
	} {
		info, err := os.Stat(filepath.Join(dir, name))
		if err != nil || info.Mode().Perm() != want {
			t.Errorf("%q: %v, %v; want mode %v", name, info.Mode(), err, want)
		}
	}
}

func TestControlCReachesOnlyTheOwner(t *testing.T) {
	t.Parallel()
	dir := serverDir(t)
	start(t, dir)
	pid := postmaster(t, dir)
	group, err := syscall.Getpgid(pid)
	if err != nil || group != pid {
		t.Errorf("postgres %d is in process group %d, %v", pid, group, err)
	}
}

func TestSecondStartIsRefused(t *testing.T) {
	t.Parallel()
	dir := serverDir(t)
	refused := func() {
		t.Helper()
		_, err := localpg.Start(t.Context(), cheapOptions(dir))
		if !errors.Is(err, localpg.ErrInUse) || !strings.Contains(err.Error(), dir) {
			t.Fatalf("Start: %v; want %s in use", err, dir)
		}
	}
	s := start(t, dir)
	refused() // in the same process
	stop(t, s)
	o := startOwner(t, dir)
	o.url(t)
	refused() // in another
	if err := s.Remove(); !errors.Is(err, localpg.ErrInUse) {
		t.Fatalf("Remove of a directory that another process uses: %v", err)
	}
	o.kill()
}

func TestRemoveLeavesOnlyTheLock(t *testing.T) {
	t.Parallel()
	for name, before := range map[string]func(*testing.T, *localpg.Server){
		"running": func(*testing.T, *localpg.Server) {},
		"stopped": stop,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := serverDir(t)
			s := start(t, dir)
			before(t, s)
			if err := s.Remove(); err != nil {
				t.Fatal(err)
			}
			if left := names(t, filepath.Join(dir, "*")); len(left) != 1 || filepath.Base(left[0]) != "lock" {
				t.Errorf("left %v", left)
			}
		})
	}
}

func TestFailedStartShowsTheLog(t *testing.T) {
	t.Parallel()
	o := cheapOptions(serverDir(t))
	o.Settings["shared_buffers"] = "plenty"
	_, err := localpg.Start(t.Context(), o)
	if err == nil || !strings.Contains(err.Error(), `invalid value for parameter "shared_buffers": "plenty"`) {
		t.Fatalf("Start: %v", err)
	}
}

func TestClusterOfAnotherMajorVersionIsRefused(t *testing.T) {
	t.Parallel()
	dir := serverDir(t)
	version := filepath.Join(dir, "cluster/data/PG_VERSION")
	overwrite(t, version, "12\n")
	_, err := localpg.Start(t.Context(), cheapOptions(dir))
	if err == nil || errors.Is(err, localpg.ErrNotInstalled) || !strings.Contains(err.Error(), "created by PostgreSQL 12") {
		t.Fatalf("Start: %v", err)
	}
}

func TestCanceledStart(t *testing.T) {
	t.Parallel()
	dir := openDir(t)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	failed := make(chan error)
	go func() {
		_, err := localpg.Start(ctx, cheapOptions(dir))
		failed <- err
	}()
	until(t, "initdb has begun", func() bool { return len(names(t, filepath.Join(dir, "cluster.new/data/base"))) > 0 })
	cancel()
	if err := <-failed; !errors.Is(err, context.Canceled) {
		t.Fatalf("Start: %v", err)
	}
	start(t, dir)
	if left := names(t, filepath.Join(dir, "cluster.*")); left != nil {
		t.Errorf("left %v", left)
	}
}

// If root starts PostgreSQL, it runs as another user. If that user cannot enter the
// directory, the error contains a command that fixes this.
func TestDirThatPostgresCannotEnter(t *testing.T) {
	t.Parallel()
	parent := filepath.Join(filepath.Dir(openDir(t)), "it's closed")
	if err := os.Mkdir(parent, 0o700); err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(parent, "pg")
	if os.Geteuid() == 0 {
		_, err := localpg.Start(t.Context(), cheapOptions(dir))
		if err == nil {
			t.Fatal("PostgreSQL could enter the directory")
		}
		_, command, ok := strings.Cut(err.Error(), "or run: ")
		if !ok || !strings.HasPrefix(command, "chmod o+x '") {
			t.Fatalf("Start: %v", err)
		}
		if out, err := exec.Command("/bin/sh", "-c", command).CombinedOutput(); err != nil {
			t.Fatalf("%s: %v: %s", command, err, out)
		}
	}
	start(t, dir)
}
