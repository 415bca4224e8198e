package localpg_test

import (
	"errors"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/jackc/pgx/v5"

	"orgd/internal/localpg"
)

func TestCrashIsReported(t *testing.T) {
	t.Parallel()
	dir := serverDir(t)
	s := start(t, dir)
	select {
	case <-s.Done():
		t.Fatal("Done is closed while the server runs")
	default:
	}
	signal(t, postmaster(t, dir), syscall.SIGQUIT)
	<-s.Done()
	err := s.Stop()
	if err == nil || !strings.Contains(err.Error(), "ended by itself") || !strings.Contains(err.Error(), "immediate shutdown request") {
		t.Errorf("Stop: %v", err)
	}
}

// PostgreSQL refuses to start while a child of the one that crashed lives.
func TestStartWaitsForTheChildrenOfACrash(t *testing.T) {
	t.Parallel()
	dir := serverDir(t)
	s, err := localpg.Start(t.Context(), localpg.CheapOptions(dir))
	if err != nil {
		t.Fatal(err)
	}
	exec1(t, s.URL("postgres"), "CREATE TABLE kept AS SELECT 'a word' AS word")
	child := backend(t, s)
	signal(t, child, syscall.SIGSTOP)
	signal(t, postmaster(t, dir), syscall.SIGKILL)
	<-s.Done()
	if err := s.Stop(); err == nil || !strings.Contains(err.Error(), "signal: killed") {
		t.Errorf("Stop: %v", err)
	}

	var again *localpg.Server
	started := make(chan error, 1)
	go func() {
		var err error
		again, err = localpg.Start(t.Context(), localpg.CheapOptions(dir))
		started <- err
	}()
	until(t, "the refusal", func() bool {
		return strings.Contains(read(t, filepath.Join(dir, "postgres.log")), "pre-existing shared memory block")
	})
	signal(t, child, syscall.SIGCONT)
	if err := <-started; err != nil {
		t.Fatal(err)
	}
	if got := query1(t, again.URL("postgres"), "SELECT word FROM kept"); got != "a word" {
		t.Errorf("found %q", got)
	}
	if err := again.Remove(); err != nil {
		t.Error(err)
	}
}

// backend returns the process that serves a connection, which stays open.
func backend(t *testing.T, s *localpg.Server) int {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), s.URL("postgres"))
	if err != nil {
		t.Fatal(err)
	}
	pid := int(conn.PgConn().PID())
	t.Cleanup(func() {
		if err := syscall.Kill(pid, syscall.SIGCONT); err != nil && !errors.Is(err, syscall.ESRCH) {
			t.Errorf("wake process %d: %v", pid, err)
		}
		_ = conn.Close(t.Context()) // the server has hung up long ago
	})
	return pid
}
