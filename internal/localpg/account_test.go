package localpg_test

import (
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
)

// The cluster belongs to whoever called sudo, and to the same one later without it.
func TestSudoCallerOwnsTheCluster(t *testing.T) {
	t.Parallel()
	nobody, err := user.Lookup("nobody")
	if err != nil {
		t.Fatal(err)
	}
	want := strconv.Itoa(os.Geteuid())
	if want == "0" {
		want = nobody.Uid
	}
	dir := openDir(t)
	o := startOwner(t, dir, "SUDO_UID="+nobody.Uid, "SUDO_GID="+nobody.Gid)
	o.url(t)
	o.kill()
	start(t, dir)
	for _, name := range []string{"", "cluster", "cluster/password", "cluster/data", "lock", "port", "postgres.log"} {
		info, err := os.Stat(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		if got := strconv.Itoa(int(info.Sys().(*syscall.Stat_t).Uid)); got != want {
			t.Errorf("%q belongs to user %s, want %s", name, got, want)
		}
	}
}
