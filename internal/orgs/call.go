package orgs

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"orgd/internal/db"
	"orgd/internal/idempotency"
	"orgd/internal/uuid"
)

// Call is who asks for a change, and how the client may repeat the request.
type Call = idempotency.Call

// Changed is the result of a change: the organization as the change left it.
type Changed struct {
	Org      Org
	Replayed bool // it, or the error beside it, is the result of an earlier call, which this one repeats

	answer *answer // see AnswerLost; nil if the call cannot be retried without a name
}

// Versions are those of Org.Version that a change may be made to; nil for any.
type Versions []int64

func (v Versions) has(version int64) bool { return v == nil || slices.Contains(v, version) }

// effect makes a change by one statement, which is a transaction by itself.
type effect func(context.Context, db.Querier) (Org, error)

// Each change is one statement, and so a transaction by itself: the organization,
// what counts on it and its event are written together or not at all, in one
// round trip.
//
// A statement that changes an organization first waits for its turn, and then
// locks the row, in the mode that leaves foreign keys alone. So kept is the row as
// the one before left it, though the snapshot may be older; conditions are put to
// kept, since the same row read again is that of the snapshot. The turn is an
// advisory lock, because waiting for a row can fix the transaction id of the one
// that waits, and events would then not be in the order of what happened.

// change runs an effect on the share, at most once for an idempotency key; said is all that
// the call asks for. An error may be replayed too.
func (r *Repository) change(ctx context.Context, share db.Share, c Call, operation string, request any, run effect) (Changed, error) {
	var changed Changed
	var err error
	if c.IdempotencyKey == "" {
		err = share.Write(ctx, func(ctx context.Context, q db.Querier) (err error) {
			changed.Org, err = run(ctx, q)
			return err
		})
	} else {
		changed, err = changeOnce(ctx, share, c, operation, request, run)
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

func changeOnce(ctx context.Context, share db.Share, c Call, operation string, request any, run effect) (Changed, error) {
	call, err := callText(c, request)
	if err != nil {
		return Changed{}, err
	}
	key := idempotency.NewKey(c.AccountID, operation, c.IdempotencyKey, call)
	first, replayed, err := idempotency.Once(ctx, share, key, refusals, func(ctx context.Context, q db.Querier) (record, error) {
		org, err := run(ctx, q)
		return record(org), err
	})
	return Changed{Org: Org(first), Replayed: replayed}, err
}

// inTurn is the account's share for a change of the organization.
func (r *Repository) inTurn(c Call, orgID uuid.UUID) db.Share {
	return r.db.For(c.AccountID).InTurn(turnOf(c.AccountID, orgID))
}

// turnOf is the lock under which an organization is changed.
func turnOf(accountID, orgID uuid.UUID) int64 { return db.LockID(accountID[:], orgID[:]) }

// orNull makes NULL of the zero id.
func orNull(id uuid.UUID) *uuid.UUID {
	if id == (uuid.UUID{}) {
		return nil
	}
	return &id
}
