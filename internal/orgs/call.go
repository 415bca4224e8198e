package orgs

import (
	"context"
	"errors"
	"fmt"

	"orgd/internal/db"
	"orgd/internal/idempotency"
	"orgd/internal/uuid"
)

// Call says who makes a change, and how a retry of the request is recognized.
type Call = idempotency.Call

// Changed is the result of a change.
type Changed struct {
	Org      Org  // the organization after the change; zero for AddMember and RemoveMember
	Replayed bool // Org, or the error returned with it, is the result of the earlier call that this one retries

	answer *answer // for AnswerLost; nil if the call cannot be retried without an idempotency key
}

// Versions are the values of Org.Version for which a change is allowed. Nil allows any.
type Versions []int64

// Precondition restricts the state of an organization for which a change is allowed. A
// nil *Precondition allows any state.
type Precondition struct {
	Versions Versions
	Revision *int64 // nil for any
}

// effect makes a change by calling one SQL function of the migrations, so it takes one
// round trip.
type effect func(context.Context, db.Querier) (Org, error)

// change runs an effect in the account's share of the pool, at most once for each
// idempotency key. request has all parameters of the call. The errors in storedErrors are
// replayed too. A stored result is deleted with the organization.
func (r *Repository) change(ctx context.Context, share db.Share, c Call, operation string, orgID uuid.UUID, request any, run effect) (Changed, error) {
	first, replayed, err := once(ctx, share, c, operation, orgID, request, func(ctx context.Context, q db.Querier) (record, error) {
		org, err := run(ctx, q)
		return record(org), err
	})
	if err != nil {
		err = withState(err, Org(first))
		return Changed{Replayed: replayed}, fmt.Errorf("%s: %w", operation, err)
	}
	return Changed{Org: Org(first), Replayed: replayed}, nil
}

// withState returns the error with the part of the organization's state that caused it.
func withState(err error, o Org) error {
	switch {
	case errors.Is(err, ErrVersion):
		return VersionError{Current: o.Version}
	case errors.Is(err, ErrRevision):
		return RevisionError{Current: o.Revision, Version: o.Version}
	case errors.Is(err, ErrExternalIDTaken):
		return ExternalIDTakenError{OrgID: o.ID}
	}
	return err
}

// storedErrors are the errors that depend on the organization's stored data, not only on
// the request. A retry returns them again.
var storedErrors = idempotency.StoredErrors{
	"not_found": ErrNotFound,
	"inactive":  ErrInactive,
	"version":   ErrVersion,
	"revision":  ErrRevision,

	"too_many_pairs": ErrTooManyPairs,
}

// deadlockTries is how often a change is tried that a deadlock ends.
const deadlockTries = 5

// againAfterDeadlock runs a change again if a deadlock has ended it. Changes take locks in
// an order that avoids most deadlocks. But two organizations that want the external id of
// the other one wait for each other, and so do batches on two servers that give the same
// ids with different external ids. PostgreSQL rolls one of the two back, and the other one
// continues.
func againAfterDeadlock(change func() error) error {
	for try := 1; ; try++ {
		if err := change(); try == deadlockTries || !errors.Is(err, db.ErrDeadlock) {
			return err
		}
	}
}

// once runs a change of the organization, at most once for each idempotency key, and
// stores its result as T. replayed reports whether the result is that of an earlier call
// with the same key.
func once[T any](ctx context.Context, share db.Share, c Call, operation string, orgID uuid.UUID, request any, run func(context.Context, db.Querier) (T, error)) (result T, replayed bool, err error) {
	if c.IdempotencyKey == "" {
		err = againAfterDeadlock(func() error {
			return share.Write(ctx, func(ctx context.Context, q db.Querier) (err error) {
				result, err = run(ctx, q)
				return err
			})
		})
		return result, false, err
	}
	call, err := callText(c, request)
	if err != nil {
		return result, false, err
	}
	key := idempotency.NewKey(c.AccountID, operation, c.IdempotencyKey, call).About(orgID)
	err = againAfterDeadlock(func() (err error) {
		result, replayed, err = idempotency.Once(ctx, share, key, storedErrors, func(ctx context.Context, q db.Querier) (T, error) {
			result, err := run(ctx, q)
			if errors.Is(err, ErrExternalIDTaken) || errors.Is(err, ErrOrgIDTaken) {
				// The error is about another organization, whose deletion would not delete the
				// stored error.
				err = idempotency.UnstoredError{Err: err}
			}
			return result, err
		})
		return err
	})
	return result, replayed, err
}

// inTurn returns the account's share of the pool for changes of the organization. In this
// process, these changes take turns.
func (r *Repository) inTurn(c Call, orgID uuid.UUID) db.Share {
	return r.share(c.AccountID).InTurn(turnOf(c.AccountID, orgID))
}

// turnOf returns the lock id for db.Share.InTurn. Between processes, the lock on the
// organization's row makes changes take turns.
func turnOf(accountID, orgID uuid.UUID) int64 { return db.LockID(accountID[:], orgID[:]) }

// outcome is the result code of an SQL function of the migrations.
type outcome string

const (
	outcomeCreated      outcome = "created"
	outcomeChanged      outcome = "changed"
	outcomeUnchanged    outcome = "unchanged"
	outcomeNotFound     outcome = "not_found"
	outcomeVersion      outcome = "version"
	outcomeRevision     outcome = "revision"
	outcomeInactive     outcome = "inactive"
	outcomeTaken        outcome = "external_id_taken"
	outcomeIDTaken      outcome = "org_id_taken"
	outcomeFuture       outcome = "future"
	outcomeTooManyPairs outcome = "too_many_pairs"
	outcomeActive       outcome = "active"
	outcomeDeleted      outcome = "deleted"
)

// err returns the error for the outcome, or nil if the outcome is a success.
func (o outcome) err() error {
	switch o {
	case outcomeCreated, outcomeChanged, outcomeUnchanged, outcomeDeleted:
		return nil
	case outcomeNotFound:
		return ErrNotFound
	case outcomeVersion:
		return ErrVersion
	case outcomeRevision:
		return ErrRevision
	case outcomeInactive:
		return ErrInactive
	case outcomeTaken:
		return ErrExternalIDTaken
	case outcomeIDTaken:
		return ErrOrgIDTaken
	case outcomeFuture:
		return ErrFuture
	case outcomeTooManyPairs:
		return ErrTooManyPairs
	case outcomeActive:
		return ErrActive
	}
	return fmt.Errorf("orgs: unknown outcome %q", string(o))
}
