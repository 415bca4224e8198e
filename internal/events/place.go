package events

import (
	"context"
	"errors"
	"fmt"

	"orgd/internal/db"
	"orgd/internal/uuid"
)

// ErrAhead means that the feed has not reached the position.
var ErrAhead = errors.New("events: position is after the end of the feed")

// PlaceAt returns the place after the event at the position. 0 is the place before the
// first event. Errors: ErrAhead, ErrCursorExpired, ErrUnavailable.
func (r *Repository) PlaceAt(ctx context.Context, accountID uuid.UUID, position int64) (place Place, err error) {
	var last int64
	for more := true; more && last < position; {
		if last, more, err = r.Number(ctx, accountID); err != nil {
			return Place{}, err
		}
	}
	if last < position {
		return Place{}, ErrAhead
	}
	var at feedState
	err = r.db.For(accountID).Read(ctx, func(ctx context.Context, q db.Querier) (err error) {
		at, err = stateAt(ctx, q, accountID, position)
		return err
	})
	switch {
	case err != nil:
		return Place{}, fmt.Errorf("find place: %w", err)
	case at.place == Place{} && at.removed.Position > 0, at.place == Place{} && position > 0:
		return Place{}, ErrCursorExpired
	}
	return at.place, nil
}
