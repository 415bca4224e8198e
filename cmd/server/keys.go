package main

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"orgd/internal/apikeys"
	"orgd/internal/db"
	orgdhttp "orgd/internal/http"
	"orgd/internal/uuid"
)

type keysCommand struct {
	Create keysCreate `cmd:"" help:"Create a key. It is printed once and kept nowhere."`
	List   keysList   `cmd:"" help:"List keys, newest first; never the keys themselves."`
	Revoke keysRevoke `cmd:"" help:"End a key now."`
}

type keysCreate struct {
	databaseFlags `embed:""`
	Account       uuid.UUID       `required:"" placeholder:"ID" help:"The account that the key opens."`
	Description   string          `required:"" help:"What the key is for."`
	Scope         []apikeys.Scope `required:"" enum:"orgs:read,orgs:write,members:write,keys:manage,act-as-user" help:"A right that the key carries; repeat for more: ${enum}."`
	ExpiresIn     *time.Duration  `placeholder:"DURATION" help:"How long the key works, such as 720h (for ever)."`
	JSON          bool            `help:"Print the key as JSON."`
}

// Validate finds what the schema would refuse.
func (c *keysCreate) Validate() error {
	if c.ExpiresIn != nil && *c.ExpiresIn < time.Second {
		return fmt.Errorf("--expires-in is %s: give 1s or more, or leave it out for a key that never expires", *c.ExpiresIn)
	}
	return firstError(c.databaseFlags.Validate(), validText("--description", c.Description))
}

// Run prints the key, alone on its line so that it can be piped.
func (c *keysCreate) Run(ctx context.Context, std streams) error {
	return withPool(ctx, c.databaseFlags, func(pool *db.Pool) error {
		n := apikeys.NewAPIKey{AccountID: c.Account, Description: c.Description, Scopes: slices.Compact(slices.Sorted(slices.Values(c.Scope)))}
		if c.ExpiresIn != nil {
			n.ExpiresIn = *c.ExpiresIn
		}
		made, key, err := apikeys.NewRepository(pool).Create(ctx, n)
		if err != nil {
			return err
		}
		if c.JSON {
			object := orgdhttp.NewAPIKey(made)
			object.Key = key.Reveal()
			return printJSON(std.out, object)
		}
		fmt.Fprintln(std.out, key.Reveal())
		fmt.Fprintf(std.err, "Key %s of account %s. It is not shown again.\n", made.ID, made.AccountID)
		return nil
	})
}

type keysList struct {
	databaseFlags `embed:""`
	Account       *uuid.UUID `placeholder:"ID" help:"Only the keys of this account (all)."`
	JSON          bool       `help:"Print the keys as JSON."`
}

// Run prints a table, or the page object.
func (c *keysList) Run(ctx context.Context, std streams) error {
	return withPool(ctx, c.databaseFlags, func(pool *db.Pool) error {
		keys, err := listKeys(ctx, apikeys.NewRepository(pool), c.Account)
		if err != nil {
			return err
		}
		if c.JSON {
			page := orgdhttp.APIKeyPage{APIKeys: make([]orgdhttp.APIKey, 0, len(keys))}
			for _, k := range keys {
				page.APIKeys = append(page.APIKeys, orgdhttp.NewAPIKey(k))
			}
			return printJSON(std.out, page)
		}
		return printKeys(std.out, keys)
	})
}

func listKeys(ctx context.Context, repository *apikeys.Repository, account *uuid.UUID) ([]apikeys.APIKey, error) {
	if account == nil {
		return repository.ListAll(ctx)
	}
	return repository.List(ctx, *account)
}

func printKeys(w io.Writer, keys []apikeys.APIKey) error {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "ID\tACCOUNT\tHINT\tSCOPES\tCREATED\tEXPIRES\tREVOKED\tDESCRIPTION")
	for _, k := range keys {
		scopes := make([]string, len(k.Scopes))
		for i, s := range k.Scopes {
			scopes[i] = string(s)
		}
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%q\n", k.ID, k.AccountID, k.Hint, strings.Join(scopes, ","),
			formatTime(k.CreatedAt), formatTime(k.ExpiresAt), formatTime(k.RevokedAt), k.Description)
	}
	return table.Flush()
}

func formatTime(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return t.Format("2006-01-02T15:04:05Z")
}

type keysRevoke struct {
	databaseFlags `embed:""`
	ID            uuid.UUID `arg:"" help:"The key's id, as keys list shows it."`
	JSON          bool      `help:"Print the key as JSON."`
}

// Run prints when the key ended.
func (c *keysRevoke) Run(ctx context.Context, std streams) error {
	return withPool(ctx, c.databaseFlags, func(pool *db.Pool) error {
		revoked, err := apikeys.NewRepository(pool).Revoke(ctx, c.ID)
		if err != nil {
			return err
		}
		if c.JSON {
			return printJSON(std.out, orgdhttp.NewAPIKey(revoked))
		}
		fmt.Fprintln(std.out, "revoked", revoked.ID, "at", formatTime(revoked.RevokedAt))
		return nil
	})
}
