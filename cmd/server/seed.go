package main

import (
	"context"
	"fmt"

	"orgd/internal/db"
	"orgd/internal/seed"
	"orgd/internal/uuid"
)

const defaultSeed = 1

type seedCommand struct {
	databaseFlags `embed:""`
	Account       uuid.UUID `required:"" placeholder:"ID" help:"The account to fill."`
	Orgs          int       `required:"" placeholder:"N" help:"How many organizations."`
	Members       int       `placeholder:"M" help:"At most so many members in each (none)."`
	Seed          uint64    `default:"1" placeholder:"S" help:"The same seed makes the same organizations (${default})."`
}

// Run fills the account. Once more with the same flags it adds nothing.
func (c *seedCommand) Run(ctx context.Context, std streams) error {
	return withPool(ctx, c.databaseFlags, func(pool *db.Pool) error {
		bar := newProgress(std.err, c.Orgs)
		err := seed.Run(ctx, pool.Pgx(), seed.Options{
			Account: c.Account, Orgs: c.Orgs, Members: c.Members, Seed: c.Seed, Progress: bar.set,
		})
		bar.done()
		if err != nil {
			return err
		}
		fmt.Fprintln(std.out, "account", c.Account, "has the", c.Orgs, "sample organizations of seed", c.Seed)
		return nil
	})
}
