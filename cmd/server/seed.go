package main

import (
	"context"
	"fmt"

	"orgd/internal/db"
	"orgd/internal/progress"
	"orgd/internal/seed"
	"orgd/internal/uuid"
)

const defaultSeed = 1

type seedCommand struct {
	databaseFlags `embed:""`
	Account       uuid.UUID `required:"" placeholder:"ID" help:"Account to fill."`
	Orgs          int       `required:"" placeholder:"N" help:"Number of organizations."`
	Members       int       `placeholder:"M" help:"Maximum number of members in each organization (none)."`
	Seed          uint64    `default:"1" placeholder:"S" help:"The same seed makes the same organizations (${default})."`
}

// Validate rejects numbers that are out of range.
func (c *seedCommand) Validate() error {
	if err := c.databaseFlags.Validate(); err != nil {
		return err
	}
	if c.Orgs < 0 {
		return fmt.Errorf("--orgs is %d: give 0 or more", c.Orgs)
	}
	if c.Members < 0 || c.Members > seed.MaxMembers {
		return fmt.Errorf("--members is %d: give 0 to %d", c.Members, seed.MaxMembers)
	}
	return nil
}

// Run fills the account. A second run with the same flags adds nothing.
func (c *seedCommand) Run(ctx context.Context, std streams) error {
	return withPool(ctx, c.databaseFlags, func(pool *db.Pool) error {
		bar := progress.New(std.err, c.Orgs, "organizations")
		err := seed.Run(ctx, pool.Pgx(), seed.Options{
			Account: c.Account, Orgs: c.Orgs, Members: c.Members, Seed: c.Seed, Progress: bar.Set,
		})
		bar.Done()
		if err != nil {
			return err
		}
		fmt.Fprintln(std.out, "account", c.Account, "has the", c.Orgs, "sample organizations of seed", c.Seed)
		return nil
	})
}
