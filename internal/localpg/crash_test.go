package localpg_test

import (
	"context"
	"errors"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

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
	if err == nil || !strings.Contains(err.Error(), "exited unexpectedly") || !strings.Contains(err.Error(), "immediate shutdown request") {
		t.Errorf("Stop: %v", err)
	}
}

// PostgreSQL refuses to start while a child of the crashed server is still running.
func TestStartWaitsForTheChildrenOfACrash(t *testing.T) {
	t.Parallel()
	dir := serverDir(t)
	s := start(t, dir)
	exec1(t, s.URL("postgres"), "CREATE TABLE kept AS SELECT 'a word' AS word")
	child := backend(t, s)
	signal(t, child, syscall.SIGSTOP)
	signal(t, postmaster(t, dir), syscall.SIGKILL)
	<-s.Done()
	if err := s.Stop(); err == nil || !strings.Contains(err.Error(), "signal: killed") {
		t.Errorf("Stop: %v", err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	if _, err := localpg.Start(ctx, cheapOptions(dir)); !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "earlier PostgreSQL") {
		t.Errorf("Start while a child of the crashed server is running: %v", err)
	}
	signal(t, child, syscall.SIGCONT)
	if got := query1(t, start(t, dir).URL("postgres"), "SELECT word FROM kept"); got != "a word" {
		t.Errorf("found %q", got)
	}
}

// backend opens a connection and returns the id of the process that serves it.
func backend(t *testing.T, s *localpg.Server) int {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), s.URL("postgres"))
	if err != nil {
		t.Fatal(err)
	}
	pid := int(conn.PgConn().PID())
	t.Cleanup(func() {
		if err := syscall.Kill(pid, syscall.SIGCONT); err != nil && !errors.Is(err, syscall.ESRCH) {
			t.Errorf("continue process %d: %v", pid, err)
		}
		_ = conn.Close(t.Context()) // the server has closed it
	})
	return pid
}

func TestServerEndsWhenItsOwnerIsKilled(t *testing.T) {
	t.Parallel()
	if runtime.GOOS != "linux" {
		return // on other systems, the next Start ends the server
	}
	dir := serverDir(t)
	o := startOwner(t, dir)
	o.url(t)
	pid := postmaster(t, dir)
	o.kill()
	until(t, "the server exits", func() bool { return hasEnded(t, pid) })
}

func TestStartEndsTheServerOfAKilledOwner(t *testing.T) {
	t.Parallel()
	dir := serverDir(t)
	o := startOwner(t, dir)
	exec1(t, o.url(t), "CREATE TABLE kept AS SELECT 'a word' AS word")
	pid := postmaster(t, dir)
	signal(t, pid, syscall.SIGSTOP) // a stopped server survives its owner
	o.kill()
	signal(t, pid, syscall.SIGCONT)
	s := start(t, dir)
	if got := query1(t, s.URL("postgres"), "SELECT word FROM kept"); got != "a word" {
		t.Errorf("found %q", got)
	}
	if !hasEnded(t, pid) {
		t.Errorf("the server of the killed owner, process %d, is still running", pid)
	}
}

func TestOwnerKilledDuringInitdb(t *testing.T) {
	t.Parallel()
	dir := openDir(t)
	o := startOwner(t, dir)
	staging := filepath.Join(dir, "cluster.new")
	until(t, "initdb has begun", func() bool { return len(names(t, filepath.Join(staging, "data/base"))) > 0 })
	o.kill()
	if len(names(t, staging)) != 1 {
		t.Fatal("initdb was not interrupted: nothing was tested")
	}
	query1(t, start(t, dir).URL("postgres"), "SELECT ''")
	if left := names(t, staging); left != nil {
		t.Errorf("left %v", left)
	}
}

// After a reboot, the process id in postmaster.pid may belong to another program.
func TestProcessWithAReusedIDIsNotKilled(t *testing.T) {
	t.Parallel()
	if runtime.GOOS != "linux" {
		return // on other systems, PostgreSQL refuses to start
	}
	dir := serverDir(t)
	stranger := exec.Command("sleep", "600")
	if err := stranger.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = stranger.Process.Kill()
		_ = stranger.Wait() // its error reports the kill
	})
	data := filepath.Join(dir, "cluster/data")
	overwrite(t, filepath.Join(data, "postmaster.pid"), strconv.Itoa(stranger.Process.Pid)+"\n"+data+"\n1\n5432\n\n127.0.0.1\n0 0\nready\n")
	start(t, dir)
	if hasEnded(t, stranger.Process.Pid) {
		t.Error("the other program was killed")
	}
}
