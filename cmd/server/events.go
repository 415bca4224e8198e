package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"orgd/internal/cursor"
	"orgd/internal/db"
	"orgd/internal/events"
	"orgd/internal/uuid"
	"orgd/internal/wire"
)

type eventsCommand struct {
	Export eventsExport `cmd:"" help:"Write the events of an account as NDJSON, oldest first."`
}

type eventsExport struct {
	databaseFlags `embed:""`
	Account       uuid.UUID `required:"" placeholder:"ID" help:"Account whose events to export."`
	After         *int64    `placeholder:"POSITION" help:"Only events after this position, such as the position in the last line of an earlier export (default: all events that are kept)."`
	Types         []string  `placeholder:"TYPE" help:"Only events of these types, such as org.created,org.deleted (default: all)."`
}

// Validate rejects a negative position and unknown types.
func (c *eventsExport) Validate() error {
	if c.After != nil && *c.After < 0 {
		return fmt.Errorf("--after is %d; it must be 0 or more", *c.After)
	}
	for _, one := range c.Types {
		if !slices.Contains(events.Types, one) {
			return fmt.Errorf("--types has the unknown type %q; the types are %s", one, strings.Join(events.Types, ", "))
		}
	}
	return c.databaseFlags.Validate()
}

// Run writes the events that are kept, page by page, up to the end of the feed.
func (c *eventsExport) Run(ctx context.Context, std streams) error {
	if err := std.out.mustBeOpen(); err != nil {
		return err
	}
	return withPool(ctx, c.databaseFlags, func(pool *db.Pool) error {
		if err := mustExist(ctx, pool, c.Account); err != nil {
			return err
		}
		repository := events.NewRepository(pool)
		at, kept, err := repository.PlaceAt(ctx, c.Account, c.After)
		switch {
		case errors.Is(err, events.ErrCursorExpired):
			return expiredError(kept)
		case errors.Is(err, events.ErrCursorLost):
			return fmt.Errorf("no event has position %d; the feed ends at position %d. Check --account and --after. If a failover or a restore has lost the event, discard the earlier export and export everything again, without --after", *c.After, kept.Last)
		case err != nil:
			return err
		}
		return c.write(ctx, repository, at, std)
	})
}

func expiredError(kept events.Kept) error {
	return fmt.Errorf("the events up to position %[1]d were deleted because of their age. To export those that are kept, use --after %[1]d", kept.Removed)
}

// write writes whole lines. If reading the events fails, it prints the position after which
// the next export can continue.
func (c *eventsExport) write(ctx context.Context, repository *events.Repository, at events.Place, std streams) error {
	var lines []byte
	for {
		page, err := repository.Read(ctx, c.Account, events.Params{Limit: cursor.MaxLimit, After: &at, Types: c.Types})
		if errors.Is(err, events.ErrCursorExpired) { // they were deleted during the export
			if _, kept, err := repository.PlaceAt(ctx, c.Account, nil); err == nil {
				return expiredError(kept)
			}
		}
		if errors.Is(err, events.ErrCursorLost) {
			return errors.New("a failover or a restore has lost events that this export has written: discard the output and export again")
		}
		if err != nil {
			fmt.Fprintf(std.err, "Exported up to position %[1]d. To continue, use --after %[1]d.\n", at.Position)
			return err
		}
		lines = lines[:0]
		for i := range page.Events {
			lines = append(wire.AppendEvent(lines, &page.Events[i]), '\n')
		}
		if _, err := std.out.Write(lines); err != nil {
			return fmt.Errorf("the output cannot be written: %w", err)
		}
		if at = page.Last; !page.HasMore {
			return nil
		}
	}
}
