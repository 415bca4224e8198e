package localpg

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// recordFile, in Dir, names the stand-in that has the cluster.
const recordFile = "cluster.path"

// standInPath is a function of dir alone: what the record says is only compared
// with it, since whoever can write the record must not choose a directory for root.
//
// /var/tmp outlasts a reboot, and any user can search it.
func standInPath(dir string) string {
	sum := sha256.Sum256([]byte(dir))
	return "/var/tmp/orgd-" + hex.EncodeToString(sum[:16])
}

// readRecord reports whether the cluster is in a stand-in.
func (p *place) readRecord() (bool, error) {
	text, err := p.files.ReadFile(recordFile)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	recorded, want := strings.TrimSpace(string(text)), standInPath(p.dir)
	if recorded != want {
		return false, fmt.Errorf("%s says that the cluster is in %s, which belongs to a directory of another name: move %s back to where it was, or remove that file to begin with an empty cluster",
			filepath.Join(p.dir, recordFile), recorded, p.dir)
	}
	return true, nil
}

// makeStandIn makes the stand-in, and then the record of it.
func (p *place) makeStandIn() error {
	path := standInPath(p.dir)
	switch err := os.Mkdir(path, 0o700); {
	case err == nil:
		// Ours, in a directory where others cannot rename it.
		if err := os.Lchown(path, int(p.owner.uid), int(p.owner.gid)); err != nil {
			return err
		}
	case !errors.Is(err, fs.ErrExist):
		return err
	}
	if err := p.openStandIn(path); err != nil {
		return err
	}
	left, err := exists(p.homeFiles, clusterDir)
	if err != nil {
		return err
	}
	if left {
		return fmt.Errorf("%s has a cluster of an earlier %s: remove it (rm -r %[1]s), or keep it (echo %[1]s > %[3]s)",
			path, p.dir, filepath.Join(p.dir, recordFile))
	}
	return p.writeFile(recordFile, path)
}

// reopenStandIn opens the stand-in that the record names.
func (p *place) reopenStandIn() error {
	path := standInPath(p.dir)
	err := p.openStandIn(path)
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("the cluster that was in %s is gone: remove %s to begin with an empty one",
			path, filepath.Join(p.dir, recordFile))
	}
	return err
}

func (p *place) openStandIn(path string) error {
	root, err := openPrivate(path, p.owner.uidOrOurs())
	if err != nil {
		return err
	}
	p.home, p.homeFiles = path, root
	if p.homeLock, err = root.Open("."); err != nil {
		return err
	}
	// The lock tells systemd-tmpfiles, too, that it is in use.
	err = flock(p.homeLock)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		return &InUseError{Dir: path}
	}
	return err
}

// openPrivate opens a directory that must belong to uid and to nobody else: others
// may have been there first.
func openPrivate(path string, uid uint32) (*os.Root, error) {
	named, err := os.Lstat(path)
	if err != nil {
		return nil, err
	}
	root, err := os.OpenRoot(path)
	if err != nil {
		return nil, err
	}
	// A symbolic link is seen here, at the latest, by what it leads to.
	opened, err := root.Stat(".")
	if err == nil && !os.SameFile(named, opened) {
		err = fmt.Errorf("%s is a symbolic link, and must be a directory", path)
	}
	if err == nil && (opened.Sys().(*syscall.Stat_t).Uid != uid || opened.Mode().Perm()&0o077 != 0) {
		err = fmt.Errorf("%s must belong to user %d alone (mode 0700): who made it?", path, uid)
	}
	if err != nil {
		return nil, errors.Join(err, root.Close())
	}
	return root, nil
}

// removeStandIn deletes the stand-in, if there is one, and its record.
func (p *place) removeStandIn() error {
	if p.home == p.dir {
		return nil
	}
	return errors.Join(os.RemoveAll(p.home), p.files.RemoveAll(recordFile))
}
