package webhooks

import (
	"context"
	"fmt"

	"orgd/internal/db"
	"orgd/internal/idempotency"
	"orgd/internal/uuid"
)

// Changed is the result of a change.
type Changed struct {
	Webhook  Webhook
	Secret   *Secret // the new secret, if this call created one
	Replayed bool    // Webhook, or the error returned with it, is the result of the earlier call that this one retries
}

// effect makes a change in a transaction.
type effect func(ctx context.Context, q db.Querier) (Webhook, *Secret, error)

// storedErrors are the errors that depend on the state of the account's endpoints. A retry
// returns them again.
var storedErrors = idempotency.StoredErrors{
	"not_found":      ErrNotFound,
	"events_deleted": ErrEventsDeleted,
	"position_ahead": ErrPositionAhead,
}

// change runs an effect, at most once for each idempotency key. request has all
// parameters of the call. A new secret is not part of the stored result, so a retry
// returns everything except the secret.
func (r *Repository) change(ctx context.Context, c idempotency.Call, operation string, request any, run effect) (changed Changed, err error) {
	inTx := func(ctx context.Context, q db.Querier) (w Webhook, err error) {
		w, changed.Secret, err = run(ctx, q)
		return w, err
	}
	share := r.db.For(c.AccountID).AfterWrite(func() { r.changed(c.AccountID) }).InTurn(turnOf(c.AccountID))
	if c.IdempotencyKey == "" {
		err = share.WriteTx(ctx, func(ctx context.Context, q db.Querier) (err error) {
			changed.Webhook, err = inTx(ctx, q)
			return err
		})
	} else {
		changed.Webhook, changed.Replayed, err = once(ctx, share, c, operation, request, inTx)
	}
	if err != nil {
		return Changed{Replayed: changed.Replayed}, fmt.Errorf("%s: %w", operation, err)
	}
	return changed, nil
}

// turnOf returns the lock id for db.Share.InTurn.
func turnOf(accountID uuid.UUID) int64 { return db.LockID([]byte("webhooks\x00"), accountID[:]) }

func once(ctx context.Context, share db.Share, c idempotency.Call, operation string, request any, run func(context.Context, db.Querier) (Webhook, error)) (Webhook, bool, error) {
	call, err := callText(c, request)
	if err != nil {
		return Webhook{}, false, err
	}
	name := idempotency.NewKey(c.AccountID, operation, c.IdempotencyKey, call)
	first, replayed, err := idempotency.Once(ctx, share, name, storedErrors, func(ctx context.Context, q db.Querier) (record, error) {
		changed, err := run(ctx, q)
		return record(changed), err
	})
	return Webhook(first), replayed, err
}

const webhookLock = webhookGet + `
FOR UPDATE`

// locked returns an endpoint and locks its row.
func locked(ctx context.Context, q db.Querier, accountID, id uuid.UUID) (Webhook, error) {
	return oneWebhook(q.Query(ctx, webhookLock, accountID, id))
}
