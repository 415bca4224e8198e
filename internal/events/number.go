package events

import (
	"context"
	"fmt"

	"orgd/internal/db"
	"orgd/internal/uuid"
)

// numberPiece is the maximum number of events that one transaction gives positions.
const numberPiece = 1000

// Number gives positions to committed events of the account that have none, at most
// numberPiece of them, and returns the last position of the feed. more is true if events
// without a position are left.
//
// Nothing numbers events when they are written: the order of their transactions is known
// only when these have committed. Whoever reads the feed numbers first. An event that a
// transaction has not committed yet is not seen, so it gets a later position. Errors:
// ErrUnavailable.
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
// position of the feed. Errors: ErrUnavailable.
func (r *Repository) NumberAll(ctx context.Context, accountID uuid.UUID) (last int64, err error) {
	for more := true; more; {
		if last, more, err = r.Number(ctx, accountID); err != nil {
			return 0, err
		}
	}
	return last, nil
}

const eventsNumber = `
SELECT last_position, more
FROM events_number_1($1, $2)`
