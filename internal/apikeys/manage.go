package apikeys

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"orgd/internal/db"
	"orgd/internal/idempotency"
	"orgd/internal/uuid"
)

// Call is who asks for a change of an account's keys, and how it may be repeated.
type Call struct {
	AccountID uuid.UUID
	Grants    []Scope   // those that the caller may hand on
	UserID    uuid.UUID // the person that the caller acts for; zero if none

	// KeepsManager refuses to revoke the account's last good key with KeysManage:
	// nobody could make another by HTTP.
	KeepsManager   bool
	IdempotencyKey string // the client's name for the call; empty if it has none
}

// Changed is the result of a change.
type Changed struct {
	APIKey   APIKey
	Key      Key  // in clear, if one was made; never that of an earlier call
	Replayed bool // it, or the error beside it, is the result of an earlier call
}

// NewAPIKey says what a key to be made is for.
type NewAPIKey struct {
	Description string        // 1–255 code points
	Scopes      []Scope       // at least one, each once
	ExpiresAt   time.Time     // zero: it never expires, or after ExpiresIn
	ExpiresIn   time.Duration // by the database's clock; 0: it never expires, or at ExpiresAt
	RateLimit   *int32        // 0 to MaxRateLimit requests a second, 0 for no limit; nil for the server's own
}

// Changes are what shall be different of a key; nil leaves as it is.
type Changes struct {
	Description *string
	ExpiresAt   *time.Time // zero: never
	RateLimit   **int32    // as in NewAPIKey
}

// MaxRateLimit is the highest rate that a key can have of its own.
const MaxRateLimit = 1_000_000

// MaxOverlap is the longest time for which a rotated key stays good.
const MaxOverlap = 30 * 24 * time.Hour

// LacksScopeError says that the caller lacks a scope that it would hand on.
type LacksScopeError struct{ Scope Scope }

func (e LacksScopeError) Error() string { return "apikeys: the caller lacks " + string(e.Scope) }

func (c Call) mayGrant(scopes []Scope) error {
	for _, scope := range scopes {
		if !slices.Contains(c.Grants, scope) {
			return LacksScopeError{scope}
		}
	}
	return nil
}

// Create makes a key. Changed.Key is kept nowhere else. Errors: LacksScopeError,
// ErrExpired, ErrUnknownAccount, ErrInProgress, ErrKeyReused, ErrUnavailable.
func (r *Repository) Create(ctx context.Context, c Call, n NewAPIKey) (Changed, error) {
	if err := c.mayGrant(n.Scopes); err != nil {
		return Changed{}, err
	}
	changed, err := r.change(ctx, c, "create key", n, func(ctx context.Context, q db.Querier) (APIKey, Key, error) {
		return insert(ctx, q, c.AccountID, n)
	})
	if errors.Is(err, db.ErrReference) {
		err = ErrUnknownAccount
	}
	return changed, err
}

// Update changes what a key is called and when it ends. A revoked key stays
// revoked. Errors: ErrNotFound, ErrExpired, ErrInProgress, ErrKeyReused,
// ErrUnavailable.
func (r *Repository) Update(ctx context.Context, c Call, id uuid.UUID, changes Changes) (Changed, error) {
	said := []any{id, changes}
	return r.change(ctx, c, "update key", said, func(ctx context.Context, q db.Querier) (APIKey, Key, error) {
		if _, err := lock(ctx, q, c.AccountID, id); err != nil {
			return APIKey{}, Key{}, err
		}
		var expires time.Time
		if changes.ExpiresAt != nil {
			expires = *changes.ExpiresAt
		}
		var rate *int32
		if changes.RateLimit != nil {
			rate = *changes.RateLimit
		}
		updated, err := collectOne(q.Query(ctx, apiKeyUpdate,
			id, changes.Description, changes.ExpiresAt != nil, orNull(expires), changes.RateLimit != nil, rate))
		if errors.Is(err, db.ErrNoRows) {
			err = ErrExpired
		}
		return updated, Key{}, err
	})
}

// Revoke ends a key now. A key that is revoked already stays as it is. Errors:
// ErrNotFound, ErrLastManager, ErrInProgress, ErrKeyReused, ErrUnavailable.
func (r *Repository) Revoke(ctx context.Context, c Call, id uuid.UUID) (Changed, error) {
	return r.change(ctx, c, "revoke key", id, func(ctx context.Context, q db.Querier) (APIKey, Key, error) {
		// One at a time for each account, or two managers could revoke each other.
		if _, err := q.Exec(ctx, accountLock, c.AccountID); err != nil {
			return APIKey{}, Key{}, err
		}
		if c.KeepsManager {
			var last bool
			if err := q.QueryRow(ctx, apiKeyIsLastManager, c.AccountID, id).Scan(&last); err != nil {
				return APIKey{}, Key{}, err
			}
			if last {
				return APIKey{}, Key{}, ErrLastManager
			}
		}
		revoked, err := collectOne(q.Query(ctx, apiKeyRevoke, c.AccountID, id))
		if errors.Is(err, db.ErrNoRows) {
			err = ErrNotFound
		}
		return revoked, Key{}, err
	})
}

// Rotate makes a key that does what another does, and lets the other end after
// the overlap (0 to MaxOverlap), unless it ends before. The new one lives as long
// as the other was made for. Errors: ErrNotFound, ErrEnded, LacksScopeError,
// ErrInProgress, ErrKeyReused, ErrUnavailable.
func (r *Repository) Rotate(ctx context.Context, c Call, id uuid.UUID, overlap time.Duration) (Changed, error) {
	said := []any{id, overlap}
	return r.change(ctx, c, "rotate key", said, func(ctx context.Context, q db.Querier) (APIKey, Key, error) {
		old, err := lock(ctx, q, c.AccountID, id)
		if err != nil {
			return APIKey{}, Key{}, err
		}
		if !old.isGood {
			return APIKey{}, Key{}, ErrEnded
		}
		if err := c.mayGrant(old.Scopes); err != nil {
			return APIKey{}, Key{}, err
		}
		n := NewAPIKey{Description: old.Description, Scopes: old.Scopes, RateLimit: old.RateLimit}
		if !old.ExpiresAt.IsZero() {
			n.ExpiresIn = old.ExpiresAt.Sub(old.CreatedAt)
		}
		if _, err := q.Exec(ctx, apiKeyEnd, id, overlap.Seconds()); err != nil {
			return APIKey{}, Key{}, err
		}
		return insert(ctx, q, c.AccountID, n)
	})
}

// insert makes a key, or returns ErrExpired.
func insert(ctx context.Context, q db.Querier, accountID uuid.UUID, n NewAPIKey) (APIKey, Key, error) {
	key := NewKey()
	digest := key.Digest()
	var lifetime *float64
	if n.ExpiresIn > 0 {
		seconds := n.ExpiresIn.Seconds()
		lifetime = &seconds
	}
	made, err := collectOne(q.Query(ctx, apiKeyCreate,
		accountID, uuid.NewV7(), n.Description, digest[:], key.Hint(), n.Scopes, orNull(n.ExpiresAt), lifetime, n.RateLimit))
	if errors.Is(err, db.ErrNoRows) {
		err = ErrExpired
	}
	return made, key, err
}

// lockedKey is a key that nobody else can change before the transaction ends.
type lockedKey struct {
	APIKey
	isGood bool
}

func lock(ctx context.Context, q db.Querier, accountID, id uuid.UUID) (lockedKey, error) {
	var locked lockedKey
	err := q.QueryRow(ctx, apiKeyLock, accountID, id).Scan(&locked.isGood)
	if errors.Is(err, pgx.ErrNoRows) {
		return lockedKey{}, ErrNotFound
	}
	if err != nil {
		return lockedKey{}, err
	}
	// A statement of its own: the snapshot of the first may be older than the lock.
	locked.APIKey, err = collectOne(q.Query(ctx, apiKeyGet, accountID, id))
	return locked, err
}

// effect makes a change in a transaction.
type effect func(context.Context, db.Querier) (APIKey, Key, error)

// change runs an effect, at most once for an idempotency key; said is all that
// the call asks for. The key that was made is not kept, so a repeat is told all
// but that.
func (r *Repository) change(ctx context.Context, c Call, operation string, said any, run effect) (changed Changed, err error) {
	if c.IdempotencyKey == "" {
		err = r.db.WriteTx(ctx, func(ctx context.Context, q db.Querier) (err error) {
			changed.APIKey, changed.Key, err = run(ctx, q)
			return err
		})
	} else {
		changed, err = r.changeOnce(ctx, c, operation, said, run)
	}
	if err != nil {
		return Changed{Replayed: changed.Replayed}, fmt.Errorf("%s: %w", operation, err)
	}
	return changed, nil
}

func (r *Repository) changeOnce(ctx context.Context, c Call, operation string, said any, run effect) (Changed, error) {
	call, err := json.Marshal([]any{c.UserID, said})
	if err != nil {
		return Changed{}, err
	}
	var key Key
	name := idempotency.NewKey(c.AccountID, operation, c.IdempotencyKey, call)
	first, replayed, err := idempotency.Once(ctx, r.db, name, func(ctx context.Context, q db.Querier) (result, error) {
		made, secret, err := run(ctx, q)
		key = secret
		return newResult(made, err)
	})
	if err != nil {
		return Changed{}, err
	}
	return Changed{APIKey: first.APIKey, Key: key, Replayed: replayed}, first.err()
}

// result is what is kept of a first call: the key's object, or the refusal that
// the state decided.
type result struct {
	APIKey  APIKey
	Refusal string
}

// refusals are the errors that a repeat meets again, by the names under which
// they are kept.
var refusals = map[string]error{
	"not_found":    ErrNotFound,
	"ended":        ErrEnded,
	"last_manager": ErrLastManager,
}

func newResult(k APIKey, err error) (result, error) {
	for name, refusal := range refusals {
		if errors.Is(err, refusal) {
			return result{Refusal: name}, nil
		}
	}
	return result{APIKey: k}, err
}

func (r result) err() error {
	if r.Refusal == "" {
		return nil
	}
	if refusal, known := refusals[r.Refusal]; known {
		return refusal
	}
	return fmt.Errorf("apikeys: a result of a later release was kept: %q", r.Refusal)
}

func orNull(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}
