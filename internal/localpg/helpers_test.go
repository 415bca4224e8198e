package localpg_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"orgd/internal/localpg"
)

// ownerVariable is an environment variable. If it names a directory, the test binary
// starts a server there and keeps it running until the binary is killed.
const ownerVariable = "LOCALPG_TEST_OWN"

func TestMain(m *testing.M) {
	if dir := os.Getenv(ownerVariable); dir != "" {
		own(dir)
	}
	makeTemplate()
	code := m.Run()
	if template.parent != "" {
		if err := os.RemoveAll(template.parent); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
	}
	os.Exit(code)
}

// own starts a server in dir and prints its URL, or the error. It does not return.
func own(dir string) {
	s, err := localpg.Start(context.Background(), cheapOptions(dir))
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	fmt.Println(s.URL("postgres"))
	select {} // until killed
}

func cheapOptions(dir string) localpg.Options {
	return localpg.Options{Dir: dir, Download: os.Stderr, Settings: map[string]string{"fsync": "off", "shared_buffers": "16MB"}}
}

// template is the directory of a stopped server. A copy takes less time than initdb.
var template struct {
	parent string
	err    error
}

func makeTemplate() {
	if template.parent, template.err = os.MkdirTemp("", "localpg-template-"); template.err != nil {
		return
	}
	if template.err = os.Chmod(template.parent, 0o711); template.err != nil {
		return
	}
	dir := filepath.Join(template.parent, "pg")
	s, err := localpg.Start(context.Background(), cheapOptions(dir))
	if err != nil {
		template.err = err
		return
	}
	template.err = errors.Join(s.Stop(), os.Remove(filepath.Join(dir, "port")))
}

// serverDir returns a directory that contains a stopped server.
func serverDir(t *testing.T) string {
	t.Helper()
	if template.err != nil {
		t.Fatal(template.err)
	}
	dir := openDir(t)
	cp := exec.Command("cp", "-a", filepath.Join(template.parent, "pg"), dir)
	if out, err := cp.CombinedOutput(); err != nil {
		t.Fatalf("%v: %v: %s", cp, err, out)
	}
	return dir
}

// openDir returns a path in a temporary directory that every user may enter. Only the owner
// may enter the directory that t.TempDir returns.
func openDir(t *testing.T) string {
	t.Helper()
	dir := realTempDir(t)
	if err := errors.Join(os.Chmod(filepath.Dir(dir), 0o711), os.Chmod(dir, 0o711)); err != nil {
		t.Fatal(err)
	}
	return filepath.Join(dir, "pg")
}

// realTempDir is t.TempDir with symbolic links resolved: on macOS, its path contains one.
func realTempDir(t *testing.T) string {
	t.Helper()
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

// start starts a server that is removed at the end of the test.
func start(t *testing.T, dir string) *localpg.Server {
	t.Helper()
	s, err := localpg.Start(t.Context(), cheapOptions(dir))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Remove(); err != nil {
			t.Errorf("Remove: %v", err)
		}
	})
	return s
}

func stop(t *testing.T, s *localpg.Server) {
	t.Helper()
	if err := s.Stop(); err != nil {
		t.Fatalf("Stop: %v", err)
	}
}

func exec1(t *testing.T, url, sql string) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())
	if _, err := conn.Exec(t.Context(), sql); err != nil {
		t.Fatal(err)
	}
}

func query1(t *testing.T, url, sql string) string {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())
	var text string
	if err := conn.QueryRow(t.Context(), sql).Scan(&text); err != nil {
		t.Fatal(err)
	}
	return text
}

// owner is another process that runs a server.
type owner struct {
	cmd *exec.Cmd
	out *bufio.Reader
}

// startOwner starts a process that starts a server in dir. The process is killed at
// the end of the test.
func startOwner(t *testing.T, dir string) *owner {
	t.Helper()
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(program)
	cmd.Env = append(os.Environ(), ownerVariable+"="+dir)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	o := &owner{cmd: cmd, out: bufio.NewReader(out)}
	t.Cleanup(o.kill)
	return o
}

func (o *owner) kill() {
	if o.cmd.ProcessState == nil {
		_ = o.cmd.Process.Kill()
		_ = o.cmd.Wait() // its error reports the kill
	}
}

// url waits until the owner's server accepts connections.
func (o *owner) url(t *testing.T) string {
	t.Helper()
	line, err := o.out.ReadString('\n')
	if err != nil || !strings.HasPrefix(line, "postgres://") {
		t.Fatalf("the owner printed %q, %v", line, err)
	}
	return strings.TrimSpace(line)
}

// postmaster returns the process id of the server in dir.
func postmaster(t *testing.T, dir string) int {
	t.Helper()
	line, _, _ := strings.Cut(read(t, filepath.Join(dir, "cluster/data/postmaster.pid")), "\n")
	pid, err := strconv.Atoi(line)
	if err != nil {
		t.Fatal(err)
	}
	return pid
}

func signal(t *testing.T, pid int, s syscall.Signal) {
	t.Helper()
	if err := syscall.Kill(pid, s); err != nil {
		t.Fatal(err)
	}
}

// stateOf returns the state that ps shows for a process. It is empty if there is no such
// process, and Z if the process has ended but its parent has not reaped it yet.
func stateOf(t *testing.T, pid int) string {
	t.Helper()
	out, err := exec.Command("ps", "-o", "stat=", "-p", strconv.Itoa(pid)).Output()
	if exit := (*exec.ExitError)(nil); err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(out))
}

func hasEnded(t *testing.T, pid int) bool {
	t.Helper()
	state := stateOf(t, pid)
	return state == "" || state[0] == 'Z'
}

func read(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// overwrite replaces the contents of a file and keeps its owner.
func overwrite(t *testing.T, name, text string) {
	t.Helper()
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func names(t *testing.T, pattern string) []string {
	t.Helper()
	found, err := filepath.Glob(pattern)
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// until waits until done returns true.
func until(t *testing.T, what string, done func() bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); !done(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("timed out waiting until %s", what)
		}
	}
}
