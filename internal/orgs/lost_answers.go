package orgs

import (
	"context"
	"errors"
	"sync"
	"time"

	"orgd/internal/db"
	"orgd/internal/uuid"
)

const (
	// maxLost is the maximum number of lost answers that a process remembers while the
	// database is unavailable. If more answers are lost, a retry can create a second
	// organization.
	maxLost = 10_000
	// lostExpiry is how long a process remembers a lost answer. It is well below the 10
	// minutes for which the row of a taken creation is kept. If an answer were recorded as
	// lost after that row is gone, a second retry could get the same organization.
	lostExpiry = 5 * time.Minute
)

// lostAnswers are lost answers that are not recorded in the database yet.
type lostAnswers struct {
	mu    sync.Mutex
	due   map[uuid.UUID]lostAnswer // by call
	added chan struct{}
}

type lostAnswer struct {
	answer
	since time.Time
}

func newLostAnswers() lostAnswers {
	return lostAnswers{due: map[uuid.UUID]lostAnswer{}, added: make(chan struct{}, 1)}
}

func (l *lostAnswers) add(due answer) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.due) < maxLost {
		l.due[due.callID] = lostAnswer{due, time.Now()}
	}
	select {
	case l.added <- struct{}{}:
	default: // the channel already has a message
	}
}

func (l *lostAnswers) remove(due answer) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.due, due.callID)
}

// all returns the lost answers with the digest, or all lost answers if the digest is nil.
// It drops those that are older than lostExpiry.
func (l *lostAnswers) all(of *digest) (found []answer) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for callID, due := range l.due {
		switch {
		case time.Since(due.since) > lostExpiry:
			delete(l.due, callID)
		case of == nil || *of == due.digest:
			found = append(found, due.answer)
		}
	}
	return found
}

// AnswerLost reports that the client did not receive the organization, so a retry may
// return it. Call it only if that is certain.
func (r *Repository) AnswerLost(c Changed) {
	if c.answer != nil {
		r.answers.lost.add(*c.answer)
	}
}

// Lost returns a channel that gets a message when RecordLost has something to do.
func (r *Repository) Lost() <-chan struct{} { return r.answers.lost.added }

// RecordLost records the lost answers in the database, for retries that reach other
// processes. The next call retries those that failed.
func (r *Repository) RecordLost(ctx context.Context) error {
	return r.answers.recordLost(ctx, nil)
}

func (a *answers) recordLost(ctx context.Context, of *digest) error {
	var failed error // an error for one account must not stop the others
	for _, due := range a.lost.all(of) {
		if err := a.lose(ctx, due); err != nil {
			failed = errors.Join(failed, err)
			continue
		}
		a.lost.remove(due)
	}
	return failed
}

// lose records one lost answer.
func (a *answers) lose(ctx context.Context, due answer) error {
	sql, args := answerLose, []any{due.accountID, due.digest[:], due.callID, due.orgID, a.owner}
	if due.unsure {
		sql, args = answerLoseTaken, args[:3]
	}
	return a.db.For(due.accountID).Write(ctx, func(ctx context.Context, q db.Querier) error {
		_, err := q.Exec(ctx, sql, args...)
		return err
	})
}
