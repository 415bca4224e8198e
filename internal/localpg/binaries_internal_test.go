package localpg

import (
	"errors"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// install makes initdb and postgres, of that version, in a directory under root.
func install(t *testing.T, root, dir, version string) string {
	t.Helper()
	dir = filepath.Join(root, dir)
	program(t, dir, "initdb", "")
	program(t, dir, "postgres", "postgres (PostgreSQL) "+version)
	return dir
}

// program makes a script that prints text. Another process writes it: a child that
// a parallel test forks just then would inherit our open file, and a file that is
// open for writing cannot be executed.
func program(t *testing.T, dir, name, text string) {
	t.Helper()
	cmd := exec.Command("/bin/sh", "-c", `mkdir -p "$1" && cat > "$1/$2" && chmod 755 "$1/$2"`, "sh", dir, name)
	cmd.Stdin = strings.NewReader("#!/bin/sh\necho '" + text + "'\n")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
}

func TestFindPrefersPathThenConfigThenTheNewest(t *testing.T) {
	t.Parallel()
	root, s := emptySearch(t)
	expect := func(major int, want string) {
		t.Helper()
		if got, err := s.find(major); got != want || err != nil {
			t.Fatalf("find(%d) = %s, %v; want %s", major, got, err, want)
		}
	}
	// From the last choice to the first.
	redHat := install(t, root, "usr/pgsql-20/bin", "20.1")
	expect(anyMajor, redHat)
	homebrew := install(t, root, "opt/homebrew/opt/postgresql@18/bin", "18.0 (Homebrew)")
	expect(anyMajor, homebrew)
	install(t, root, "usr/lib/postgresql/9.6/bin", "9.6.24")
	expect(anyMajor, homebrew)
	fifteen := install(t, root, "usr/lib/postgresql/15/bin", "15.12 (Debian 15.12-0+deb12u2)")
	expect(anyMajor, fifteen)
	seventeen := install(t, root, "usr/lib/postgresql/17/bin", "17beta1")
	expect(anyMajor, seventeen)
	program(t, filepath.Join(root, "usr/lib/postgresql/18/bin"), "postgres", "postgres (PostgreSQL) 18.0") // no initdb
	expect(anyMajor, seventeen)
	configured := install(t, root, "odd/place", "16.2")
	pathDir := filepath.Join(root, "bin")
	program(t, pathDir, "pg_config", configured)
	s.path = "relative" + string(filepath.ListSeparator) + pathDir
	expect(anyMajor, configured)
	install(t, root, "bin", "14.11") // too old
	expect(anyMajor, configured)
	install(t, root, "bin", "16.9")
	expect(anyMajor, pathDir)
	program(t, pathDir, "pg_config", "what?")
	install(t, root, "bin", "14.11")
	expect(anyMajor, seventeen)

	expect(15, fifteen)
	expect(18, homebrew)
	if _, err := s.find(19); !errors.Is(err, ErrNotInstalled) {
		t.Fatalf("find(19): %v", err)
	}
}

func TestFindSaysWhatItPassedOver(t *testing.T) {
	t.Parallel()
	root, s := emptySearch(t)
	_, err := s.find(anyMajor)
	if want := "no PostgreSQL server is installed (programs initdb and postgres): version 15 or newer is needed"; !errors.Is(err, ErrNotInstalled) || err.Error() != want {
		t.Errorf("find: %v; want %s", err, want)
	}
	old := install(t, root, "usr/lib/postgresql/13/bin", "13.4")
	broken := install(t, root, "usr/lib/postgresql/16/bin", "devel")
	_, err = s.find(anyMajor)
	if !errors.Is(err, ErrNotInstalled) || !strings.Contains(err.Error(), old+" (version 13)") || !strings.Contains(err.Error(), broken+` (unknown version "devel")`) {
		t.Errorf("find: %v", err)
	}
}

// Root may find programs in its home, which the server's user cannot enter.
func TestFindTriesAsTheServersUser(t *testing.T) {
	t.Parallel()
	root, s := emptySearch(t)
	dir := install(t, root, "usr/lib/postgresql/16/bin", "16.1")
	owner, err := serviceAccount()
	if err != nil {
		t.Fatal(err)
	}
	s.user = owner
	got, err := s.find(anyMajor)
	if owner == nil {
		if got != dir || err != nil {
			t.Errorf("find = %s, %v", got, err)
		}
	} else if !errors.Is(err, ErrNotInstalled) || !strings.Contains(err.Error(), "cannot run it") {
		t.Errorf("find = %s, %v", got, err)
	}
}

func TestFoundBinariesAreTheInstalledOnes(t *testing.T) {
	t.Parallel()
	dir, err := FindBinaries()
	if err != nil {
		t.Fatal(err)
	}
	major, err := search{}.major(dir)
	if err != nil || major < oldestMajor || !isProgram(filepath.Join(dir, "initdb")) {
		t.Errorf("%s has version %d, %v", dir, major, err)
	}
}

func emptySearch(t *testing.T) (string, search) {
	t.Helper()
	root, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return root, search{root: root}
}
