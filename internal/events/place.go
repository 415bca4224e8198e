package events

import (
	"context"
	"errors"
	"fmt"

	"orgd/internal/db"
	"orgd/internal/uuid"
)

// Kept says which events of a feed are kept: those after the position Removed, up to Last.
type Kept struct{ Removed, Last int64 }

// PlaceAt returns the place after the event at the position, for readers that have stored
// only a position. They do not notice if the database was restored. Without a position it
// returns the beginning of what is kept. Errors: ErrCursorExpired if events after the
// position are deleted, ErrCursorLost if no event has the position, ErrUnavailable. The
// first two come with what is kept.
func (r *Repository) PlaceAt(ctx context.Context, accountID uuid.UUID, position *int64) (p Place, k Kept, err error) {
	at, err := r.state(ctx, accountID, db.OrZero(position))
	if err != nil {
		return Place{}, Kept{}, fmt.Errorf("find position: %w", err)
	}
	k = Kept{Removed: at.removed.Position, Last: at.last}
	switch {
	case position == nil:
		return at.removed, k, nil
	case *position < k.Removed:
		return Place{}, k, ErrCursorExpired
	case at.place.Position != *position:
		return Place{}, k, ErrCursorLost
	}
	return at.place, k, nil
}

// ErrAhead means that the feed has not reached the position.
var ErrAhead = errors.New("events: position is after the end of the feed")

// PlaceReached is PlaceAt for a position that an event may get only now. It gives positions
// to new events first. 0 is the place before the first event. Errors: ErrAhead,
// ErrCursorExpired, ErrUnavailable.
func (r *Repository) PlaceReached(ctx context.Context, accountID uuid.UUID, position int64) (place Place, err error) {
	var last int64
	for more := true; more && last < position; {
		if last, more, err = r.Number(ctx, accountID); err != nil {
			return Place{}, err
		}
	}
	if last < position {
		return Place{}, ErrAhead
	}
	place, _, err = r.PlaceAt(ctx, accountID, &position)
	if errors.Is(err, ErrCursorLost) {
		err = ErrCursorExpired
	}
	return place, err
}
