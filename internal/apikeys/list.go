package apikeys

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"orgd/internal/cursor"
	"orgd/internal/db"
	"orgd/internal/uuid"
)

// The first page and the later pages have separate statements. One statement with
// "$3 IS NULL OR …" would filter rows instead of seeking in the index.
const apiKeyList = `
SELECT` + apiKeyColumns + `
FROM api_keys
WHERE account_id = $1
ORDER BY created_at DESC, id DESC
LIMIT $2`

const apiKeyListNext = `
SELECT` + apiKeyColumns + `
FROM api_keys
WHERE account_id = $1 AND (created_at, id) < ($3, $4)
ORDER BY created_at DESC, id DESC
LIMIT $2`

const apiKeyListAll = `
SELECT` + apiKeyColumns + `
FROM api_keys
WHERE $1::uuid IS NULL OR account_id = $1
ORDER BY created_at DESC, id DESC`

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
	pages := cursor.List[APIKey]{
		Scope: append([]byte("api_keys\x00"), accountID[:]...),
		First: apiKeyList,
		Next:  apiKeyListNext,
		Read: func(ctx context.Context, sql string, args ...any) ([]APIKey, error) {
			return list(ctx, r.db.For(accountID), sql, args...)
		},
		PositionOf: func(k APIKey) cursor.Position { return cursor.Position{CreatedAt: k.CreatedAt, ID: k.ID} },
	}
	keys, next, err := pages.Page(ctx, p.Limit, p.Cursor, accountID)
	if errors.Is(err, cursor.ErrInvalid) {
		err = ErrInvalidCursor
	}
	return Page{APIKeys: keys, Cursor: next}, err
}

// ListAll returns all keys, or all keys of one account, newest first, for an operator.
func (r *Repository) ListAll(ctx context.Context, accountID *uuid.UUID) ([]APIKey, error) {
	return list(ctx, r.db, apiKeyListAll, accountID)
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
