package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"text/tabwriter"

	"orgd/internal/accounts"
	"orgd/internal/db"
	"orgd/internal/progress"
	"orgd/internal/uuid"
	"orgd/internal/wire"
)

type accountsCommand struct {
	Create  accountsCreate  `cmd:"" help:"Create an account."`
	List    accountsList    `cmd:"" help:"List the accounts, newest first."`
	Suspend accountsSuspend `cmd:"" help:"Make all keys of an account invalid, immediately and on every server."`
	Resume  accountsResume  `cmd:"" help:"Make the keys of a suspended account valid again."`
	Delete  accountsDelete  `cmd:"" help:"Delete a suspended account and everything that belongs to it."`
}

type accountsCreate struct {
	databaseFlags `embed:""`
	Name          string `required:"" help:"Name of the account."`
	JSON          bool   `help:"Print the account as JSON."`
}

// Validate rejects an invalid account name.
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

// Run prints the accounts as a table, or with --json as an array of account objects.
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
		fmt.Fprintln(table, "ID\tCREATED\tSUSPENDED\tNAME")
		for _, a := range found {
			fmt.Fprintf(table, "%s\t%s\t%s\t%q\n", a.ID, formatTime(a.CreatedAt), formatSuspended(a), a.Name)
		}
		return table.Flush()
	})
}

func formatSuspended(a accounts.Account) string {
	if a.SuspendedAt == nil {
		return "-"
	}
	return formatTime(*a.SuspendedAt)
}

// accountFlags are the flags of a command for one account.
type accountFlags struct {
	databaseFlags `embed:""`
	ID            uuid.UUID `arg:"" help:"Id of the account (see accounts list)."`
}

// change runs fn, which changes the account, and prints the result: as JSON, or with
// show.
func (f accountFlags) change(ctx context.Context, std streams, asJSON bool, fn func(*accounts.Repository) (accounts.Account, error), show func(accounts.Account)) error {
	return withPool(ctx, f.databaseFlags, func(pool *db.Pool) error {
		changed, err := fn(accounts.NewRepository(pool))
		if errors.Is(err, accounts.ErrNotFound) {
			return unknownAccount(f.ID)
		}
		if err != nil {
			return err
		}
		if asJSON {
			return printJSON(std.out, wire.NewAccount(changed))
		}
		show(changed)
		return nil
	})
}

// unknownAccount is the error of a command for an account that does not exist.
func unknownAccount(id uuid.UUID) error {
	return fmt.Errorf("there is no account %s: see `server accounts list`", id)
}

// mustExist returns unknownAccount if the account does not exist.
func mustExist(ctx context.Context, pool *db.Pool, account uuid.UUID) error {
	exists, err := accounts.NewRepository(pool).Exists(ctx, account)
	if err == nil && !exists {
		err = unknownAccount(account)
	}
	return err
}

type accountsSuspend struct {
	accountFlags `embed:""`
	JSON         bool `help:"Print the account as JSON."`
}

// Run suspends the account and prints when it was suspended.
func (c *accountsSuspend) Run(ctx context.Context, std streams) error {
	return c.change(ctx, std, c.JSON, func(r *accounts.Repository) (accounts.Account, error) {
		return r.Suspend(ctx, c.ID)
	}, func(a accounts.Account) { fmt.Fprintln(std.out, "suspended", a.ID, "at", formatSuspended(a)) })
}

type accountsResume struct {
	accountFlags `embed:""`
	JSON         bool `help:"Print the account as JSON."`
}

// Run makes the keys of a suspended account valid again.
func (c *accountsResume) Run(ctx context.Context, std streams) error {
	return c.change(ctx, std, c.JSON, func(r *accounts.Repository) (accounts.Account, error) {
		return r.Resume(ctx, c.ID)
	}, func(a accounts.Account) { fmt.Fprintln(std.out, "resumed", a.ID) })
}

type accountsDelete struct {
	accountFlags `embed:""`
}

// Run deletes the account and shows a progress bar. If it is interrupted, the next run
// continues.
func (c *accountsDelete) Run(ctx context.Context, std streams) error {
	return withPool(ctx, c.databaseFlags, func(pool *db.Pool) error {
		var bar *progress.Bar
		rows, err := accounts.NewRepository(pool).Delete(ctx, c.ID, func(done, all int) {
			if bar == nil {
				bar = progress.New(std.err, all, "rows")
			}
			bar.Set(done)
		})
		if bar != nil {
			bar.Done()
		}
		switch {
		case errors.Is(err, accounts.ErrNotSuspended):
			return fmt.Errorf("account %s is not suspended: suspend it first with `server accounts suspend %s`. A suspension can be undone; a deletion cannot", c.ID, c.ID)
		case errors.Is(err, accounts.ErrNotFound):
			return unknownAccount(c.ID)
		case err != nil:
			return fmt.Errorf("%w (%d rows were deleted; run the command again to continue)", err, rows)
		}
		fmt.Fprintln(std.out, "deleted account", c.ID, "and", rows, "rows that belonged to it")
		return nil
	})
}
