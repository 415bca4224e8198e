package events

import (
	"context"
	"fmt"
	"math"
	"time"

	"orgd/internal/db"
	"orgd/internal/uuid"
)

// numberPiece is the maximum number of events that one transaction gives positions to.
const numberPiece = 1000

// numberReserve is how long before its deadline a call stops numbering. Reaching the
// deadline would cancel the current transaction and close its connection.
const numberReserve = 2 * time.Second

// Number gives positions to committed events of the account that have none, at most
// numberPiece of them, and returns the last position of the feed. more is true if events
// without a position are left.
//
// Events are not numbered when they are written, because the order of transactions is
// known only after they have committed. Each reader of the feed calls Number first.
// Number does not see an event whose transaction has not committed yet, so that event
// gets a later position. Errors: ErrUnavailable.
func (r *Repository) Number(ctx context.Context, accountID uuid.UUID) (last int64, more bool, err error) {
	return number(ctx, r.db.For(accountID), accountID)
}

// writer is an account's share of the pool, or the pool itself.
type writer interface {
	Write(ctx context.Context, fn func(context.Context, db.Querier) error) error
}

func number(ctx context.Context, through writer, accountID uuid.UUID) (last int64, more bool, err error) {
	err = through.Write(ctx, func(ctx context.Context, q db.Querier) error {
		return q.QueryRow(ctx, eventsNumber, accountID, numberPiece).Scan(&last, &more)
	})
	if err != nil {
		return 0, false, fmt.Errorf("number events: %w", err)
	}
	return last, more, nil
}

// NumberAll gives positions to all committed events of the account, and returns the last
// position of the feed. If there are too many for the deadline of ctx, it stops with
// ErrBacklog, and the next call continues. Errors: ErrBacklog, ErrUnavailable.
func (r *Repository) NumberAll(ctx context.Context, accountID uuid.UUID) (last int64, err error) {
	return r.numberTo(ctx, accountID, math.MaxInt64)
}

// numberTo is like NumberAll, but stops when the feed has reached the position.
func (r *Repository) numberTo(ctx context.Context, accountID uuid.UUID, position int64) (int64, error) {
	for {
		last, more, err := r.Number(ctx, accountID)
		switch {
		case err != nil:
			return 0, err
		case !more || last >= position:
			return last, nil
		}
		if end, ok := ctx.Deadline(); ok && time.Until(end) < numberReserve {
			return 0, ErrBacklog
		}
	}
}

const eventsNumber = `
SELECT last_position, more
FROM events_number_1($1, $2)`
