package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"orgd/internal/apikeys"
	"orgd/internal/db"
	"orgd/internal/uuid"
	"orgd/internal/wire"
)

type keysCommand struct {
	Create   keysCreate   `cmd:"" help:"Create a key. The key is shown once; it is not stored. ORGD_MAX_KEYS_PER_ACCOUNT does not apply."`
	Generate keysGenerate `cmd:"" help:"Print a new key for ORGD_BOOTSTRAP_KEY_FILE. Needs no database; the key is not stored."`
	List     keysList     `cmd:"" help:"List keys, newest first, without their secrets."`
	Update   keysUpdate   `cmd:"" help:"Change a key's description, expiry or rate limit."`
	Rotate   keysRotate   `cmd:"" help:"Replace a key. The old key keeps working for some time (see --overlap). The new key is shown once; it is not stored."`
	Revoke   keysRevoke   `cmd:"" help:"Revoke a key immediately."`
}

// showing returns call with a function Show that prints the new key before the
// transaction commits. If the key cannot be printed, no key is created.
func showing(call apikeys.Call, std streams, asJSON bool) apikeys.Call {
	call.Show = func(created apikeys.Changed) error {
		if err := printCreated(std.out, created, asJSON); err != nil {
			return fmt.Errorf("no key was created, because the output could not be written: %w", err)
		}
		return nil
	}
	return call
}

type keysCreate struct {
	databaseFlags `embed:""`
	Account       uuid.UUID       `required:"" placeholder:"ID" help:"Account that gets the key."`
	Description   string          `required:"" help:"Purpose of the key."`
	Scope         []apikeys.Scope `required:"" enum:"orgs:read,orgs:write,orgs:delete,orgs:import,members:write,users:erase,keys:manage,events:read,webhooks:manage,act-as-user" help:"Scopes of the key, separated by commas: ${enum}."`
	ExpiresIn     *time.Duration  `placeholder:"DURATION" help:"Time until the key expires, such as 720h (default: never)."`
	RateLimit     *int32          `placeholder:"N" help:"Sustained requests per second; 0 for no limit (default: the server's ORGD_RATE_LIMIT)."`
	JSON          bool            `help:"Print the key as JSON."`
}

// Validate rejects values that the database schema would reject.
func (c *keysCreate) Validate() error {
	if c.ExpiresIn != nil && *c.ExpiresIn < time.Second {
		return fmt.Errorf("--expires-in is %s; it must be 1s or more (leave it out for a key that never expires)", *c.ExpiresIn)
	}
	return firstError(c.databaseFlags.Validate(), validText("--description", &c.Description, apikeys.ValidDescription), validOwnRate(c.RateLimit))
}

func validOwnRate(perSecond *int32) error {
	if perSecond != nil && (*perSecond < 0 || *perSecond > apikeys.MaxRateLimit) {
		return fmt.Errorf("--rate-limit is %d; it must be from 0 to %d", *perSecond, apikeys.MaxRateLimit)
	}
	return nil
}

// Run creates a key and prints it alone on a line, so that a script can read it.
func (c *keysCreate) Run(ctx context.Context, std streams) error {
	if err := std.out.mustBeOpen(); err != nil {
		return err
	}
	return withPool(ctx, c.databaseFlags, func(pool *db.Pool) error {
		n := apikeys.NewAPIKey{Description: c.Description, Scopes: slices.Compact(slices.Sorted(slices.Values(c.Scope)))}
		n.RateLimit = c.RateLimit
		if c.ExpiresIn != nil {
			n.Expiry = apikeys.ExpiresIn(*c.ExpiresIn)
		}
		created, err := apikeys.NewRepository(pool).Create(ctx, showing(apikeys.ByOperator(c.Account), std, c.JSON), n)
		if errors.Is(err, apikeys.ErrUnknownAccount) {
			return unknownAccount(c.Account)
		}
		if err != nil {
			return err
		}
		describeCreated(std.err, created, c.JSON)
		return nil
	})
}

func printCreated(w io.Writer, created apikeys.Changed, asJSON bool) error {
	if asJSON {
		object := wire.NewAPIKey(created.APIKey)
		object.Key = created.Key.Reveal()
		return printJSON(w, object)
	}
	_, err := fmt.Fprintln(w, created.Key.Reveal())
	return err
}

// describeCreated prints the ids of a new key, unless the JSON output already has them.
func describeCreated(w io.Writer, created apikeys.Changed, asJSON bool) {
	if !asJSON {
		fmt.Fprintf(w, "Created key %s for account %s. The key itself will not be shown again.\n", created.APIKey.ID, created.APIKey.AccountID)
	}
}

type keysGenerate struct{}

// Run prints a new key, which is not stored in any database.
func (c *keysGenerate) Run(std streams) error {
	if err := std.out.mustBeOpen(); err != nil {
		return err
	}
	_, err := fmt.Fprintln(std.out, apikeys.NewKey().Reveal())
	return err
}

type keysList struct {
	databaseFlags `embed:""`
	Account       *uuid.UUID `placeholder:"ID" help:"List only the keys of this account (default: all accounts)."`
	JSON          bool       `help:"Print the keys as JSON."`
}

// Run prints the keys as a table, or with --json as a page object of the API.
func (c *keysList) Run(ctx context.Context, std streams) error {
	if err := std.out.mustBeOpen(); err != nil {
		return err
	}
	return withPool(ctx, c.databaseFlags, func(pool *db.Pool) error {
		keys, err := apikeys.NewRepository(pool).ListAll(ctx, c.Account)
		if err != nil {
			return err
		}
		if c.JSON {
			return printJSON(std.out, wire.NewAPIKeyPage(apikeys.Page{APIKeys: keys}))
		}
		return printKeys(std.out, keys)
	})
}

func printKeys(w io.Writer, keys []apikeys.APIKey) error {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "ID\tACCOUNT\tHINT\tSCOPES\tCREATED\tEXPIRES\tLAST USED\tRATE\tREVOKED\tDESCRIPTION")
	for _, k := range keys {
		scopes := make([]string, len(k.Scopes))
		for i, s := range k.Scopes {
			scopes[i] = string(s)
		}
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%q\n", k.ID, k.AccountID, k.Hint, strings.Join(scopes, ","),
			formatTime(k.CreatedAt), formatTime(k.ExpiresAt), formatTime(k.LastUsedAt), formatRate(k.RateLimit), formatTime(k.RevokedAt), k.Description)
	}
	return table.Flush()
}

func formatRate(perSecond *int32) string {
	if perSecond == nil {
		return "-"
	}
	return strconv.Itoa(int(*perSecond))
}

func formatTime(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return t.Format("2006-01-02T15:04:05Z")
}

// keyFlags are the flags of a command for one key.
type keyFlags struct {
	databaseFlags `embed:""`
	ID            uuid.UUID `arg:"" help:"Id of the key (see keys list)."`
	JSON          bool      `help:"Print the key as JSON."`
}

// change calls fn, which changes the key, and passes the result to show.
func (f keyFlags) change(ctx context.Context, fn func(*apikeys.Repository, apikeys.Call) (apikeys.Changed, error), show func(apikeys.Changed) error) error {
	return withPool(ctx, f.databaseFlags, func(pool *db.Pool) error {
		repository := apikeys.NewRepository(pool)
		key, err := repository.Find(ctx, f.ID)
		if errors.Is(err, apikeys.ErrNotFound) {
			return fmt.Errorf("there is no key %s: see `server keys list`", f.ID)
		}
		if err != nil {
			return err
		}
		changed, err := fn(repository, apikeys.ByOperator(key.AccountID))
		if errors.Is(err, apikeys.ErrEnded) {
			return fmt.Errorf("key %s is revoked or expired: create a new one with `server keys create`", f.ID)
		}
		if err != nil {
			return err
		}
		return show(changed)
	})
}

type keysUpdate struct {
	keyFlags     `embed:""`
	Description  *string        `help:"Purpose of the key (default: unchanged)."`
	ExpiresIn    *time.Duration `placeholder:"DURATION" help:"Time from now until the key expires, such as 720h (default: unchanged)." xor:"expiry"`
	NeverExpires bool           `help:"Remove the expiry." xor:"expiry"`
	RateLimit    *int32         `placeholder:"N" help:"Sustained requests per second; 0 for no limit (default: unchanged)." xor:"rate"`
	DefaultRate  bool           `help:"Use the server's ORGD_RATE_LIMIT." xor:"rate"`
}

// Validate rejects values that the database schema would reject, and a command without
// changes.
func (c *keysUpdate) Validate() error {
	if err := c.databaseFlags.Validate(); err != nil {
		return err
	}
	if c.Description == nil && c.ExpiresIn == nil && !c.NeverExpires && c.RateLimit == nil && !c.DefaultRate {
		return errors.New("nothing to change: give --description, --expires-in, --never-expires, --rate-limit or --default-rate")
	}
	if c.ExpiresIn != nil && *c.ExpiresIn < time.Second {
		return fmt.Errorf("--expires-in is %s; it must be 1s or more (to disable the key now, revoke it)", *c.ExpiresIn)
	}
	if c.Description != nil {
		if err := validText("--description", c.Description, apikeys.ValidDescription); err != nil {
			return err
		}
	}
	return validOwnRate(c.RateLimit)
}

// Run changes the key and prints it as a table or as JSON.
func (c *keysUpdate) Run(ctx context.Context, std streams) error {
	changes := apikeys.Changes{Description: c.Description}
	switch {
	case c.NeverExpires:
		changes.Expiry = &apikeys.Expiry{}
	case c.ExpiresIn != nil:
		changes.Expiry = new(apikeys.ExpiresIn(*c.ExpiresIn))
	}
	if c.RateLimit != nil || c.DefaultRate {
		changes.RateLimit = apikeys.Some(c.RateLimit)
	}
	return c.change(ctx, func(r *apikeys.Repository, call apikeys.Call) (apikeys.Changed, error) {
		return r.Update(ctx, call, c.ID, changes)
	}, func(changed apikeys.Changed) error {
		if c.JSON {
			return printJSON(std.out, wire.NewAPIKey(changed.APIKey))
		}
		return printKeys(std.out, []apikeys.APIKey{changed.APIKey})
	})
}

type keysRotate struct {
	keyFlags `embed:""`
	Overlap  time.Duration `default:"24h" placeholder:"DURATION" help:"How long the old key keeps working; 0s to stop it immediately (default: ${default})."`
}

// Validate rejects an overlap that is out of range.
func (c *keysRotate) Validate() error {
	if c.Overlap < 0 || c.Overlap > apikeys.MaxOverlap {
		return fmt.Errorf("--overlap is %s; it must be from 0s to %s", c.Overlap, apikeys.MaxOverlap)
	}
	return c.databaseFlags.Validate()
}

// Run replaces the key and prints the new one alone on a line, so that a script can read
// it.
func (c *keysRotate) Run(ctx context.Context, std streams) error {
	if err := std.out.mustBeOpen(); err != nil {
		return err
	}
	return c.change(ctx, func(r *apikeys.Repository, call apikeys.Call) (apikeys.Changed, error) {
		return r.Rotate(ctx, showing(call, std, c.JSON), c.ID, c.Overlap)
	}, func(created apikeys.Changed) error {
		describeCreated(std.err, created, c.JSON)
		return nil
	})
}

type keysRevoke struct {
	keyFlags `embed:""`
}

// Run revokes the key and prints the time of the revocation.
func (c *keysRevoke) Run(ctx context.Context, std streams) error {
	return c.change(ctx, func(r *apikeys.Repository, call apikeys.Call) (apikeys.Changed, error) {
		return r.Revoke(ctx, call, c.ID)
	}, func(revoked apikeys.Changed) error {
		if c.JSON {
			return printJSON(std.out, wire.NewAPIKey(revoked.APIKey))
		}
		fmt.Fprintln(std.out, "revoked", revoked.APIKey.ID, "at", formatTime(revoked.APIKey.RevokedAt))
		return nil
	})
}
