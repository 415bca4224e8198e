package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"orgd/internal/db"
	"orgd/internal/events"
	"orgd/internal/idempotency"
	"orgd/internal/orgs"
	"orgd/internal/progress"
	"orgd/internal/transfer"
	"orgd/internal/uuid"
	"orgd/internal/wire"
)

// defaultMaxLine is the default of --max-line, in bytes.
const defaultMaxLine = 64 << 20

// standardStream is the name of standard input or output on the command line.
const standardStream = "-"

type importCommand struct {
	databaseFlags `embed:""`
	Account       uuid.UUID `required:"" placeholder:"ID" help:"Account that gets the organizations."`
	File          string    `arg:"" help:"NDJSON file with an organization and its members on each line (see docs/import.md), or - for standard input."`
	DryRun        bool      `help:"Check the lines and compare them with the account, but change nothing."`
	MaxLine       byteSize  `default:"64MiB" placeholder:"SIZE" help:"Maximum size of a line (default: ${default})."`
}

// Validate rejects a maximum line size that is out of range.
func (c *importCommand) Validate() error {
	if c.MaxLine < 1 || c.MaxLine > 1<<30 {
		return fmt.Errorf("--max-line is %s; it must be from 1 byte to 1GiB", c.MaxLine)
	}
	return c.databaseFlags.Validate()
}

// Run imports the file. It prints each line that was refused or differs, and a summary.
// Such lines make it fail, but only after it has imported the others.
func (c *importCommand) Run(ctx context.Context, std streams) error {
	input, size, err := c.open()
	if err != nil {
		return err
	}
	defer input.Close()
	return withPool(ctx, c.databaseFlags, func(pool *db.Pool) error {
		hub := events.NewHub(pool)
		repository := orgs.NewRepository(pool)
		repository.OnChange(hub.Changed)
		announcing, stop := context.WithCancel(ctx)
		defer stop()
		go hub.Announce(announcing)

		meter := progress.NewMeter(std.err, "organizations")
		counts, err := transfer.Import(ctx, repository, transfer.Options{
			Account: c.Account, Input: input, MaxLine: int(c.MaxLine), DryRun: c.DryRun, RequestID: idempotency.OperatorRequestID(),
			Told: func(told transfer.Told) {
				meter.Clear()
				fmt.Fprintln(std.err, tell(told))
			},
			Progress: func(p transfer.Progress) {
				share := 0.0
				if size > 0 {
					share = float64(p.Bytes) / float64(size)
				}
				meter.Set(p.Counts.Total(), share)
			},
		})
		meter.Clear()
		if err == nil || counts.Total() > 0 {
			fmt.Fprintln(std.out, c.summary(counts))
		}
		switch {
		case errors.Is(err, orgs.ErrNoAccount):
			return unknownAccount(c.Account)
		case errors.Is(err, orgs.ErrSuspended):
			return fmt.Errorf("account %s is suspended: see `server accounts resume`", c.Account)
		case err != nil:
			return c.interrupted(err)
		case counts.Refused+counts.Different > 0:
			return c.incomplete(counts)
		}
		return nil
	})
}

// open returns the input and its size, which is 0 if it is unknown.
func (c *importCommand) open() (input io.ReadCloser, size int64, err error) {
	if c.File == standardStream {
		return os.Stdin, 0, nil
	}
	f, err := os.Open(c.File)
	if err != nil {
		return nil, 0, err
	}
	info, err := f.Stat()
	if err != nil {
		return nil, 0, errors.Join(err, f.Close())
	}
	if info.IsDir() {
		return nil, 0, errors.Join(fmt.Errorf("%s is a directory", c.File), f.Close())
	}
	if info.Mode().IsRegular() {
		size = info.Size()
	}
	return f, size, nil
}

// interrupted adds to the error of an import what became of the organizations before it.
func (c *importCommand) interrupted(err error) error {
	if c.DryRun {
		return err
	}
	return fmt.Errorf("%w (the organizations imported so far are kept; run the command again to continue)", err)
}

func (c *importCommand) incomplete(counts transfer.Counts) error {
	were := "were not"
	if c.DryRun {
		were = "would not be"
	}
	return fmt.Errorf("%d of %d organizations %s imported: %d refused, %d different", counts.Refused+counts.Different, counts.Total(), were, counts.Refused, counts.Different)
}

func tell(told transfer.Told) string {
	if told.Reason != "" {
		return fmt.Sprintf("line %d refused: %s", told.Line, told.Reason)
	}
	return fmt.Sprintf("line %d differs from %s in %s", told.Line, wire.FormatOrgID(told.OrgID), strings.Join(told.Fields, ", "))
}

func (c *importCommand) summary(counts transfer.Counts) string {
	imported := "imported"
	if c.DryRun {
		imported = "to import"
	}
	return fmt.Sprintf("%s: %d, already there: %d, different: %d, refused: %d", imported, counts.Imported, counts.Present, counts.Different, counts.Refused)
}
