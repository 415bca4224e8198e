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
// only a position. Such readers do not notice if the database was restored. If position
// is nil, PlaceAt returns the place before the oldest event that is kept. Errors: ErrCursorExpired if
// events after the position have been deleted, ErrCursorLost if no event has the position,
// ErrUnavailable. With the first two errors, k is valid too.
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

// PlaceReached is PlaceAt for a position that the feed may not have reached yet. It first
// gives positions to new events. 0 is the place before the first event. Errors: ErrAhead,
// ErrBacklog, ErrCursorExpired, ErrUnavailable.
func (r *Repository) PlaceReached(ctx context.Context, accountID uuid.UUID, position int64) (place Place, err error) {
	last, err := r.numberTo(ctx, accountID, position)
	if err != nil {
		return Place{}, err
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

// Exists returns ErrCursorLost if the event at the place does not exist in the database of
// q. An event that retention has deleted counts as existing.
func Exists(ctx context.Context, q db.Querier, accountID uuid.UUID, place Place) error {
	at, err := stateAt(ctx, q, accountID, place.Position)
	if err != nil {
		return err
	}
	if err := at.check(place); !errors.Is(err, ErrCursorExpired) {
		return err
	}
	return nil
}
