package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

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

// withPool gives a command its connections.
func withPool(ctx context.Context, f databaseFlags, do func(*db.Pool) error) error {
	pool, err := db.Open(ctx, f.DatabaseURL.Reveal(), db.Options{MaxConns: 4})
	if err != nil {
		return err
	}
	defer pool.Close()
	if err := checkSchema(ctx, pool); err != nil {
		return err
	}
	return do(pool)
}

func validText(flag, text string) error {
	if n := utf8.RuneCountInString(text); n < 1 || n > 255 || !utf8.ValidString(text) || strings.ContainsRune(text, 0) {
		return fmt.Errorf("%s takes 1 to 255 characters of text", flag)
	}
	return nil
}

func printJSON(w io.Writer, v any) error {
	encoder := json.NewEncoder(w)
	encoder.SetIndent("", "  ")
	encoder.SetEscapeHTML(false)
	return encoder.Encode(v)
}
