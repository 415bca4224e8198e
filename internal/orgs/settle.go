package orgs

import (
	"context"
	"fmt"
	"sync"
	"time"

	"orgd/internal/db"
)

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
