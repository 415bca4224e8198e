// Package idempotency stores the first result of a call with an Idempotency-Key
// (draft-ietf-httpapi-idempotency-key-header). A retry gets that result and has no
// effect.
package idempotency

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"orgd/internal/db"
	"orgd/internal/text"
	"orgd/internal/uuid"
)

var (
	// ErrReused means that the key belongs to a different call.
	ErrReused = errors.New("idempotency: key reused for another call")
	// ErrInProgress means that the first call with this key is still running.
	ErrInProgress = errors.New("idempotency: first call in progress")
	// ErrIncomplete means that a part of the stored result was deleted with its
	// organization.
	ErrIncomplete = errors.New("idempotency: a part of the stored result was deleted")
)

// Key identifies a call of an account.
type Key struct {
	accountID uuid.UUID
	name      [sha256.Size]byte
	call      [sha256.Size]byte
	orgID     *uuid.UUID
}

// NewKey returns the Key of a call with the client's idempotency key. call has all
// parameters of the call. Two operations may use the same idempotency key.
func NewKey(accountID uuid.UUID, operation, clientKey string, call []byte) Key {
	return Key{
		accountID: accountID,
		name:      sha256.Sum256([]byte(operation + "\x00" + clientKey)),
		call:      sha256.Sum256(call),
	}
}

// About returns the key for a call that concerns an organization. The stored result is
// deleted with the organization.
func (k Key) About(orgID uuid.UUID) Key {
	k.orgID = &orgID
	return k
}

// StoredErrors are the errors that depend on stored state, by the names under which they
// are stored. A retry returns them again.
type StoredErrors map[string]error

// UnstoredError is the error of an effect that changed nothing, if a retry must run the
// effect again. The transaction is committed, because the state that the effect found may
// not be on a synchronous standby yet: a commit waits for the standby, a rollback does not.
type UnstoredError struct{ Err error }

func (e UnstoredError) Error() string { return e.Err.Error() }
func (e UnstoredError) Unwrap() error { return e.Err }

// outcome is the stored result of a first call, or its error. Its JSON is version 1; the
// golden files of internal/orgs and internal/apikeys show it.
type outcome[T any] struct {
	// Version is absent in version 1. A release may write version 2 only if the previous
	// release can read it.
	Version int    `json:"Version,omitzero"`
	Result  T      `json:"Result"`
	Error   string `json:"Refusal"` // a name in StoredErrors, or ""
}

// read decodes a stored outcome, which may be from another release.
func (o *outcome[T]) read(stored []byte) error {
	err := json.Unmarshal(stored, o)
	if err == nil && o.Version > 1 {
		err = fmt.Errorf("idempotency: stored result has version %d, from a later release", o.Version)
	}
	return err
}

// Once runs effect in a transaction and stores its result in the same transaction. If a
// result of the last 24 hours is stored for the key, Once returns that result and true
// instead. T is stored as JSON, so its fields need tags, and a test must compare them
// with a golden file. An error in stored is stored like a result. After an UnstoredError
// nothing is stored. After any other error of effect, the transaction is rolled back.
// Errors: ErrReused, ErrInProgress, db.ErrUnavailable, and those of effect.
func Once[T any](ctx context.Context, share db.Share, key Key, stored StoredErrors, effect func(context.Context, db.Querier) (T, error)) (result T, replayed bool, err error) {
	var first outcome[T]
	var unstored UnstoredError
	err = key.alone(ctx, share, func(ctx context.Context, q db.Querier, kept []byte) (err error) {
		if replayed = kept != nil; replayed {
			return first.read(kept)
		}
		first.Result, err = effect(ctx, q)
		if errors.As(err, &unstored) {
			return nil
		}
		if first.Error = stored.name(err); err != nil && first.Error == "" {
			return err
		}
		return key.keep(ctx, q, first)
	})
	switch {
	case err != nil:
	case unstored.Err != nil:
		err = unstored
	case first.Error != "":
		err = stored.named(first.Error)
	}
	return first.Result, replayed, err
}

// alone runs fn in a transaction while no other call with the key runs. kept is the stored
// result, or nil.
func (k Key) alone(ctx context.Context, share db.Share, fn func(ctx context.Context, q db.Querier, kept []byte) error) error {
	end, ok := share.TryTurn(k.lockID())
	if !ok {
		return ErrInProgress
	}
	defer end()
	return share.WriteTx(ctx, func(ctx context.Context, q db.Querier) error {
		if err := k.lock(ctx, q); err != nil {
			return err
		}
		kept, err := k.find(ctx, q)
		if err != nil {
			return err
		}
		return fn(ctx, q, kept)
	})
}

func (s StoredErrors) name(err error) string {
	for name, stored := range s {
		if errors.Is(err, stored) {
			return name
		}
	}
	return ""
}

func (s StoredErrors) named(name string) error {
	if stored, known := s[name]; known {
		return stored
	}
	return fmt.Errorf("idempotency: stored error %q is from a later release", name)
}

// lockID returns the lock of all calls with one key: a turn within the process, and an
// advisory lock between replicas. Without it, a second call would hold a connection while
// its INSERT waits for the first call.
func (k Key) lockID() int64 { return db.LockID(k.accountID[:], k.name[:]) }

func (k Key) lock(ctx context.Context, q db.Querier) error {
	locked, err := db.TryLock(ctx, q, k.lockID())
	if err == nil && !locked {
		return ErrInProgress
	}
	return err
}

// find returns the stored result, or nil. It runs after the lock in a separate statement:
// if one statement did both, its snapshot could be older than the lock.
func (k Key) find(ctx context.Context, q db.Querier) ([]byte, error) {
	rows, err := q.Query(ctx, keyFind, k.accountID, k.name[:])
	if err != nil {
		return nil, err
	}
	found, err := pgx.CollectRows(rows, pgx.RowToStructByPos[firstCall])
	switch {
	case err != nil || len(found) == 0:
		return nil, err
	case !bytes.Equal(found[0].Call, k.call[:]):
		return nil, ErrReused
	}
	return found[0].Result, nil
}

type firstCall struct{ Call, Result []byte }

func (k Key) keep(ctx context.Context, q db.Querier, result any) error {
	kept, err := text.MarshalJSON(result)
	if err != nil {
		return err
	}
	_, err = q.Exec(ctx, keyKeep, k.accountID, k.name[:], k.call[:], k.orgID, string(kept))
	return err
}

// Sweep deletes the results that are older than 24 hours, unless another replica is doing
// so, and returns their number.
func Sweep(ctx context.Context, pool *db.Pool) (int64, error) {
	swept, err := pool.Sweep(ctx, sweepLock, keySweep)
	if err != nil {
		return swept, fmt.Errorf("sweep idempotency keys: %w", err)
	}
	return swept, nil
}

const sweepLock = 0x6f7267642d6b6579 // "orgd-key"
