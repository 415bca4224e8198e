// Package idempotency keeps the first result of a call that its client has named
// (Idempotency-Key, draft-ietf-httpapi-idempotency-key-header), so that a repeat
// gets that result and has no effect of its own.
package idempotency

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"orgd/internal/db"
	"orgd/internal/uuid"
)

var (
	// ErrReused: the key has named another call before.
	ErrReused = errors.New("idempotency: key reused for another call")
	// ErrInProgress: the first call of this name still runs.
	ErrInProgress = errors.New("idempotency: first call in progress")
)

// Key names a call of an account.
type Key struct {
	accountID uuid.UUID
	name      [sha256.Size]byte
	call      [sha256.Size]byte
}

// NewKey returns the name that a client gave to a call of an operation; call is
// all that it said. Two operations may use one name.
func NewKey(accountID uuid.UUID, operation, clientKey string, call []byte) Key {
	return Key{
		accountID: accountID,
		name:      sha256.Sum256([]byte(operation + "\x00" + clientKey)),
		call:      sha256.Sum256(call),
	}
}

// Once runs effect in a transaction and keeps its result there, or returns the
// result that was kept for the key within the last 24 hours, and true. T goes
// through JSON. After an error of effect nothing has happened and nothing is
// kept. Errors: ErrReused, ErrInProgress, db.ErrUnavailable, and those of effect.
func Once[T any](ctx context.Context, pool *db.Pool, key Key, effect func(context.Context, db.Querier) (T, error)) (result T, replayed bool, err error) {
	err = pool.WriteTx(ctx, func(ctx context.Context, q db.Querier) error {
		if err := key.lock(ctx, q); err != nil {
			return err
		}
		kept, err := key.find(ctx, q)
		if err != nil {
			return err
		}
		if replayed = kept != nil; replayed {
			return json.Unmarshal(kept, &result)
		}
		if result, err = effect(ctx, q); err != nil {
			return err
		}
		return key.keep(ctx, q, result)
	})
	return result, replayed, err
}

// lock makes the calls of one name exclude each other. Without it the second
// would wait for the first at the insert, and hold a connection meanwhile.
func (k Key) lock(ctx context.Context, q db.Querier) error {
	id := sha256.Sum256(append(k.accountID[:], k.name[:]...))
	locked, err := db.TryLock(ctx, q, int64(binary.BigEndian.Uint64(id[:])))
	if err == nil && !locked {
		return ErrInProgress
	}
	return err
}

// find returns the kept result, or nil. It is a statement of its own, after the
// lock: the snapshot of one that did both could be older than the lock.
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
	kept, err := json.Marshal(result)
	if err != nil {
		return err
	}
	_, err = q.Exec(ctx, keyKeep, k.accountID, k.name[:], k.call[:], string(kept))
	return err
}

// Sweep deletes the results whose time is over, unless another replica does, and
// returns how many.
func Sweep(ctx context.Context, pool *db.Pool) (int64, error) {
	swept, err := pool.Sweep(ctx, sweepLock, keySweep)
	if err != nil {
		return swept, fmt.Errorf("sweep idempotency keys: %w", err)
	}
	return swept, nil
}

const sweepLock = 0x6f7267642d6b6579 // "orgd-key"
