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

// Call says who makes a change, and how the client may repeat the request.
type Call = idempotency.Call

// Changed is the result of a change: the organization as the change left it.
type Changed struct {
	Org      Org
	Replayed bool // the result, or the error returned with it, is that of the earlier call that this one repeats

	answer *answer // for AnswerLost; nil if the call cannot be retried without an idempotency key
}

// Versions are the values of Org.Version to which a change may be made; nil for any.
type Versions []int64

func (v Versions) has(version int64) bool { return v == nil || slices.Contains(v, version) }

// effect makes a change with one statement.
type effect func(context.Context, db.Querier) (Org, error)

// Each change is one statement, and therefore one transaction in one round trip: the
// organization, its counts and its event are written together or not at all.
//
// A statement that changes an organization first waits for its turn, and then locks the
// row in the mode that does not block foreign keys. `kept` is therefore the row as the
// previous change left it, even if our snapshot is older. Conditions test `kept`: reading
// the table again would return the snapshot's version.
//
// The turn is an advisory lock. A statement that waits for a row instead may already have
// its transaction id, and the events would then not be in the order of the changes.

// change runs an effect on the share, at most once for each idempotency key. The request is
// everything that the call asks for. Errors can be replayed too.
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

// storedErrors are the errors that depend on the organization's state.
var storedErrors = idempotency.StoredErrors{
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
	first, replayed, err := idempotency.Once(ctx, share, key, storedErrors, func(ctx context.Context, q db.Querier) (record, error) {
		org, err := run(ctx, q)
		return record(org), err
	})
	return Changed{Org: Org(first), Replayed: replayed}, err
}

// inTurn returns the account's share, for a change of the organization in its turn.
func (r *Repository) inTurn(c Call, orgID uuid.UUID) db.Share {
	return r.db.For(c.AccountID).InTurn(turnOf(c.AccountID, orgID))
}

// turnOf returns the lock that every change of the organization takes.
func turnOf(accountID, orgID uuid.UUID) int64 { return db.LockID(accountID[:], orgID[:]) }

// orNull returns NULL for the zero id.
func orNull(id uuid.UUID) *uuid.UUID {
	if id == (uuid.UUID{}) {
		return nil
	}
	return &id
}
