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
	"runtime"
	"strings"
	"syscall"

	"orgd/internal/pgprograms"
)

const clusterDir = "cluster"

func (s *Server) dataDir() string { return filepath.Join(s.dir, clusterDir, "data") }

// ErrNotInstalled is returned, wrapped, if there is no suitable PostgreSQL.
var ErrNotInstalled = pgprograms.ErrNotInstalled

// FindBinaries returns the directory of the installed programs initdb and postgres, of
// version 15 or newer. The error is ErrNotInstalled, wrapped with what was found.
func FindBinaries() (dir string, err error) {
	user, err := serviceUser()
	if err != nil {
		return "", fmt.Errorf("localpg: %w", err)
	}
	return pgprograms.Installed(user, pgprograms.AnyMajor)
}

// findPrograms returns the directory of programs that can read the cluster, or of
// programs of any supported version if there is no cluster.
func (s *Server) findPrograms(ctx context.Context, o Options) (string, error) {
	if o.Programs != "" {
		return o.Programs, nil
	}
	major, newest := pgprograms.AnyMajor, pgprograms.Newest
	version, err := os.ReadFile(filepath.Join(s.dataDir(), "PG_VERSION"))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", err
	}
	if err == nil {
		if major, err = pgprograms.ParseMajor(string(version)); err != nil {
			return "", err
		}
		newest = major
	}
	programs, err := pgprograms.Installed(s.owner, major)
	if err != nil && o.Download != nil {
		var failed error
		if programs, failed = pgprograms.Download(ctx, newest, o.Download); failed == nil {
			return programs, nil
		}
		err = fmt.Errorf("%w; %w", err, failed)
	}
	if err != nil && major != pgprograms.AnyMajor {
		// Do not wrap ErrNotInstalled: the caller would then use another server, which
		// does not have this data.
		err = fmt.Errorf("the cluster was created by PostgreSQL %d: install that version, or move %s away to start with an empty cluster (%v)",
			major, filepath.Dir(s.dataDir()), err) //nolint:errorlint // see above
	}
	return programs, err
}

// ensureCluster creates the cluster if there is none, and reads its password. A new
// cluster is renamed to its final name only when it is complete.
func (s *Server) ensureCluster(ctx context.Context, programs string, noSync bool) error {
	cluster := filepath.Join(s.dir, clusterDir)
	staging := cluster + ".new"
	if err := os.RemoveAll(staging); err != nil { // left by a run that was killed
		return err
	}
	if _, err := os.Stat(cluster); errors.Is(err, fs.ErrNotExist) {
		if err := s.initdb(ctx, programs, staging, noSync); err != nil {
			return errors.Join(err, os.RemoveAll(staging))
		}
		if err := os.Rename(staging, cluster); err != nil {
			return err
		}
	}
	password, err := os.ReadFile(filepath.Join(cluster, "password"))
	s.password = strings.TrimSpace(string(password))
	return err
}

func (s *Server) initdb(ctx context.Context, programs, staging string, noSync bool) error {
	password := filepath.Join(staging, "password")
	if err := os.Mkdir(staging, 0o700); err != nil {
		return err
	}
	if err := os.WriteFile(password, []byte(rand.Text()+"\n"), 0o600); err != nil {
		return err
	}
	if s.owner != nil {
		uid, gid := int(s.owner.Uid), int(s.owner.Gid)
		if err := errors.Join(os.Chown(password, uid, gid), os.Chown(staging, uid, gid)); err != nil {
			return err
		}
	}
	cmd := exec.CommandContext(ctx, filepath.Join(programs, "initdb"),
		"--pgdata="+filepath.Join(staging, "data"), "--username="+superuser, "--pwfile="+password,
		"--auth=scram-sha-256", "--encoding=UTF8", "--locale=C", "--no-instructions")
	if noSync {
		cmd.Args = append(cmd.Args, "--no-sync")
	}
	s.prepare(cmd, syscall.SIGKILL)
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	runtime.LockOSThread() // run explains why
	defer runtime.UnlockOSThread()
	err := cmd.Run()
	if ctx.Err() != nil {
		return fmt.Errorf("wait for initdb: %w", context.Cause(ctx))
	}
	if err != nil {
		return s.withTail(fmt.Errorf("initdb failed: %w", err))
	}
	return nil
}
