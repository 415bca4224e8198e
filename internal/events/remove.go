package events

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"

	"orgd/internal/db"
	"orgd/internal/uuid"
)

// removePiece is the maximum number of events that one transaction deletes.
const removePiece = 1000

const removeLock = 0x6f7267642d726574 // "orgd-ret"

// errOtherReplica means that another replica is deleting old events.
var errOtherReplica = errors.New("events: another replica is deleting old events")

// removal is what one or several transactions have done for an account.
type removal struct {
	deleted int64
	more    bool       // old events may be left
	oldest  *time.Time // the time of the oldest event that is kept; nil if there is none
}

// remove deletes at most removePiece old events of the account. Only events with a
// position are deleted, so remove first gives positions to as many events.
func (t *Retention) remove(ctx context.Context, accountID uuid.UUID) (done removal, err error) {
	_, unnumbered, err := number(ctx, t.db, accountID)
	if err != nil {
		return removal{}, err
	}
	var from int64
	var old oldEvents
	err = t.db.WriteTx(ctx, func(ctx context.Context, q db.Querier) error {
		locked, err := db.TryLock(ctx, q, removeLock)
		switch {
		case err != nil:
			return err
		case !locked:
			return errOtherReplica
		}
		var first *int64
		if err := q.QueryRow(ctx, feedHold, accountID).Scan(&from, &first); err != nil {
			return err
		}
		if first != nil {
			from = *first - 1 // more than removed_position if somebody has deleted rows by hand
		}
		if old, err = t.findOld(ctx, q, accountID, from); err != nil || old.count == 0 {
			return err
		}
		return old.remove(ctx, q, accountID, from)
	})
	switch {
	case errors.Is(err, db.ErrNoRows): // the account has no events
		return removal{}, nil
	case err != nil:
		return removal{}, err
	}
	if old.count > 0 {
		t.removed.Add(old.count)
		t.onRemoved(ctx, accountID, from, old.last.Position)
	}
	return removal{deleted: old.count, more: old.next == nil && (unnumbered || old.count > 0), oldest: old.next}, nil
}

// feedHold locks the feed, so that remove and events_number_1 take turns. It returns
// where the feed begins.
const feedHold = `
SELECT removed_position, (
    SELECT position FROM events
    WHERE account_id = $1 AND position > removed_position
    ORDER BY position LIMIT 1)
FROM feeds
WHERE account_id = $1
FOR NO KEY UPDATE`

// oldEvents are the old events at the beginning of a feed.
type oldEvents struct {
	count int64
	last  Place
	next  *time.Time // the time of the first event that is not old; nil if it was not reached
}

const eventsFrom = `
SELECT position, id, occurred_at, occurred_at < now() - $4::interval
FROM events
WHERE account_id = $1 AND position > $2 AND position <= $3
ORDER BY position`

// findOld reads at most removePiece events after the position, and the next one.
func (t *Retention) findOld(ctx context.Context, q db.Querier, accountID uuid.UUID, from int64) (old oldEvents, err error) {
	rows, err := q.Query(ctx, eventsFrom, accountID, from, from+removePiece+1, t.keep)
	if err != nil {
		return oldEvents{}, err
	}
	var position, row int64
	var occurredAt time.Time
	var isOld bool
	_, err = pgx.ForEachRow(rows, []any{&position, &row, &occurredAt, &isOld}, func() error {
		switch {
		case old.next != nil:
		case !isOld:
			next := occurredAt
			old.next = &next
		case old.count < removePiece:
			old.count++
			old.last = Place{Position: position, ID: newID(accountID, row, occurredAt)}
		}
		return nil
	})
	return old, err
}

const (
	// The rows are locked in the order in which erasures and events_number_1 lock them, so
	// that these cannot deadlock with the deletion.
	eventsHold = `
SELECT
FROM events
WHERE account_id = $1 AND position > $2 AND position <= $3
ORDER BY id
FOR UPDATE`

	eventsDelete = `
DELETE FROM events
WHERE account_id = $1 AND position > $2 AND position <= $3`

	feedRemove = `
UPDATE feeds
SET removed_position = $2, removed_mark = $3
WHERE account_id = $1`
)

// remove deletes the events, and records the last of them in the same transaction. A
// cursor at that event stays valid.
func (old oldEvents) remove(ctx context.Context, q db.Querier, accountID uuid.UUID, from int64) error {
	if _, err := q.Exec(ctx, eventsHold, accountID, from, old.last.Position); err != nil {
		return err
	}
	if _, err := q.Exec(ctx, eventsDelete, accountID, from, old.last.Position); err != nil {
		return err
	}
	_, err := q.Exec(ctx, feedRemove, accountID, old.last.Position, old.last.ID[:])
	return err
}
