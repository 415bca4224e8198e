package localpg

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// standInPlace is a place whose cluster has to be in a stand-in, whoever we are.
func standInPlace(t *testing.T) *place {
	t.Helper()
	p := new(place)
	if _, err := p.enter(t.TempDir()); err != nil {
		t.Fatal(err)
	}
	owner, err := serviceAccount()
	if err != nil {
		t.Fatal(err)
	}
	if owner == nil {
		owner = &account{uid: uint32(os.Geteuid()), gid: uint32(os.Getegid())}
	}
	p.owner = owner
	t.Cleanup(func() {
		if err := errors.Join(p.close(), os.RemoveAll(standInPath(p.dir))); err != nil {
			t.Error(err)
		}
	})
	return p
}

func TestStandInIsFoundAgainByItsRecord(t *testing.T) {
	t.Parallel()
	p := standInPlace(t)
	if err := p.makeStandIn(); err != nil {
		t.Fatal(err)
	}
	recorded, err := p.readRecord()
	if !recorded || err != nil {
		t.Fatalf("readRecord = %v, %v", recorded, err)
	}
	again := &place{dir: p.dir, files: p.files, owner: p.owner}
	var inUse *InUseError
	if err := again.reopenStandIn(); !errors.As(err, &inUse) || inUse.Dir != p.home {
		t.Errorf("reopen while in use: %v", err)
	}
}

func TestStandInOfADeletedDirectoryIsNotTakenOver(t *testing.T) {
	t.Parallel()
	p := standInPlace(t)
	if err := os.MkdirAll(filepath.Join(standInPath(p.dir), clusterDir), 0o700); err != nil {
		t.Fatal(err)
	}
	if os.Geteuid() == 0 {
		if err := os.Chown(standInPath(p.dir), int(p.owner.uid), int(p.owner.gid)); err != nil {
			t.Fatal(err)
		}
	}
	if err := p.makeStandIn(); err == nil || !strings.Contains(err.Error(), "has a cluster of an earlier "+p.dir) {
		t.Errorf("makeStandIn: %v", err)
	}
}

func TestRecordOfAnotherDirectoryIsRefused(t *testing.T) {
	t.Parallel()
	p := standInPlace(t)
	for _, elsewhere := range []string{standInPath("/another"), "/etc", ""} {
		if err := p.writeFile(recordFile, elsewhere); err != nil {
			t.Fatal(err)
		}
		if _, err := p.readRecord(); err == nil || !strings.Contains(err.Error(), p.dir) {
			t.Errorf("record %q: %v", elsewhere, err)
		}
	}
}

func TestLostStandInIsAnError(t *testing.T) {
	t.Parallel()
	p := standInPlace(t)
	if err := p.reopenStandIn(); err == nil || !strings.Contains(err.Error(), "is gone") {
		t.Errorf("reopenStandIn: %v", err)
	}
}

func TestOpenPrivate(t *testing.T) {
	t.Parallel()
	us := uint32(os.Geteuid())
	dir := filepath.Join(t.TempDir(), "dir")
	link := filepath.Join(t.TempDir(), "link")
	if err := errors.Join(os.Mkdir(dir, 0o700), os.Symlink(dir, link)); err != nil {
		t.Fatal(err)
	}
	root, err := openPrivate(dir, us)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	if _, err := openPrivate(link, us); err == nil || !strings.Contains(err.Error(), "symbolic link") {
		t.Errorf("symbolic link: %v", err)
	}
	if _, err := openPrivate(dir, us+1); err == nil || !strings.Contains(err.Error(), "must belong to user") {
		t.Errorf("other owner: %v", err)
	}
	if err := os.Chmod(dir, 0o750); err != nil {
		t.Fatal(err)
	}
	if _, err := openPrivate(dir, us); err == nil || !strings.Contains(err.Error(), "mode 0700") {
		t.Errorf("open to others: %v", err)
	}
}

// The user that the server runs as may own the directory in which root works.
func TestSymbolicLinksDoNotLeadOut(t *testing.T) {
	t.Parallel()
	dir, victim := t.TempDir(), filepath.Join(t.TempDir(), "victim")
	if err := os.WriteFile(victim, []byte("untouched"), 0o600); err != nil {
		t.Fatal(err)
	}
	p := new(place)
	if _, err := p.enter(dir); err != nil {
		t.Fatal(err)
	}
	defer p.files.Close()
	for _, name := range []string{lockFile, logFile, portFile} {
		if err := os.Symlink(victim, filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := takeLock(p.files, dir, nil); err == nil {
		t.Error("the lock is a link, and was taken")
	}
	if _, err := p.openLog(); err == nil {
		t.Error("the log is a link, and was opened")
	}
	if err := p.writeFile(portFile, "1"); err == nil {
		t.Error("the port is a link, and was written")
	}
	if text, err := os.ReadFile(victim); string(text) != "untouched" || err != nil {
		t.Errorf("the file outside became %q, %v", text, err)
	}
}
