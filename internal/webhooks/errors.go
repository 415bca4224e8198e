package webhooks

import (
	"errors"

	"orgd/internal/db"
)

var (
	// ErrNotFound means that no endpoint of the account has this id.
	ErrNotFound = errors.New("webhooks: no such webhook")
	// ErrInvalidCursor means that the cursor does not belong to this list.
	ErrInvalidCursor = errors.New("webhooks: invalid cursor")
	// ErrTooMany means that the account has the maximum number of endpoints.
	ErrTooMany = errors.New("webhooks: too many webhooks")
	// ErrEventsDeleted means that events after the position were deleted because of their
	// age.
	ErrEventsDeleted = errors.New("webhooks: events after the position were deleted")
	// ErrPositionAhead means that the feed has not reached the position.
	ErrPositionAhead = errors.New("webhooks: the position is after the end of the feed")
	// ErrUnavailable means that the database is unavailable.
	ErrUnavailable = db.ErrUnavailable
)
