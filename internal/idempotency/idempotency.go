// Package idempotency keeps the first result of a call that its client has named
// (Idempotency-Key, draft-ietf-httpapi-idempotency-key-header), so that a repeat
// gets that result and has no effect of its own.
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

// Refusals are the errors that the state decides, by the names under which they
// are kept: a repeat meets them again.
type Refusals map[string]error

// outcome is the record of a first call: its result, or how it was refused. The JSON is
// that of version 1, which the golden files of internal/orgs and internal/apikeys hold.
type outcome[T any] struct {
	// Version is absent in version 1, as releases without this field write it. They do
	// not look at it, so a release that writes version 2 needs one before it that reads
	// version 2.
	Version int    `json:"Version,omitzero"`
	Result  T      `json:"Result"`
	Refusal string `json:"Refusal"`
}

// read takes what an earlier call, perhaps of another release, has stored.
func (o *outcome[T]) read(stored []byte) error {
	err := json.Unmarshal(stored, o)
	if err == nil && o.Version > 1 {
		err = fmt.Errorf("idempotency: stored result has version %d of a later release", o.Version)
	}
	return err
}

// Once runs effect in a transaction and keeps its result there, or returns the
// result that was kept for the key within the last 24 hours, and true. T goes
// through JSON. A refusal is a result too; after any other error of effect nothing
// has happened and nothing is kept. Errors: ErrReused, ErrInProgress,
// db.ErrUnavailable, and those of effect.
func Once[T any](ctx context.Context, share db.Share, key Key, refusals Refusals, effect func(context.Context, db.Querier) (T, error)) (result T, replayed bool, err error) {
	var first outcome[T]
	end, ok := share.TryTurn(key.lockID())
	if !ok {
		return first.Result, false, ErrInProgress
	}
	defer end()
	err = share.WriteTx(ctx, func(ctx context.Context, q db.Querier) error {
		if err := key.lock(ctx, q); err != nil {
			return err
		}
		kept, err := key.find(ctx, q)
		if err != nil {
			return err
		}
		if replayed = kept != nil; replayed {
			return first.read(kept)
		}
		first.Result, err = effect(ctx, q)
		if first.Refusal = refusals.name(err); err != nil && first.Refusal == "" {
			return err
		}
		return key.keep(ctx, q, first)
	})
	if err == nil && first.Refusal != "" {
		err = refusals.named(first.Refusal)
	}
	return first.Result, replayed, err
}

func (r Refusals) name(err error) string {
	for name, refusal := range r {
		if errors.Is(err, refusal) {
			return name
		}
	}
	return ""
}

func (r Refusals) named(name string) error {
	if refusal, known := r[name]; known {
		return refusal
	}
	return fmt.Errorf("idempotency: a refusal of a later release was kept: %q", name)
}

// lockID is the lock by which the calls of one name exclude each other, within the
// process as its turn, and between replicas in the database. Without it the second
// would wait for the first at the insert, and hold a connection meanwhile.
func (k Key) lockID() int64 { return db.LockID(k.accountID[:], k.name[:]) }

func (k Key) lock(ctx context.Context, q db.Querier) error {
	locked, err := db.TryLock(ctx, q, k.lockID())
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
