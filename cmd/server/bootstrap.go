package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"strings"
	"time"

	"orgd/internal/accounts"
	"orgd/internal/apikeys"
	"orgd/internal/db"
	"orgd/internal/uuid"
)

// bootstrapFlags let `migrate up` create a first account and register its key. They are
// for automated deployments, which cannot read a key from the output of a command. `serve`
// has no such flags, because its database role may not create accounts.
type bootstrapFlags struct {
	Account string          `env:"ORGD_BOOTSTRAP_ACCOUNT" name:"bootstrap-account" placeholder:"NAME" help:"Name of an account, which is created if it does not exist, or the id of an existing account (default: none)."`
	KeyFile string          `env:"ORGD_BOOTSTRAP_KEY_FILE" name:"bootstrap-key-file" placeholder:"FILE" help:"File that contains a key to register for that account; generate the key with 'server keys generate'. A key that is already registered is not changed (default: none)."`
	Scopes  []apikeys.Scope `env:"ORGD_BOOTSTRAP_SCOPES" name:"bootstrap-scopes" placeholder:"SCOPE" help:"Scopes of a newly registered key, separated by commas; an already registered key keeps its scopes (default: all)."`

	key apikeys.Key // the content of KeyFile, read by Validate
}

// Validate also reads the key, so that an invalid file is reported before anything
// changes.
func (f *bootstrapFlags) Validate() error {
	if f.Account == "" && f.KeyFile == "" {
		return nil
	}
	if f.Account == "" || f.KeyFile == "" {
		return errors.New("only one of ORGD_BOOTSTRAP_ACCOUNT and ORGD_BOOTSTRAP_KEY_FILE is set: set both, or neither")
	}
	if err := validText("ORGD_BOOTSTRAP_ACCOUNT", &f.Account, accounts.ValidName); err != nil {
		return err
	}
	for i, scope := range f.Scopes {
		if !slices.Contains(apikeys.Scopes, scope) || slices.Contains(f.Scopes[:i], scope) {
			return fmt.Errorf("ORGD_BOOTSTRAP_SCOPES contains %q, which is unknown or repeated; the scopes are %s", scope, listScopes(apikeys.Scopes))
		}
	}
	key, err := readKeyFile(f.KeyFile)
	if err != nil {
		return fmt.Errorf("ORGD_BOOTSTRAP_KEY_FILE: %w", err)
	}
	f.key = key
	return nil
}

func listScopes(scopes []apikeys.Scope) string {
	names := make([]string, len(scopes))
	for i, scope := range scopes {
		names[i] = string(scope)
	}
	return strings.Join(names, ",")
}

// readKeyFile reads the key in a file. The key may be followed by one line break. Errors
// do not quote the content of the file.
func readKeyFile(path string) (apikeys.Key, error) {
	// Check the type before opening the file: opening a pipe would block.
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return apikeys.Key{}, err
	case !info.Mode().IsRegular():
		return apikeys.Key{}, fmt.Errorf("%s is not a regular file", path)
	case info.Mode().Perm()&0o002 != 0:
		return apikeys.Key{}, fmt.Errorf("%s has mode %04o, so any user can replace the key: run `chmod o-w %[1]s`", path, info.Mode().Perm())
	}
	file, err := os.Open(path)
	if errors.Is(err, fs.ErrPermission) {
		return apikeys.Key{}, fmt.Errorf("%s has mode %04o, so user %d cannot read it: chown it to that user, or make it readable", path, info.Mode().Perm(), os.Getuid())
	}
	if err != nil {
		return apikeys.Key{}, err
	}
	defer file.Close()
	text, err := io.ReadAll(io.LimitReader(file, 1024))
	if err != nil {
		return apikeys.Key{}, err
	}
	return keyIn(path, text)
}

// keyIn returns the key in text, the content of the file at path.
func keyIn(path string, text []byte) (apikeys.Key, error) {
	key, err := apikeys.ParseKey(string(bytes.TrimSuffix(text, []byte("\n"))))
	switch {
	case err == nil && !key.IsVaried():
		return apikeys.Key{}, fmt.Errorf("the key in %s is not random: generate one with `server keys generate`", path)
	case err == nil:
		return key, nil
	case len(bytes.TrimSpace(text)) == 0:
		return apikeys.Key{}, fmt.Errorf("%s is empty: generate a key with `server keys generate`", path)
	case bytes.ContainsRune(text, '\r'):
		return apikeys.Key{}, fmt.Errorf("%s has Windows line breaks (CRLF): save it with LF, or without a line break", path)
	case bytes.HasPrefix(text, []byte("\ufeff")):
		return apikeys.Key{}, fmt.Errorf("%s begins with a byte order mark: save it without one", path)
	case len(bytes.Fields(text)) > 1:
		return apikeys.Key{}, fmt.Errorf("%s contains more than one key, or other text: leave only the key", path)
	case bytes.ContainsAny(text, " \t\v\f\n"):
		return apikeys.Key{}, fmt.Errorf("%s has white space around the key: leave only the key, and at most one line break after it", path)
	}
	return apikeys.Key{}, fmt.Errorf("%s does not contain a valid key: generate one with `server keys generate`", path)
}

// run creates the account and registers the key if they do not exist, and prints what it
// did. It does not change what exists: a revoked key stays revoked.
func (f *bootstrapFlags) run(ctx context.Context, pool *db.Pool, w io.Writer) error {
	if f.Account == "" {
		return nil
	}
	n := apikeys.NewAPIKey{Description: "Bootstrap", Scopes: apikeys.Scopes}
	if len(f.Scopes) > 0 {
		n.Scopes = f.Scopes
	}
	var registered apikeys.Registered
	wanted := accounts.Wanted{Name: f.Account}
	if id, err := uuid.Parse(f.Account); err == nil {
		wanted = accounts.Wanted{ID: id}
	}
	account, isNew, err := accounts.NewRepository(pool).Ensure(ctx, wanted, func(ctx context.Context, q db.Querier, account accounts.Account) (err error) {
		registered, err = apikeys.Register(ctx, q, account.ID, f.key, n)
		return err
	})
	if err != nil {
		return fmt.Errorf("bootstrap: %w", err)
	}
	if isNew {
		fmt.Fprintln(w, "created account", account.ID)
	}
	switch {
	case registered.IsNew:
		fmt.Fprintln(w, "registered key", registered.APIKey.ID, "for account", account.ID)
	case !registered.APIKey.RevokedAt.IsZero():
		fmt.Fprintln(w, "key", registered.APIKey.ID, "of account", account.ID, "already exists. It was revoked, and stays revoked")
	case !registered.APIKey.ExpiresAt.IsZero() && registered.APIKey.ExpiresAt.Before(time.Now()):
		fmt.Fprintln(w, "key", registered.APIKey.ID, "of account", account.ID, "already exists. It expired at", formatTime(registered.APIKey.ExpiresAt)+", and stays expired")
	case !registered.APIKey.ExpiresAt.IsZero():
		fmt.Fprintln(w, "key", registered.APIKey.ID, "of account", account.ID, "already exists, and expires at", formatTime(registered.APIKey.ExpiresAt))
	default:
		fmt.Fprintln(w, "key", registered.APIKey.ID, "of account", account.ID, "already exists")
	}
	return nil
}
