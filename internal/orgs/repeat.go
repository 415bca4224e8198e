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

// change runs an effect on the share, at most once for an idempotency key; said is all that
// the call asks for. An error may be replayed too.
func (r *Repository) change(ctx context.Context, share db.Share, c Call, operation string, said any, run effect) (Changed, error) {
	var changed Changed
	var err error
	if c.IdempotencyKey == "" {
		err = share.Write(ctx, func(ctx context.Context, q db.Querier) (err error) {
			changed.Org, err = run(ctx, q)
			return err
		})
	} else {
		changed, err = changeOnce(ctx, share, c, operation, said, run)
	}
	if errors.Is(err, ErrVersion) {
		err = VersionError{Current: changed.Org.Version}
	}
	if err != nil {
		return Changed{Replayed: changed.Replayed}, fmt.Errorf("%s: %w", operation, err)
	}
	return changed, nil
}

// refusals are what an organization's state decides.
var refusals = idempotency.Refusals{
	"not_found": ErrNotFound,
	"inactive":  ErrInactive,
	"version":   ErrVersion,
}

func changeOnce(ctx context.Context, share db.Share, c Call, operation string, said any, run effect) (changed Changed, err error) {
	call, err := json.Marshal([]any{c.UserID, said})
	if err != nil {
		return Changed{}, err
	}
	key := idempotency.NewKey(c.AccountID, operation, c.IdempotencyKey, call)
	changed.Org, changed.Replayed, err = idempotency.Once(ctx, share, key, refusals, run)
	return changed, err
}
