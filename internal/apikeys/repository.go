package apikeys

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"orgd/internal/db"
	"orgd/internal/uuid"
)

const apiKeyColumns = `
  id, account_id, description, hint, scopes, rate_limit, created_at, expires_at, revoked_at, last_used_at, created_by_api_key_id`

// isActive has the form that the index api_keys_live supports. It uses the statement's
// time instead of the transaction's, because a change may first wait for other changes of
// the account.
const isActive = `(revoked_at IS NULL AND coalesce(expires_at, 'infinity') > statement_timestamp())`

const apiKeyGet = `
SELECT` + apiKeyColumns + `
FROM api_keys
WHERE account_id = $1 AND id = $2`

const apiKeyFind = `
SELECT` + apiKeyColumns + `
FROM api_keys
WHERE id = $1`

const apiKeyState = `
SELECT ` + isActive + `, rotated_at IS NOT NULL
FROM api_keys
WHERE account_id = $1 AND id = $2`

// Repository stores keys in PostgreSQL.
type Repository struct {
	db      *db.Pool
	limits  Limits
	changed func(accountID uuid.UUID)
}

// NewRepository returns a repository on the pool, without limits.
func NewRepository(pool *db.Pool) *Repository {
	return &Repository{db: pool, changed: func(uuid.UUID) {}}
}

// OnChange sets the function that is called after each change of an account's keys. Call
// it before the repository is used.
func (r *Repository) OnChange(changed func(accountID uuid.UUID)) { r.changed = changed }

// reader is an account's share of the pool, or the pool itself.
type reader interface {
	Read(ctx context.Context, fn func(context.Context, db.Querier) error) error
}

// Get returns a key of the account. Errors: ErrNotFound, ErrUnavailable.
func (r *Repository) Get(ctx context.Context, accountID, id uuid.UUID) (APIKey, error) {
	return one(ctx, r.db.For(accountID), apiKeyGet, accountID, id)
}

// Find returns a key of any account, for an operator. Errors: ErrNotFound,
// ErrUnavailable.
func (r *Repository) Find(ctx context.Context, id uuid.UUID) (APIKey, error) {
	return one(ctx, r.db, apiKeyFind, id)
}

func one(ctx context.Context, from reader, sql string, args ...any) (key APIKey, err error) {
	err = from.Read(ctx, func(ctx context.Context, q db.Querier) (err error) {
		key, err = collectOne(q.Query(ctx, sql, args...))
		return err
	})
	if errors.Is(err, db.ErrNoRows) {
		return APIKey{}, ErrNotFound
	}
	if err != nil {
		return APIKey{}, fmt.Errorf("find key: %w", err)
	}
	return key, nil
}

// storedKey is a key with the state on which changes depend.
type storedKey struct {
	APIKey
	isActive  bool
	isRotated bool // a rotation has replaced it
}

func read(ctx context.Context, q db.Querier, accountID, id uuid.UUID) (stored storedKey, err error) {
	stored.APIKey, err = collectOne(q.Query(ctx, apiKeyGet, accountID, id))
	if errors.Is(err, db.ErrNoRows) {
		return storedKey{}, ErrNotFound
	}
	if err == nil {
		err = q.QueryRow(ctx, apiKeyState, accountID, id).Scan(&stored.isActive, &stored.isRotated)
	}
	return stored, err
}

func collectOne(rows pgx.Rows, err error) (APIKey, error) {
	if err != nil {
		return APIKey{}, err
	}
	return db.One(rows, scanAPIKey)
}

func scanAPIKey(row pgx.CollectableRow) (APIKey, error) {
	var k APIKey
	var expires, revoked, used *time.Time
	var creator *uuid.UUID
	err := row.Scan(&k.ID, &k.AccountID, &k.Description, &k.Hint, &k.Scopes, &k.RateLimit, &k.CreatedAt, &expires, &revoked, &used, &creator)
	k.ExpiresAt, k.RevokedAt, k.LastUsedAt = db.OrZero(expires), db.OrZero(revoked), db.OrZero(used)
	k.CreatedByAPIKeyID = db.OrZero(creator)
	return k, err
}
