package main

import (
	"context"
	"errors"
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
	Members       int       `placeholder:"M" help:"Maximum number of members in each organization (default: 0)."`
	Seed          uint64    `default:"1" placeholder:"S" help:"Seed of the random generator; the same seed creates the same organizations (default: ${default})."`
}

// Validate rejects numbers that are out of range.
func (c *seedCommand) Validate() error {
	if err := c.databaseFlags.Validate(); err != nil {
		return err
	}
	if c.Orgs < 0 {
		return fmt.Errorf("--orgs is %d; it must be 0 or more", c.Orgs)
	}
	if c.Members < 0 || c.Members > seed.MaxMembers {
		return fmt.Errorf("--members is %d; it must be from 0 to %d", c.Members, seed.MaxMembers)
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
		if errors.Is(err, seed.ErrUnknownAccount) {
			return unknownAccount(c.Account)
		}
		if err != nil {
			return err
		}
		fmt.Fprintf(std.out, "account %s now has all %d sample organizations of seed %d\n", c.Account, c.Orgs, c.Seed)
		return nil
	})
}
