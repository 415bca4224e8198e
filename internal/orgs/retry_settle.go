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

// answer is the right to answer a call with a new organization. Only one call has this
// right at a time. It ends when the call settles the answer, or when the answer is lost.
type answer struct {
	accountID uuid.UUID
	digest    digest
	callID    uuid.UUID
	orgID     uuid.UUID
	unsure    bool // the call may not have the right: the commit that took it from another call may have failed
}

// answers tracks the answers to creations that may be retried without an idempotency key.
type answers struct {
	db      *db.Pool
	owner   int64
	settles settles
	lost    lostAnswers
}

func newAnswers(pool *db.Pool) *answers {
	return &answers{db: pool, owner: rand.Int64(), settles: settles{db: pool}, lost: newLostAnswers()}
}

// Owner returns the id of the advisory lock that the process must hold shared while it
// runs. If no process holds the lock, retries take over the creations that this process
// has not answered.
func (r *Repository) Owner() int64 { return r.answers.owner }

// settle records that the answer is about to be sent, so that no retry returns the
// organization too. After an error, the call must not return the organization, because a
// retry may do so.
func (a *answers) settle(ctx context.Context, due answer, org Org, replayed bool) (Changed, error) {
	err := ctx.Err() // the client has disconnected, or was told to retry
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
	// settleLimit is the time limit of a batch. It is shorter than the deadline of a
	// request.
	settleLimit = 5 * time.Second
	settleBatch = 100
)

// settles records that answers are about to be sent. It writes one batch at a time:
// answers that arrive during a write go into the next batch.
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

// settle returns nil once no retry can take the organization. After an error the outcome is
// unknown.
func (s *settles) settle(ctx context.Context, due answer) error {
	done := make(chan error, 1)
	s.mu.Lock()
	s.waiting = append(s.waiting, settling{due, done})
	if !s.running {
		s.running = true
		go s.run(context.Background()) // not the context of this call: the run serves other calls too
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

// errTaken means that a retry has taken over the creation, because this process did not
// hold its lock.
var errTaken = fmt.Errorf("%w: a retry has taken over the creation", ErrUnavailable)

// next returns the next batch of waiting calls. If there are none, it ends the run.
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
		return nil, fmt.Errorf("settle the answers of creations: %w", err)
	}
	return settled, nil
}

// Sweep deletes the rows of creations that are too old to be retried, unless another
// replica is doing so, and returns their number.
func (r *Repository) Sweep(ctx context.Context) (int64, error) {
	swept, err := r.db.Sweep(ctx, sweepLock, answerSweep)
	if err != nil {
		return swept, fmt.Errorf("sweep unanswered creations: %w", err)
	}
	return swept, nil
}

const sweepLock = 0x6f7267642d6f7267 // "orgd-org"
