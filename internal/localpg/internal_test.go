package localpg

import (
	"errors"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// startStopped returns a server that has just been stopped, and is removed at the
// end of the test.
func startStopped(t *testing.T) *Server {
	t.Helper()
	parent := t.TempDir()
	if err := os.Chmod(filepath.Dir(parent), 0o711); err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(parent, "pg")
	CopyTemplate(t, dir)
	s := restart(t, dir)
	if err := s.Stop(); err != nil {
		t.Fatal(err)
	}
	return s
}

func restart(t *testing.T, dir string) *Server {
	t.Helper()
	s, err := Start(t.Context(), CheapOptions(dir))
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

// startAs starts a program as the server's user, and ends it with the test.
func startAs(t *testing.T, owner *account, cmd *exec.Cmd) *process {
	t.Helper()
	p, err := startProcess(cmd, owner, syscall.SIGKILL)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.kill(); err != nil {
			t.Errorf("kill: %v", err)
		}
	})
	return p
}

func TestServerWithoutOwnerIsStopped(t *testing.T) {
	t.Parallel()
	s := startStopped(t)
	programs, err := FindBinaries()
	if err != nil {
		t.Fatal(err)
	}
	left := startAs(t, s.place.owner, exec.Command(filepath.Join(programs, "postgres"), s.arguments(nil, s.port)...))
	for file := (pidFile{}); !file.ready; time.Sleep(poll) {
		text, err := os.ReadFile(filepath.Join(s.place.home, pidFilePath))
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			t.Fatal(err)
		}
		file = parsePIDFile(string(text))
	}
	restart(t, s.place.dir)
	<-left.done
	if !left.state().Success() {
		t.Errorf("the server that was left over ended in disorder: %v", left.state())
	}
}

func TestStrangerWithTheNumberOfTheServerIsLeftAlone(t *testing.T) {
	t.Parallel()
	s := startStopped(t)
	// Of the same user, and in the same directory.
	cmd := exec.Command("/bin/sh", "-c", "cd "+s.place.dataDir()+" && exec sleep 600")
	stranger := startAs(t, s.place.owner, cmd)
	file := filepath.Join(s.place.dataDir(), "postmaster.pid")
	text := strconv.Itoa(stranger.pid()) + "\n" + s.place.dataDir() + "\n1\n" + strconv.Itoa(s.port) + "\n\n127.0.0.1\n0 0\nready\n"
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	restart(t, s.place.dir)
	select {
	case <-stranger.done:
		t.Fatal("the stranger was ended")
	default:
	}
}

func TestPortTakenAtTheLastMoment(t *testing.T) {
	t.Parallel()
	other, err := net.Listen("tcp4", loopback+":0")
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	s := startStopped(t)
	p, err := openPlace(t.Context(), s.place.dir)
	if err != nil {
		t.Fatal(err)
	}
	again := &Server{place: p, password: s.password}
	programs, err := p.findBinaries()
	if err != nil {
		t.Fatal(err)
	}
	if again.log, err = p.openLog(); err != nil {
		t.Fatal(err)
	}
	ports := []int{other.Addr().(*net.TCPAddr).Port, s.port}
	err = again.serve(t.Context(), programs, nil, func() (int, error) {
		next := ports[0]
		ports = ports[1:]
		return next, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if again.port != s.port {
		t.Errorf("listens on %d, want %d", again.port, s.port)
	}
	if err := again.Stop(); err != nil {
		t.Error(err)
	}
}

func TestParsePIDFile(t *testing.T) {
	t.Parallel()
	whole := "4711\n/data\n1700000000\n5432\n\n127.0.0.1\n  12345 6\nready   \n"
	for text, want := range map[string]pidFile{
		whole: {pid: 4711, ready: true},
		strings.Replace(whole, "ready   ", "starting", 1): {pid: 4711},
		strings.Replace(whole, "ready   ", "stopping", 1): {pid: 4711},
		"4711\n/data\n": {pid: 4711},
		"":              {},
		"\n":            {},
		"-1\n":          {},
		"0\n":           {},
		"1\n":           {},
	} {
		if got := parsePIDFile(text); got != want {
			t.Errorf("parsePIDFile(%q) = %v, want %v", text, got, want)
		}
	}
}

func TestLogBeginsAnewWhenBig(t *testing.T) {
	t.Parallel()
	log, err := os.Create(filepath.Join(t.TempDir(), "log"))
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	for _, c := range []struct{ before, after int64 }{{maxLogBytes, maxLogBytes}, {maxLogBytes + 1, 0}} {
		if err := log.Truncate(c.before); err != nil {
			t.Fatal(err)
		}
		if err := shorten(log); err != nil {
			t.Fatal(err)
		}
		if n, err := size(log); n != c.after || err != nil {
			t.Errorf("%d bytes became %d, %v", c.before, n, err)
		}
	}
}
