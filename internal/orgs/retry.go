package orgs

import (
	"context"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"orgd/internal/db"
	"orgd/internal/uuid"
)

const (
	// retryLockLimit is how long a retry waits for identical creations that PostgreSQL is
	// executing.
	retryLockLimit = time.Second
	// retryLimit is how long a retry waits for the outcome of identical creations. Usually
	// it is known within a few milliseconds.
	retryLimit = 2 * time.Second

	firstRetryWait = 20 * time.Millisecond
)

// findLost returns the organization of an identical creation if there is evidence that
// the client did not get the answer: the process of that creation has recorded this, or
// died before it settled the answer. No other retry gets that organization. Without
// evidence, found is false, and the caller creates another organization. That is the
// safer mistake: a duplicate can be deleted, but two tenants that share one organization
// cannot be separated.
func (a *answers) findLost(ctx context.Context, c creation) (found bool, changed Changed, err error) {
	var first []uuid.UUID
	started := time.Now()
	for wait := firstRetryWait; ; wait *= 2 {
		seen, err := a.claimLost(ctx, c)
		if err != nil {
			return false, Changed{}, err
		}
		if seen.taken != nil {
			changed, err := a.settle(ctx, *seen.taken, seen.org, true)
			return true, changed, err
		}
		if wait == firstRetryWait {
			first = seen.unanswered
		}
		// A creation that began after this retry is not an earlier try of the same request.
		stillOpen := slices.ContainsFunc(seen.unanswered, func(callID uuid.UUID) bool { return slices.Contains(first, callID) })
		if !stillOpen || time.Since(started) > retryLimit {
			return false, Changed{}, nil
		}
		select {
		case <-ctx.Done():
			return false, Changed{}, ctx.Err()
		case <-time.After(wait):
		}
	}
}

// findings are what a retry finds out about identical creations.
type findings struct {
	taken      *answer     // the right to answer with an organization whose answer was lost; nil if there is none
	org        Org         // the organization of taken
	unanswered []uuid.UUID // the calls that may still be answered
}

// claimLost takes over one identical creation whose answer was lost. It takes the lock in
// a separate statement, so that the snapshot of the next statement includes every earlier
// commit. Until the end of the transaction, no identical creation can commit.
func (a *answers) claimLost(ctx context.Context, c creation) (seen findings, err error) {
	if err := a.recordLost(ctx, &c.due.digest); err != nil {
		return findings{}, err
	}
	err = a.db.For(c.AccountID).WriteTx(ctx, func(ctx context.Context, q db.Querier) error {
		locked, err := db.Lock(ctx, q, c.lockID(), retryLockLimit)
		if err != nil {
			return err
		}
		if !locked {
			return ErrInProgress
		}
		rows, err := q.Query(ctx, answersOpen, c.AccountID, c.due.digest[:])
		if err != nil {
			return err
		}
		all, err := pgx.CollectRows(rows, pgx.RowToStructByPos[openAnswer])
		if err != nil {
			return err
		}
		return a.takeOne(ctx, q, c, all, &seen)
	})
	if seen.taken != nil {
		if err != nil { // the commit may have succeeded
			a.lost.add(*seen.taken)
		}
		seen.taken.unsure = false
	}
	return seen, err
}

// openAnswer is an answer that is neither settled nor taken.
type openAnswer struct {
	CallID  uuid.UUID
	Owner   int64
	Lost    bool
	Trusted bool // the row is newer than PostgreSQL's last start or promotion (see answersOpen)
}

func (a *answers) takeOne(ctx context.Context, q db.Querier, c creation, all []openAnswer, seen *findings) error {
	alive := map[int64]bool{a.owner: true}
	for _, open := range all {
		if _, known := alive[open.Owner]; !known && !open.Lost {
			isFree, err := db.TryLock(ctx, q, open.Owner)
			if err != nil {
				return err
			}
			alive[open.Owner] = !isFree
		}
		switch {
		case !open.Lost && alive[open.Owner]:
			seen.unanswered = append(seen.unanswered, open.CallID)
		case open.Trusted:
			if err := a.take(ctx, q, c, open.CallID, seen); err != nil || seen.taken != nil {
				return err
			}
		}
	}
	return nil
}

// take moves the right to answer from another call to this one, unless the other call has
// already used it.
func (a *answers) take(ctx context.Context, q db.Querier, c creation, from uuid.UUID, seen *findings) error {
	due := *c.due
	due.unsure = true
	rows, err := q.Query(ctx, answerTake, binaryResults, c.AccountID, due.digest[:], from, due.callID, a.owner)
	if err != nil {
		return err
	}
	found, err := pgx.CollectRows(rows, scanVersioned)
	if err != nil || len(found) == 0 {
		return err
	}
	due.orgID = found[0].ID
	seen.taken, seen.org = &due, found[0]
	return nil
}
