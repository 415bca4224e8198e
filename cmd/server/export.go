package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"orgd/internal/db"
	"orgd/internal/orgs"
	"orgd/internal/progress"
	"orgd/internal/transfer"
	"orgd/internal/uuid"
)

type exportCommand struct {
	databaseFlags `embed:""`
	Account       uuid.UUID `required:"" placeholder:"ID" help:"Account whose organizations to export."`
	File          string    `arg:"" optional:"" default:"-" help:"File to write, or - for standard output (default: ${default})."`
}

// Run writes one line for each organization, with its members.
func (c *exportCommand) Run(ctx context.Context, std streams) error {
	if c.File == standardStream {
		if err := std.out.mustBeOpen(); err != nil {
			return err
		}
	}
	return withPool(ctx, c.databaseFlags, func(pool *db.Pool) error {
		if err := mustExist(ctx, pool, c.Account); err != nil {
			return err
		}
		var done transfer.Exported
		meter := progress.NewMeter(std.err, "organizations")
		write := func(w io.Writer) (err error) {
			done, err = transfer.Export(ctx, orgs.NewRepository(pool), c.Account, w, func(done, all int) { meter.Set(done, float64(done)/float64(max(all, 1))) })
			return err
		}
		var err error
		if c.File == standardStream {
			err = write(std.out)
		} else {
			err = replaceFile(c.File, write)
		}
		meter.Clear()
		if err != nil {
			return err
		}
		fmt.Fprintf(std.err, "exported %d organizations with %d members\n", done.Orgs, done.Members)
		if done.LongestLine > defaultMaxLine {
			fmt.Fprintf(std.err, "the longest line has %d bytes: import the file with --max-line=%d\n", done.LongestLine, done.LongestLine)
		}
		return nil
	})
}

// replaceFile writes a new file and moves it to path only when it is complete. It does not
// replace a device, a pipe or a directory.
func replaceFile(path string, write func(io.Writer) error) error {
	if target, err := filepath.EvalSymlinks(path); err == nil {
		path = target
	}
	if info, err := os.Lstat(path); err == nil && !info.Mode().IsRegular() {
		return fmt.Errorf("%s is not a regular file: name another file, or use - to write to standard output", path)
	}
	f, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*.tmp")
	if err != nil {
		return err
	}
	if err = write(f); err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	return nil
}
