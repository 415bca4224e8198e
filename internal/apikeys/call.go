package apikeys

import (
	"context"
	"fmt"

	"orgd/internal/db"
	"orgd/internal/idempotency"
	"orgd/internal/uuid"
)

const accountLock = `
SELECT
FROM accounts
WHERE id = $1
FOR NO KEY UPDATE`

// Call says who changes an account's keys, and how a retry of the request is recognized.
// The caller's key must still be valid. An operator has no key, and may make every
// change.
type Call struct {
	idempotency.Call

	// Show is called with the result before the commit. If it returns an error, nothing is
	// changed. It may be nil, and is not called for a retry that gets a stored result.
	Show func(Changed) error
}

// ByOperator returns a call by an operator on an account's keys. Its events have no
// actor, and a new request id from idempotency.OperatorRequestID.
func ByOperator(accountID uuid.UUID) Call {
	return Call{Call: idempotency.Call{AccountID: accountID, RequestID: idempotency.OperatorRequestID()}}
}

func (c Call) byOperator() bool { return c.KeyID == uuid.UUID{} }

// Changed is the result of a change.
type Changed struct {
	APIKey   APIKey
	Key      Key  // the new key in plain text, if this call created one
	Replayed bool // APIKey, or the error returned with it, is the result of the earlier call that this one retries
}

// effect makes a change in a transaction. g is what the caller may grant to another key.
type effect func(ctx context.Context, q db.Querier, g grants) (APIKey, Key, error)

// change runs an effect, at most once for each idempotency key. request has all
// parameters of the call. A new key is not stored in plain text, so a retry returns
// everything except the key.
//
// Changes of an account's keys take turns, because otherwise two keys that can manage
// keys could revoke each other. The caller's grants are read in its turn, because its key
// may have been revoked since it was authenticated.
func (r *Repository) change(ctx context.Context, c Call, operation string, request any, run effect) (changed Changed, err error) {
	inTurn := func(ctx context.Context, q db.Querier) (key APIKey, err error) {
		if _, err := q.Exec(ctx, accountLock, c.AccountID); err != nil {
			return APIKey{}, err
		}
		g, err := c.grants(ctx, q)
		if err != nil {
			return APIKey{}, err
		}
		key, changed.Key, err = run(ctx, q, g)
		if err == nil && c.Show != nil {
			err = c.Show(Changed{APIKey: key, Key: changed.Key})
		}
		return key, err
	}
	share := r.db.For(c.AccountID).AfterWrite(func() { r.changed(c.AccountID) }).InTurn(turnOf(c.AccountID))
	if c.IdempotencyKey == "" {
		err = share.WriteTx(ctx, func(ctx context.Context, q db.Querier) (err error) {
			changed.APIKey, err = inTurn(ctx, q)
			return err
		})
	} else {
		changed.APIKey, changed.Replayed, err = once(ctx, share, c, operation, request, inTurn)
	}
	if err != nil {
		return Changed{Replayed: changed.Replayed}, fmt.Errorf("%s: %w", operation, err)
	}
	return changed, nil
}

// turnOf returns the lock id for db.Share.InTurn. Between processes, the lock on the
// account's row makes changes take turns.
func turnOf(accountID uuid.UUID) int64 { return db.LockID([]byte("api_keys\x00"), accountID[:]) }

// storedErrors are the errors that depend on the state of the account's keys. A retry
// returns them again.
var storedErrors = idempotency.StoredErrors{
	"not_found":    ErrNotFound,
	"ended":        ErrEnded,
	"rotated":      ErrRotated,
	"last_manager": ErrLastManager,
}

func once(ctx context.Context, share db.Share, c Call, operation string, request any, run func(context.Context, db.Querier) (APIKey, error)) (APIKey, bool, error) {
	call, err := callText(c, request)
	if err != nil {
		return APIKey{}, false, err
	}
	name := idempotency.NewKey(c.AccountID, operation, c.IdempotencyKey, call)
	first, replayed, err := idempotency.Once(ctx, share, name, storedErrors, func(ctx context.Context, q db.Querier) (record, error) {
		changed, err := run(ctx, q)
		return record(changed), err
	})
	return APIKey(first), replayed, err
}
