package main

import (
	"context"
	"fmt"

	"orgd/internal/accounts"
	"orgd/internal/db"
	orgdhttp "orgd/internal/http"
)

type accountsCommand struct {
	Create accountsCreate `cmd:"" help:"Create an account."`
}

type accountsCreate struct {
	databaseFlags `embed:""`
	Name          string `required:"" help:"What people call the account."`
	JSON          bool   `help:"Print the account as JSON."`
}

// Validate finds a name that the schema would refuse.
func (c *accountsCreate) Validate() error {
	return firstError(c.databaseFlags.Validate(), validText("--name", c.Name))
}

// Run prints the new account's id.
func (c *accountsCreate) Run(ctx context.Context, std streams) error {
	return withPool(ctx, c.databaseFlags, func(pool *db.Pool) error {
		made, err := accounts.NewRepository(pool).Create(ctx, c.Name)
		if err != nil {
			return err
		}
		if c.JSON {
			return printJSON(std.out, orgdhttp.NewAccount(made))
		}
		fmt.Fprintln(std.out, made.ID)
		return nil
	})
}
