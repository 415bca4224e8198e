package orgs

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"orgd/internal/db"
	"orgd/internal/idempotency"
)

// effect makes a change by one statement, which is a transaction by itself.
type effect func(context.Context, db.Querier) (Org, error)

// change runs an effect, at most once for an idempotency key; said is all that
// the call asks for. An error may be replayed too.
func (r *Repository) change(ctx context.Context, c Call, operation string, said any, run effect) (Changed, error) {
	var changed Changed
	var err error
	if c.IdempotencyKey == "" {
		err = r.db.Write(ctx, func(ctx context.Context, q db.Querier) (err error) {
			changed.Org, err = run(ctx, q)
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
	key := idempotency.NewKey(c.AccountID, operation, c.IdempotencyKey, call)
	first, replayed, err := idempotency.Once(ctx, r.db, key, func(ctx context.Context, q db.Querier) (result, error) {
		return newResult(run(ctx, q))
	})
	if err != nil {
		return Changed{}, err
	}
	return Changed{Org: first.Org, Replayed: replayed}, first.err()
}

// result is what is kept of a first call: the organization, or the refusal that
// its state decided.
type result struct {
	Org     Org
	Refusal string
}

// refusals are the errors that a repeat meets again, by the names under which
// they are kept.
var refusals = map[string]error{
	"not_found": ErrNotFound,
	"inactive":  ErrInactive,
	"version":   ErrVersion,
}

func newResult(org Org, err error) (result, error) {
	for name, refusal := range refusals {
		if errors.Is(err, refusal) {
			return result{Refusal: name}, nil
		}
	}
	return result{Org: org}, err
}

func (r result) err() error {
	if r.Refusal == "" {
		return nil
	}
	if refusal, known := refusals[r.Refusal]; known {
		return refusal
	}
	return fmt.Errorf("orgs: a result of a later release was kept: %q", r.Refusal)
}
