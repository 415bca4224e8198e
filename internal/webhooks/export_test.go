package webhooks

import (
	"context"
	"net/netip"
	"time"

	"orgd/internal/uuid"
)

// CheckAddress is exported for the tests.
func (t Targets) CheckAddress(address netip.Addr) error { return t.check(address) }

// Backoff is exported for the tests.
var Backoff = backoff

// Candidate is exported for the tests.
type Candidate = candidate

// Due is exported for the tests.
func (r *Repository) Due(ctx context.Context, worker uuid.UUID, life time.Duration, most int) ([]Candidate, error) {
	return r.due(ctx, worker, life, most)
}

// Take is exported for the tests.
func (r *Repository) Take(ctx context.Context, worker uuid.UUID, c Candidate) (ok bool, err error) {
	_, ok, err = r.take(ctx, worker, c)
	return ok, err
}
