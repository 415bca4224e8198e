package apikeys

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"orgd/internal/db"
	"orgd/internal/idempotency"
)

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
	call, err := json.Marshal([]any{c.KeyID, c.UserID, said})
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
