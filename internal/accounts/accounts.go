// Package accounts has the tenants, which own keys and organizations.
package accounts

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"orgd/internal/db"
	"orgd/internal/text"
	"orgd/internal/uuid"
)

// Account is a tenant.
type Account struct {
	ID        uuid.UUID
	Name      string
	CreatedAt time.Time
}

// Repository stores accounts in PostgreSQL.
type Repository struct{ db *db.Pool }

// NewRepository returns a repository on the pool.
func NewRepository(pool *db.Pool) *Repository { return &Repository{db: pool} }

const accountCreate = `
INSERT INTO accounts (id, name)
VALUES ($1, $2)
RETURNING id, name, created_at`

// MaxName is the maximum length of an account's name, in code points.
const MaxName = 255

// ValidName returns the name without the white space around it. Errors: see text.Line.
func ValidName(name string) (string, error) { return text.Line(name, MaxName) }

// Create creates an account. name is as ValidName returns it and need not be unique.
// Create calls show before the commit; if show fails, no account is created.
func (r *Repository) Create(ctx context.Context, name string, show func(Account) error) (Account, error) {
	var created Account
	err := r.db.WriteTx(ctx, func(ctx context.Context, q db.Querier) error {
		rows, err := q.Query(ctx, accountCreate, uuid.NewV7(), name)
		if err != nil {
			return err
		}
		if created, err = pgx.CollectExactlyOneRow(rows, pgx.RowToStructByPos[Account]); err != nil {
			return err
		}
		return show(created)
	})
	if err != nil {
		return Account{}, fmt.Errorf("create account: %w", err)
	}
	return created, nil
}

const accountList = `
SELECT id, name, created_at
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
