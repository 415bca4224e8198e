package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
)

// disk is a small file system in memory that can be filled.
type disk struct{ dir string }

const diskSize = "96m"

// openDisk mounts the disk, if the fault needs one. It requires root.
func (s *stage) openDisk(ctx context.Context) error {
	if s.smallDisk == "" {
		return nil
	}
	d := &disk{dir: filepath.Join(s.dir, "disk")}
	if err := os.Mkdir(d.dir, 0o700); err != nil {
		return err
	}
	if err := run(ctx, "mount", "-t", "tmpfs", "-o", "size="+diskSize, "orgd-faults", d.dir); err != nil {
		return fmt.Errorf("%w: mounting a separate disk requires root: %w", errNotPossible, err)
	}
	s.disk = d
	s.onTearDown(func() error { return run(context.WithoutCancel(ctx), "umount", d.dir) })
	cluster := filepath.Join(s.dir, "cluster", "data")
	wal := filepath.Join(cluster, "pg_wal")
	if s.smallDisk == "wal" {
		if err := errors.Join(run(ctx, "cp", "-a", wal, d.dir), os.RemoveAll(wal), os.Symlink(filepath.Join(d.dir, "pg_wal"), wal)); err != nil {
			return err
		}
	}
	return run(ctx, "chown", "-R", "--reference="+filepath.Join(cluster, "PG_VERSION"), d.dir)
}

// moveToDisk moves the database, without the write-ahead log, to the disk.
func (s *stage) moveToDisk(ctx context.Context) error {
	if s.smallDisk != "data" {
		return nil
	}
	return s.primary.exec(ctx, "postgres",
		fmt.Sprintf("CREATE TABLESPACE small LOCATION '%s'", s.disk.dir),
		fmt.Sprintf("ALTER DATABASE %s SET TABLESPACE small", database))
}

func (d *disk) filler() string { return filepath.Join(d.dir, "filler") }

// fill fills the disk completely.
func (d *disk) fill() error {
	file, err := os.Create(d.filler())
	if err != nil {
		return err
	}
	defer file.Close()
	for block := make([]byte, 1<<20); len(block) > 0; {
		if _, err = file.Write(block); err != nil {
			block = block[:len(block)/2] // fill the rest in smaller blocks
		}
	}
	if !errors.Is(err, syscall.ENOSPC) {
		return fmt.Errorf("the disk is not full: %w", err)
	}
	return nil
}

func (d *disk) free() error { return os.Remove(d.filler()) }
