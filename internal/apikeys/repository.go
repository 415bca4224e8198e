package apikeys

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"orgd/internal/cursor"
	"orgd/internal/db"
	"orgd/internal/uuid"
)

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

// ListParams select a page of an account's keys.
type ListParams struct {
	Limit  int    // 1 to cursor.MaxLimit
	Cursor string // Page.Cursor of the previous page; empty for the first page
}

// Page is one page of an account's keys, newest first.
type Page struct {
	APIKeys []APIKey
	Cursor  string // for the next page; empty on the last page
}

// List returns a page of the account's keys, including those that have ended. An account
// that does not exist has none. Errors: ErrInvalidCursor, ErrUnavailable.
func (r *Repository) List(ctx context.Context, accountID uuid.UUID, p ListParams) (Page, error) {
	if p.Limit < 1 || p.Limit > cursor.MaxLimit {
		return Page{}, fmt.Errorf("apikeys: limit %d is not between 1 and %d", p.Limit, cursor.MaxLimit)
	}
	scope := append([]byte("api_keys\x00"), accountID[:]...)
	sql, args := apiKeyList, []any{accountID, p.Limit + 1}
	if p.Cursor != "" {
		after, err := cursor.Decode(p.Cursor, scope)
		if err != nil {
			return Page{}, ErrInvalidCursor
		}
		sql, args = apiKeyListNext, append(args, after.CreatedAt, after.ID)
	}
	keys, err := list(ctx, r.db.For(accountID), sql, args...)
	if err != nil || len(keys) <= p.Limit {
		return Page{APIKeys: keys}, err
	}
	keys = keys[:p.Limit]
	last := keys[p.Limit-1]
	return Page{APIKeys: keys, Cursor: cursor.Encode(cursor.Position{CreatedAt: last.CreatedAt, ID: last.ID}, scope)}, nil
}

// ListAll returns all keys, or all keys of one account, newest first, for an operator.
func (r *Repository) ListAll(ctx context.Context, accountID *uuid.UUID) ([]APIKey, error) {
	return list(ctx, r.db, apiKeyListAll, accountID)
}

// reader is an account's share of the pool, or the pool itself.
type reader interface {
	Read(ctx context.Context, fn func(context.Context, db.Querier) error) error
}

func list(ctx context.Context, from reader, sql string, args ...any) ([]APIKey, error) {
	var keys []APIKey
	err := from.Read(ctx, func(ctx context.Context, q db.Querier) error {
		rows, err := q.Query(ctx, sql, args...)
		if err != nil {
			return err
		}
		keys, err = pgx.CollectRows(rows, scanAPIKey)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list keys: %w", err)
	}
	return keys, nil
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
