package apikeys

import (
	"context"
	"crypto/subtle"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"orgd/internal/db"
	"orgd/internal/uuid"
)

// Repository keeps keys in PostgreSQL.
type Repository struct{ db *db.Pool }

// NewRepository returns a repository on the pool.
func NewRepository(pool *db.Pool) *Repository { return &Repository{db: pool} }

// NewAPIKey says what a key to be made is for.
type NewAPIKey struct {
	AccountID   uuid.UUID
	Description string        // 1–255 code points
	Scopes      []Scope       // at least one
	ExpiresIn   time.Duration // 0: it never expires
}

// Create makes a key. The Key it returns is kept nowhere else. Errors:
// ErrUnknownAccount, ErrUnavailable.
func (r *Repository) Create(ctx context.Context, n NewAPIKey) (APIKey, Key, error) {
	key := NewKey()
	digest := key.Digest()
	var lifetime *float64
	if n.ExpiresIn > 0 {
		seconds := n.ExpiresIn.Seconds()
		lifetime = &seconds
	}
	var made APIKey
	err := r.db.Write(ctx, func(ctx context.Context, q db.Querier) (err error) {
		made, err = collectOne(q.Query(ctx, apiKeyCreate,
			n.AccountID, uuid.NewV7(), n.Description, digest[:], key.Hint(), n.Scopes, lifetime))
		return err
	})
	if errors.Is(err, db.ErrReference) {
		return APIKey{}, Key{}, ErrUnknownAccount
	}
	if err != nil {
		return APIKey{}, Key{}, fmt.Errorf("create key: %w", err)
	}
	return made, key, nil
}

// List returns the account's keys, newest first. An account that does not exist
// has none.
func (r *Repository) List(ctx context.Context, accountID uuid.UUID) ([]APIKey, error) {
	return r.list(ctx, apiKeyList, accountID)
}

// ListAll returns the keys of every account, newest first, for an operator.
func (r *Repository) ListAll(ctx context.Context) ([]APIKey, error) {
	return r.list(ctx, apiKeyListAll)
}

func (r *Repository) list(ctx context.Context, sql string, args ...any) ([]APIKey, error) {
	var keys []APIKey
	err := r.db.Read(ctx, func(ctx context.Context, q db.Querier) error {
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

// Revoke ends a key now. A key that is revoked already stays as it is. Errors:
// ErrNotFound, ErrUnavailable.
func (r *Repository) Revoke(ctx context.Context, id uuid.UUID) (APIKey, error) {
	var revoked APIKey
	err := r.db.Write(ctx, func(ctx context.Context, q db.Querier) (err error) {
		revoked, err = collectOne(q.Query(ctx, apiKeyRevoke, id))
		return err
	})
	if errors.Is(err, db.ErrNoRows) {
		return APIKey{}, ErrNotFound
	}
	if err != nil {
		return APIKey{}, fmt.Errorf("revoke key: %w", err)
	}
	return revoked, nil
}

// Authenticate returns whom the key in token speaks for. A token that cannot be
// a key costs no query. Errors: ErrInvalidKey, ErrUnavailable.
func (r *Repository) Authenticate(ctx context.Context, token string) (Principal, error) {
	key, err := ParseKey(token)
	if err != nil {
		return Principal{}, ErrInvalidKey
	}
	want := key.Digest()
	var p Principal
	var digest []byte
	err = r.db.Read(ctx, func(ctx context.Context, q db.Querier) error {
		p = Principal{}
		return q.QueryRow(ctx, apiKeyAuthenticate, want[:]).Scan(&p.AccountID, &p.KeyID, &digest, &p.Scopes)
	})
	if errors.Is(err, db.ErrNoRows) {
		return Principal{}, ErrInvalidKey
	}
	if err != nil {
		return Principal{}, fmt.Errorf("authenticate: %w", err)
	}
	if subtle.ConstantTimeCompare(digest, want[:]) != 1 {
		return Principal{}, ErrInvalidKey
	}
	return p, nil
}

func collectOne(rows pgx.Rows, err error) (APIKey, error) {
	if err != nil {
		return APIKey{}, err
	}
	return pgx.CollectExactlyOneRow(rows, scanAPIKey)
}

func scanAPIKey(row pgx.CollectableRow) (APIKey, error) {
	var k APIKey
	var expires, revoked, used *time.Time
	err := row.Scan(&k.ID, &k.AccountID, &k.Description, &k.Hint, &k.Scopes, &k.CreatedAt, &expires, &revoked, &used)
	k.ExpiresAt, k.RevokedAt, k.LastUsedAt = orZero(expires), orZero(revoked), orZero(used)
	return k, err
}

func orZero(t *time.Time) time.Time {
	if t == nil {
		return time.Time{}
	}
	return *t
}
