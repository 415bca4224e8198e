package main

import (
	"context"
	"fmt"
	"io"
	"text/tabwriter"

	"orgd/internal/accounts"
	"orgd/internal/db"
	"orgd/internal/wire"
)

type accountsCommand struct {
	Create accountsCreate `cmd:"" help:"Create an account."`
	List   accountsList   `cmd:"" help:"List the accounts, newest first."`
}

type accountsCreate struct {
	databaseFlags `embed:""`
	Name          string `required:"" help:"Name of the account."`
	JSON          bool   `help:"Print the account as JSON."`
}

// Validate rejects a name that no account can have.
func (c *accountsCreate) Validate() error {
	return firstError(c.databaseFlags.Validate(), validText("--name", &c.Name, accounts.ValidName))
}

// Run creates an account and prints its id. If the id cannot be printed, no account is
// created.
func (c *accountsCreate) Run(ctx context.Context, std streams) error {
	if err := std.out.mustBeOpen(); err != nil {
		return err
	}
	return withPool(ctx, c.databaseFlags, func(pool *db.Pool) error {
		_, err := accounts.NewRepository(pool).Create(ctx, c.Name, func(created accounts.Account) error {
			if err := printAccount(std.out, created, c.JSON); err != nil {
				return fmt.Errorf("no account was created, because the output could not be written: %w", err)
			}
			return nil
		})
		return err
	})
}

func printAccount(w io.Writer, created accounts.Account, asJSON bool) error {
	if asJSON {
		return printJSON(w, wire.NewAccount(created))
	}
	_, err := fmt.Fprintln(w, created.ID)
	return err
}

type accountsList struct {
	databaseFlags `embed:""`
	JSON          bool `help:"Print the accounts as JSON."`
}

// Run prints a table, or an array of account objects.
func (c *accountsList) Run(ctx context.Context, std streams) error {
	if err := std.out.mustBeOpen(); err != nil {
		return err
	}
	return withPool(ctx, c.databaseFlags, func(pool *db.Pool) error {
		found, err := accounts.NewRepository(pool).List(ctx)
		if err != nil {
			return err
		}
		if c.JSON {
			objects := make([]wire.Account, 0, len(found))
			for _, a := range found {
				objects = append(objects, wire.NewAccount(a))
			}
			return printJSON(std.out, objects)
		}
		table := tabwriter.NewWriter(std.out, 0, 0, 2, ' ', 0)
		fmt.Fprintln(table, "ID\tCREATED\tNAME")
		for _, a := range found {
			fmt.Fprintf(table, "%s\t%s\t%q\n", a.ID, formatTime(a.CreatedAt), a.Name)
		}
		return table.Flush()
	})
}
