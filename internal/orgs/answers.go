package orgs

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"orgd/internal/db"
	"orgd/internal/uuid"
)

// answer is the right to answer a call with an organization. One call has it at a
// time, and gives it up when it has settled it or lost it.
type answer struct {
	accountID uuid.UUID
	digest    digest
	callID    uuid.UUID
	orgID     uuid.UUID
	unsure    bool // whether the call ever had the right: it was to take it from another
}

// answers are those that this process owes to calls that may be retried unnamed.
type answers struct {
	db      *db.Pool
	owner   int64
	settles settles
	lost    lostAnswers
}

func newAnswers(pool *db.Pool) *answers {
	return &answers{db: pool, owner: rand.Int64(), settles: settles{db: pool}, lost: newLostAnswers()}
}

// Owner is the advisory lock that the process has to hold, shared, while it lives.
// While it is free, retries take over the creations that this process has not answered.
func (r *Repository) Owner() int64 { return r.answers.owner }

// settle returns what to answer with, once no retry can return it too. After an error
// the call must not be answered with the organization, and a retry may be.
func (a *answers) settle(ctx context.Context, due answer, org Org, replayed bool) (Changed, error) {
	err := ctx.Err() // the client is gone, or was told to come again
	if err == nil {
		err = a.settles.settle(ctx, due)
	}
	if err != nil {
		a.lost.add(due)
		return Changed{}, err
	}
	return Changed{Org: org, Replayed: replayed, answer: &due}, nil
}

const (
	// settleLimit is less than the deadline of a request.
	settleLimit = 5 * time.Second
	settleBatch = 100
)

// settles writes down that calls are about to be answered. It does so for one batch of
// calls at a time: those that come meanwhile share the next commit.
type settles struct {
	db *db.Pool

	mu      sync.Mutex
	waiting []settling
	running bool
}

type settling struct {
	answer
	done chan<- error
}

// settle returns nil once no retry can have the organization. After an error nobody
// knows.
func (s *settles) settle(ctx context.Context, due answer) error {
	done := make(chan error, 1)
	s.mu.Lock()
	s.waiting = append(s.waiting, settling{due, done})
	if !s.running {
		s.running = true
		go s.run(context.Background()) // not for this call alone
	}
	s.mu.Unlock()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (s *settles) run(ctx context.Context) {
	for batch := s.next(); len(batch) > 0; batch = s.next() {
		settled, err := s.write(ctx, batch)
		for i, one := range batch {
			switch {
			case err != nil:
				one.done <- err
			case settled[i] == 0:
				one.done <- errTaken
			default:
				one.done <- nil
			}
		}
	}
}

// errTaken: while the process did not hold its lock, a retry has taken over.
var errTaken = fmt.Errorf("%w: a retry has taken over the creation", ErrUnavailable)

// next returns the calls that wait, or ends the run if there are none.
func (s *settles) next() []settling {
	s.mu.Lock()
	defer s.mu.Unlock()
	batch := s.waiting[:min(len(s.waiting), settleBatch)]
	s.waiting = s.waiting[len(batch):]
	s.running = len(batch) > 0
	return batch
}

func (s *settles) write(ctx context.Context, batch []settling) (settled []int64, err error) {
	ctx, cancel := context.WithTimeout(ctx, settleLimit)
	defer cancel()
	args := make([][]any, len(batch))
	for i, one := range batch {
		args[i] = []any{one.accountID, one.digest[:], one.callID}
	}
	settled, err = s.db.WriteEach(ctx, answerSettle, args)
	if err != nil {
		return nil, fmt.Errorf("settle: %w", err)
	}
	return settled, nil
}

// Sweep forgets the creations that are too old to be retried, unless another
// replica does, and returns how many.
func (r *Repository) Sweep(ctx context.Context) (int64, error) {
	swept, err := r.db.Sweep(ctx, sweepLock, answerSweep)
	if err != nil {
		return swept, fmt.Errorf("sweep unanswered creations: %w", err)
	}
	return swept, nil
}

const sweepLock = 0x6f7267642d6f7267 // "orgd-org"
