// Package accounts stores the accounts, which are the tenants. They own keys and
// organizations.
package accounts

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"orgd/internal/db"
	"orgd/internal/idempotency"
	"orgd/internal/text"
	"orgd/internal/uuid"
)

// Account is a tenant.
type Account struct {
	ID        uuid.UUID
	Name      string
	CreatedAt time.Time
	// SuspendedAt is when the account was suspended, or nil if it is not. The keys of a
	// suspended account are invalid.
	SuspendedAt *time.Time
}

// Repository stores accounts in PostgreSQL.
type Repository struct{ db *db.Pool }

// NewRepository returns a repository on the pool.
func NewRepository(pool *db.Pool) *Repository { return &Repository{db: pool} }

const accountColumns = `id, name, created_at, suspended_at`

const (
	accountCreate = `
INSERT INTO accounts (id, name)
VALUES ($1, $2)
RETURNING ` + accountColumns

	accountEvent = `
INSERT INTO events (account_id, type, request_id)
VALUES ($1, $2, $3)`
)

// MaxName is the maximum length of an account's name, in code points.
const MaxName = 255

// ValidName returns the name without the white space around it. Errors: see text.Line.
func ValidName(name string) (string, error) { return text.Line(name, MaxName) }

// Create creates an account. name must be a result of ValidName, and need not be unique.
// Create calls show before the commit; if show fails, no account is created.
func (r *Repository) Create(ctx context.Context, name string, show func(Account) error) (Account, error) {
	var created Account
	err := r.db.WriteTx(ctx, func(ctx context.Context, q db.Querier) (err error) {
		if created, err = create(ctx, q, name); err != nil {
			return err
		}
		return show(created)
	})
	if err != nil {
		return Account{}, fmt.Errorf("create account: %w", err)
	}
	return created, nil
}

func create(ctx context.Context, q db.Querier, name string) (Account, error) {
	created, err := one(q.Query(ctx, accountCreate, uuid.NewV7(), name))
	if err != nil {
		return Account{}, err
	}
	return created, recordEvent(ctx, q, created.ID, "account.created")
}

// recordEvent records an operator's change of an account.
func recordEvent(ctx context.Context, q db.Querier, id uuid.UUID, event string) error {
	_, err := q.Exec(ctx, accountEvent, id, event, idempotency.OperatorRequestID())
	return err
}

const (
	accountNamed = `
SELECT ` + accountColumns + `
FROM accounts
WHERE name = $1
LIMIT 2`

	accountGet = `
SELECT ` + accountColumns + `
FROM accounts
WHERE id = $1`

	// The lock is held until the commit, so that two calls do not both create the account.
	ensureLock = `SELECT pg_advisory_xact_lock($1)`
)

const ensureLockID = 0x6f7267642d616363 // "orgd-acc"

var (
	// ErrNotFound means that there is no account with this id.
	ErrNotFound = errors.New("accounts: no such account")
	// ErrAmbiguous means that several accounts have this name.
	ErrAmbiguous = errors.New("accounts: several accounts have this name; give an account id instead")
)

// Wanted says which account Ensure returns: the one with the ID or, if ID is zero, the
// one with the name.
type Wanted struct {
	ID   uuid.UUID
	Name string // as ValidName returns it
}

// Ensure returns the wanted account. If it is given by name and no account has the name,
// Ensure creates one. Before the commit, Ensure calls the function `then`; if that fails,
// nothing changes. Errors: ErrNotFound, ErrAmbiguous, and those of `then`.
func (r *Repository) Ensure(ctx context.Context, w Wanted, then func(context.Context, db.Querier, Account) error) (account Account, isNew bool, err error) {
	err = r.db.WriteTx(ctx, func(ctx context.Context, q db.Querier) error {
		if _, err := q.Exec(ctx, ensureLock, int64(ensureLockID)); err != nil {
			return err
		}
		found, err := w.find(ctx, q)
		switch {
		case err != nil:
			return err
		case len(found) > 1:
			return ErrAmbiguous
		case len(found) == 1:
			account, isNew = found[0], false
		case w.ID != uuid.UUID{}:
			return ErrNotFound
		default:
			if account, err = create(ctx, q, w.Name); err != nil {
				return err
			}
			isNew = true
		}
		return then(ctx, q, account)
	})
	if err != nil {
		return Account{}, false, fmt.Errorf("ensure account: %w", err)
	}
	return account, isNew, nil
}

func (w Wanted) find(ctx context.Context, q db.Querier) ([]Account, error) {
	sql, arg := accountNamed, any(w.Name)
	if w.ID != (uuid.UUID{}) {
		sql, arg = accountGet, w.ID
	}
	rows, err := q.Query(ctx, sql, arg)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowToStructByPos[Account])
}

const accountList = `
SELECT ` + accountColumns + `
FROM accounts
ORDER BY created_at DESC, id DESC`

// List returns all accounts, newest first, for an operator.
func (r *Repository) List(ctx context.Context) ([]Account, error) {
	var found []Account
	err := r.db.Read(ctx, func(ctx context.Context, q db.Querier) error {
		rows, err := q.Query(ctx, accountList)
		if err != nil {
			return err
		}
		found, err = pgx.CollectRows(rows, pgx.RowToStructByPos[Account])
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list accounts: %w", err)
	}
	return found, nil
}

// get runs accountGet or accountHold. It returns ErrNotFound if there is no such account.
func get(ctx context.Context, q db.Querier, sql string, id uuid.UUID) (Account, error) {
	found, err := one(q.Query(ctx, sql, id))
	if errors.Is(err, db.ErrNoRows) {
		err = ErrNotFound
	}
	return found, err
}

// one returns the single row of a query, or db.ErrNoRows.
func one(rows pgx.Rows, err error) (Account, error) {
	if err != nil {
		return Account{}, err
	}
	return db.One(rows, pgx.RowToStructByPos[Account])
}
