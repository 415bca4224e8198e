package localpg

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// place is where one server keeps its things. As root, we work in directories that
// belong to a lesser user, who must not lead us astray with symbolic links: every
// file in them is reached through an os.Root.
type place struct {
	dir   string // Options.Dir, absolute and without symbolic links
	files *os.Root
	lock  *os.File
	owner *account // of everything that we make

	home      string // the directory that holds the cluster: dir, or a stand-in
	homeFiles *os.Root
	homeLock  *os.File // of a stand-in
}

// openPlace makes dir if it is missing, takes its lock, and settles where the
// cluster is to be.
func openPlace(ctx context.Context, dir string) (*place, error) {
	p := new(place)
	err := p.open(ctx, dir)
	if err == nil {
		return p, nil
	}
	if inUse := (*InUseError)(nil); !errors.As(err, &inUse) { // that one names it
		err = fmt.Errorf("use directory %s: %w", dir, err)
	}
	return nil, errors.Join(err, p.close())
}

func (p *place) open(ctx context.Context, dir string) error {
	made, err := p.enter(dir)
	if err != nil {
		return err
	}
	if p.owner, err = p.chooseOwner(); err != nil {
		return err
	}
	if made {
		if err := p.owner.own(p.files, "."); err != nil {
			return err
		}
	}
	if p.lock, err = takeLock(p.files, p.dir, p.owner); err != nil {
		return err
	}
	return p.settle(ctx)
}

// enter opens the directory, and reports whether it had to be made.
func (p *place) enter(dir string) (made bool, err error) {
	if dir == "" {
		return false, errors.New("no directory given")
	}
	if dir, err = filepath.Abs(dir); err != nil {
		return false, err
	}
	if err := os.MkdirAll(filepath.Dir(dir), 0o755); err != nil {
		return false, err
	}
	err = os.Mkdir(dir, 0o700)
	made = err == nil
	if err != nil && !errors.Is(err, fs.ErrExist) {
		return false, err
	}
	if p.dir, err = filepath.EvalSymlinks(dir); err != nil {
		return false, err
	}
	p.files, err = os.OpenRoot(p.dir)
	return made, err
}

// chooseOwner keeps to the user that a cluster in dir has been made for: with sudo
// and without, and whoever calls it, the server runs as the same one.
func (p *place) chooseOwner() (*account, error) {
	info, err := p.files.Lstat(clusterDir)
	if err == nil {
		if owner := ownerOf(info); owner != nil {
			return owner, nil
		}
	} else if !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	return serviceAccount()
}

// settle finds the directory for the cluster. Once a stand-in was needed, it
// remains in use.
func (p *place) settle(ctx context.Context) error {
	recorded, err := p.readRecord()
	if err != nil {
		return err
	}
	if recorded {
		return p.reopenStandIn()
	}
	reachable, err := p.owner.canReach(ctx, p.dir)
	if err != nil {
		return err
	}
	if reachable {
		p.home = p.dir
		p.homeFiles, err = os.OpenRoot(p.dir)
		return err
	}
	here, err := exists(p.files, clusterDir)
	if err != nil {
		return err
	}
	if here {
		return fmt.Errorf("the cluster in %s belongs to user %d, who cannot reach it any more: let that user search the directories above it (chmod o+x)", p.dir, p.owner.uid)
	}
	return p.makeStandIn()
}

// remove deletes what this package has made, but for the lock, which goes last.
func (p *place) remove() error {
	return errors.Join(
		p.clearStaging(),
		removeTree(p.homeFiles, clusterDir),
		p.removeStandIn(),
		p.files.RemoveAll(portFile),
		p.files.RemoveAll(logFile),
		p.files.RemoveAll(lockFile),
	)
}

// removeAgain does the same when the lock has been given up since.
func (p *place) removeAgain() error {
	again, err := openPlace(context.Background(), p.dir)
	if err != nil {
		return fmt.Errorf("localpg: %w", err)
	}
	return errors.Join(again.remove(), again.close())
}

// close gives back what open took, as far as it came. The lock is given up last.
func (p *place) close() error {
	var errs []error
	if p.homeFiles != nil {
		errs = append(errs, p.homeFiles.Close())
	}
	if p.homeLock != nil {
		errs = append(errs, unlock(p.homeLock))
	}
	if p.lock != nil {
		errs = append(errs, releaseLock(p.lock))
	}
	if p.files != nil {
		errs = append(errs, p.files.Close())
	}
	return errors.Join(errs...)
}

// writeFile writes a small file of dir.
func (p *place) writeFile(name, text string) error {
	if err := p.files.WriteFile(name, []byte(text+"\n"), 0o600); err != nil {
		return err
	}
	return p.owner.own(p.files, name)
}

func exists(root *os.Root, name string) (bool, error) {
	_, err := root.Lstat(name)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil, err
}
