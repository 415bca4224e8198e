package localpg

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// The cluster's directory has the data and the superuser's password. It gets its
// name when both are complete.
const (
	clusterDir    = "cluster"
	stagingPrefix = "cluster.new-"
	dataDir       = "data"
	passwordFile  = "password"
)

func (p *place) dataDir() string { return filepath.Join(p.home, clusterDir, dataDir) }

// findBinaries returns the directory of PostgreSQL's programs that fit the
// cluster, or of any if there is none yet.
func (p *place) findBinaries() (string, error) {
	installed := installedSearch(p.owner)
	version, err := p.homeFiles.ReadFile(filepath.Join(clusterDir, dataDir, "PG_VERSION"))
	if errors.Is(err, fs.ErrNotExist) {
		return installed.find(anyMajor)
	}
	if err != nil {
		return "", err
	}
	major, err := parseMajor(string(version))
	if err != nil {
		return "", err
	}
	dir, err := installed.find(major)
	if err != nil {
		// Not ErrNotInstalled: a caller who takes another server then would leave the
		// data in this one behind.
		return "", fmt.Errorf("the cluster in %s was made by PostgreSQL %d: %v: install PostgreSQL %[2]d, or move the cluster away to begin with an empty one",
			filepath.Dir(p.dataDir()), major, err)
	}
	return dir, nil
}

// ensureCluster makes the cluster if there is none.
func (p *place) ensureCluster(ctx context.Context, programs string, log *os.File, noSync bool) error {
	if err := p.clearStaging(); err != nil {
		return err
	}
	if there, err := exists(p.homeFiles, clusterDir); err != nil || there {
		return err
	}
	staging := stagingPrefix + rand.Text()
	if err := p.initStaging(ctx, programs, staging, log, noSync); err != nil {
		return errors.Join(err, removeTree(p.homeFiles, staging))
	}
	return p.homeFiles.Rename(staging, clusterDir)
}

func (p *place) initStaging(ctx context.Context, programs, staging string, log *os.File, noSync bool) error {
	if err := p.homeFiles.Mkdir(staging, 0o700); err != nil {
		return err
	}
	if err := p.owner.own(p.homeFiles, staging); err != nil {
		return err
	}
	password := filepath.Join(staging, passwordFile)
	if err := p.homeFiles.WriteFile(password, []byte(rand.Text()+"\n"), 0o600); err != nil {
		return err
	}
	if err := p.owner.own(p.homeFiles, password); err != nil {
		return err
	}
	cmd := exec.Command(filepath.Join(programs, "initdb"),
		"--pgdata="+filepath.Join(p.home, staging, dataDir), "--username="+superuser,
		"--pwfile="+filepath.Join(p.home, password), "--auth=scram-sha-256",
		"--encoding=UTF8", "--locale=C", "--no-instructions")
	if noSync {
		cmd.Args = append(cmd.Args, "--no-sync")
	}
	return p.runInitdb(ctx, cmd, log)
}

func (p *place) runInitdb(ctx context.Context, cmd *exec.Cmd, log *os.File) error {
	from, err := size(log)
	if err != nil {
		return err
	}
	cmd.Stdout, cmd.Stderr = log, log
	process, err := startProcess(cmd, p.owner, syscall.SIGKILL)
	if err != nil {
		return err
	}
	select {
	case <-process.done:
	case <-ctx.Done():
		return errors.Join(fmt.Errorf("wait for initdb: %w", context.Cause(ctx)), process.kill())
	}
	if !process.state().Success() {
		return withTail(fmt.Errorf("initdb failed: %v", process.state()), log, from)
	}
	return nil
}

// clearStaging deletes what initdb had made when it was interrupted.
func (p *place) clearStaging() error {
	entries, err := fs.ReadDir(p.homeFiles.FS(), ".")
	if err != nil {
		return err
	}
	for _, entry := range entries {
		if !strings.HasPrefix(entry.Name(), stagingPrefix) {
			continue
		}
		if err := removeTree(p.homeFiles, entry.Name()); err != nil {
			return err
		}
	}
	return nil
}

// removeTree deletes a directory into which a child of a process that was killed
// may be writing yet, for a moment.
func removeTree(root *os.Root, name string) error {
	for deadline := time.Now().Add(5 * time.Second); ; time.Sleep(poll) {
		err := root.RemoveAll(name)
		if !errors.Is(err, syscall.ENOTEMPTY) || time.Now().After(deadline) {
			return err
		}
	}
}

func (p *place) password() (string, error) {
	text, err := p.homeFiles.ReadFile(filepath.Join(clusterDir, passwordFile))
	return strings.TrimSpace(string(text)), err
}
