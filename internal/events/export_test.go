package events

import (
	"context"

	"orgd/internal/uuid"
)

// The statements, for the tests of their plans.
var (
	EventWindow      = eventWindow
	EventsBackward   = eventWindowBackward
	FeedAt           = feedAt
	EventsNumber     = eventsNumber
	FeedsMoved       = feedsMoved
	OrgEventList     = orgEventList
	APIKeyEventList  = apiKeyEventList
	OldestOfAccounts = oldestOfAccounts
	EventsFrom       = eventsFrom
)

// WithLimits changes the maximum size of a page and the number of events that a call with a
// filter looks at, and returns the repository.
func (r *Repository) WithLimits(page, scan int) *Repository {
	r.page, r.scan = page, scan
	return r
}

// PollOnce is one step of Poll.
func (h *Hub) PollOnce(ctx context.Context) error { return h.poll(ctx) }

// WithTurns changes the length of an account's turn, and returns the Retention.
func (t *Retention) WithTurns(n int) *Retention {
	t.turns = n
	return t
}

// SealRow and OpenRow are exported for the tests of cursors.
func SealRow(account uuid.UUID, row int64, scope string) string {
	return sealRow(account, row, []byte(scope))
}

func OpenRow(account uuid.UUID, token, scope string) (int64, error) {
	return openRow(account, token, []byte(scope))
}
