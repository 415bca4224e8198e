package localpg_test

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"orgd/internal/localpg"
)

// closedDir returns a directory that only the present user can reach, with a name
// that begs to be quoted, and where root's cluster for it has to be.
func closedDir(t *testing.T) (dir, home string) {
	t.Helper()
	parent := filepath.Join(realTempDir(t), "it's closed")
	if err := os.Mkdir(parent, 0o700); err != nil {
		t.Fatal(err)
	}
	dir = filepath.Join(parent, "pg")
	if os.Geteuid() != 0 {
		return dir, dir
	}
	sum := sha256.Sum256([]byte(dir))
	return dir, "/var/tmp/orgd-" + hex.EncodeToString(sum[:16])
}

func TestUnreachableDir(t *testing.T) {
	t.Parallel()
	dir, home := closedDir(t)
	s := start(t, dir)
	exec1(t, s.URL("postgres"), "CREATE TABLE kept AS SELECT 'a word' AS word")
	if want := filepath.Join(home, "cluster/data"); query1(t, s.URL("postgres"), "SHOW data_directory") != want {
		t.Errorf("the cluster is not in %s", want)
	}
	info, err := os.Stat(home)
	if err != nil || info.Mode() != fs.ModeDir|0o700 {
		t.Errorf("%s has mode %v, %v", home, info.Mode(), err)
	}
	stop(t, s)

	again := start(t, dir)
	if got := query1(t, again.URL("postgres"), "SELECT word FROM kept"); got != "a word" {
		t.Errorf("found %q", got)
	}
	if err := again.Remove(); err != nil {
		t.Fatal(err)
	}
	left := append(names(t, filepath.Join(dir, "*")), names(t, filepath.Join(home, "*"))...)
	if left != nil {
		t.Errorf("left %v", left)
	}
	if _, err := os.Stat(home); home != dir && !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("%s is still there: %v", home, err)
	}
}

// An attacker who knows the directory's name can be first to make the stand-in.
func TestForeignStandInIsRefused(t *testing.T) {
	t.Parallel()
	for name, plant := range map[string]func(t *testing.T, home string){
		"symbolic link": func(t *testing.T, home string) {
			if err := os.Symlink(t.TempDir(), home); err != nil {
				t.Fatal(err)
			}
		},
		"other owner": func(t *testing.T, home string) {
			if err := errors.Join(os.Mkdir(home, 0o700), os.Chown(home, 12345, 12345)); err != nil {
				t.Fatal(err)
			}
		},
		"file": func(t *testing.T, home string) { overwrite(t, home, "") },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir, home := closedDir(t)
			if home == dir {
				return // not root: nothing is kept where others can be first
			}
			plant(t, home)
			_, err := localpg.Start(t.Context(), localpg.CheapOptions(dir))
			if err == nil || !strings.Contains(err.Error(), home) {
				t.Errorf("Start: %v", err)
			}
			if err := os.Remove(home); err != nil { // and not os.RemoveAll: nothing was put there
				t.Error(err)
			}
		})
	}
}
