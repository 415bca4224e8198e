// Package standby makes standby servers for the tests. It uses PostgreSQL's low-level
// backup API, because downloaded programs have no pg_basebackup.
package standby

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"github.com/jackc/pgx/v5"
)

// Make copies the cluster of a running localpg server into dir. A server that is then
// started in dir with localpg.Start is a standby of the running one. primary is the URL of
// the running server and must contain the superuser's name and password.
func Make(ctx context.Context, primary, dir string) error {
	if err := makeCluster(ctx, primary, filepath.Join(dir, "cluster")); err != nil {
		return fmt.Errorf("standby: %w", err)
	}
	return nil
}

func makeCluster(ctx context.Context, primary, cluster string) error {
	u, err := url.Parse(primary)
	if err != nil {
		return err
	}
	password, _ := u.User.Password()
	conn, err := pgx.Connect(ctx, primary)
	if err != nil {
		return err
	}
	defer conn.Close(context.WithoutCancel(ctx)) // this also ends a backup that failed
	var from, label string
	if err := conn.QueryRow(ctx, "SELECT current_setting('data_directory') FROM pg_backup_start('standby', fast => true)").Scan(&from); err != nil {
		return err
	}
	data := filepath.Join(cluster, "data")
	if err := errors.Join(os.Mkdir(cluster, 0o700), copyData(from, data)); err != nil {
		return err
	}
	if err := conn.QueryRow(ctx, "SELECT labelfile FROM pg_backup_stop(wait_for_archive => false)").Scan(&label); err != nil {
		return err
	}
	follow := fmt.Sprintf("primary_conninfo = '%s'\n", strings.ReplaceAll(primary, "'", "''"))
	for name, text := range map[string]string{
		filepath.Join(cluster, "password"):          password,
		filepath.Join(data, "backup_label"):         label,
		filepath.Join(data, "standby.signal"):       "",
		filepath.Join(data, "postgresql.auto.conf"): follow,
	} {
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			return err
		}
	}
	return chownAll(cluster, from)
}

// notCopied are files of the running server, and directories whose contents a standby
// creates itself (PostgreSQL's documentation, "Making a Base Backup Using the Low Level API").
var notCopied = []string{"postmaster.pid", "postmaster.opts", "pg_wal", "pg_replslot", "pg_dynshmem", "pg_notify", "pg_serial", "pg_snapshots", "pg_stat_tmp", "pg_subtrans"}

// copyData copies the data directory of a running server.
func copyData(from, to string) error {
	return filepath.WalkDir(from, func(file string, entry fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil // PostgreSQL deleted it during the walk
		}
		if err != nil {
			return err
		}
		name, err := filepath.Rel(from, file)
		if err != nil {
			return err
		}
		skip := slices.Contains(notCopied, name)
		if !entry.IsDir() {
			if skip {
				return nil
			}
			return copyFile(file, filepath.Join(to, name))
		}
		if err := os.Mkdir(filepath.Join(to, name), 0o700); err != nil || !skip {
			return err
		}
		return fs.SkipDir
	})
}

func copyFile(from, to string) error {
	source, err := os.Open(from)
	if errors.Is(err, fs.ErrNotExist) {
		return nil // PostgreSQL deleted it during the walk
	}
	if err != nil {
		return err
	}
	defer source.Close()
	target, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(target, source)
	return errors.Join(err, target.Close())
}

// chownAll gives everything in dir the same owner as the file at the path like.
func chownAll(dir, like string) error {
	info, err := os.Stat(like)
	if err != nil {
		return err
	}
	owner := info.Sys().(*syscall.Stat_t)
	return filepath.WalkDir(dir, func(file string, _ fs.DirEntry, err error) error {
		return errors.Join(err, os.Lchown(file, int(owner.Uid), int(owner.Gid)))
	})
}
