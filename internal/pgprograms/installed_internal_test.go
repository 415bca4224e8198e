package pgprograms

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// install writes scripts named initdb and postgres to dir. They report the given version.
// A shell writes them, because a file that is open for writing cannot be executed: if
// this process wrote them, a child that a parallel test forks at that moment would
// inherit the open file.
func install(t *testing.T, dir, version string) string {
	t.Helper()
	for _, name := range []string{"initdb", "postgres"} {
		cmd := exec.Command("/bin/sh", "-c", `mkdir -p "$1" && cat > "$1/$2" && chmod 755 "$1/$2"`, "sh", dir, name)
		cmd.Stdin = strings.NewReader("#!/bin/sh\necho 'postgres (PostgreSQL) " + version + "'\n")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
	}
	return dir
}

func TestFindInstalled(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	in := func(dir string) string { return filepath.Join(root, dir) }
	install(t, in("debian/9.6/bin"), "9.6.24")
	fifteen := install(t, in("debian/15/bin"), "15.12 (Debian 15.12-0+deb12u2)")
	seventeen := install(t, in("debian/17/bin"), "17beta1")
	homebrew := install(t, in("homebrew/postgresql@18/bin"), "18.0 (Homebrew)")
	inPath := install(t, in("bin"), "16.9")
	old := install(t, in("old"), "14.11")
	broken := install(t, in("broken"), "devel")
	places := []string{in("debian/*/bin"), in("homebrew/postgresql@*/bin")}
	for name, c := range map[string]struct {
		path  string
		major int
		want  string
	}{
		"the first in PATH":             {in("nothing") + ":" + inPath, AnyMajor, inPath},
		"not by a relative path":        {"bin", AnyMajor, seventeen},
		"the newest of the first place": {"", AnyMajor, seventeen},
		"not an old one":                {old, AnyMajor, seventeen},
		"not one that does not work":    {broken, AnyMajor, seventeen},
		"the version of the cluster":    {inPath, 15, fifteen},
		"from any place":                {inPath, 18, homebrew},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got, err := findInstalled(nil, c.path, places, c.major); got != c.want || err != nil {
				t.Errorf("found %s, %v; want %s", got, err, c.want)
			}
		})
	}
	for name, c := range map[string]struct{ path, want string }{
		"nothing":         {"", "no suitable PostgreSQL server (the programs initdb and postgres) is installed: version 15 or newer is needed"},
		"only unsuitable": {old + ":" + broken, "found " + old + " (version 14), " + broken + ` (unknown version "devel`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if _, err := findInstalled(nil, c.path, nil, AnyMajor); !errors.Is(err, ErrNotInstalled) || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %s", err, c.want)
			}
		})
	}
}

// Root may find programs in its home directory, which PostgreSQL's user cannot enter.
func TestFindInstalledTriesAsTheUser(t *testing.T) {
	t.Parallel()
	dir := install(t, filepath.Join(t.TempDir(), "bin"), "16.1") // other users cannot enter it
	var nobody *syscall.Credential
	if os.Geteuid() == 0 {
		nobody = &syscall.Credential{Uid: 65534, Gid: 65534}
	}
	got, err := findInstalled(nobody, dir, nil, AnyMajor)
	if nobody == nil {
		if got != dir || err != nil {
			t.Errorf("found %s, %v", got, err)
		}
	} else if !errors.Is(err, ErrNotInstalled) || !strings.Contains(err.Error(), "permission denied") {
		t.Errorf("found %s, %v", got, err)
	}
}
