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
	// maxLost bounds what a process remembers while the database is away. An answer
	// beyond it costs a second organization at worst.
	maxLost = 10_000
	// lostExpiry is well within the 10 minutes for which a row stays that a retry has
	// taken: without it a late record would let a second retry have the organization.
	lostExpiry = 5 * time.Minute
)

// lostAnswers are those that the database has yet to be told of.
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
	default: // it has a message already
	}
}

func (l *lostAnswers) remove(due answer) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.due, due.callID)
}

// all returns those with the digest, or of any if it is nil.
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

// AnswerLost says that the client did not get the answer with the organization, so that
// a retry may return it. Call it only if that is certain.
func (r *Repository) AnswerLost(c Changed) {
	if c.answer != nil {
		r.answers.lost.add(*c.answer)
	}
}

// Lost is sent to when there is something for RecordLost to do.
func (r *Repository) Lost() <-chan struct{} { return r.answers.lost.added }

// RecordLost tells the database which answers are known to be lost, so that retries
// which come to other processes learn of them. What it could not record it tries again
// next time.
func (r *Repository) RecordLost(ctx context.Context) error {
	return r.answers.recordLost(ctx, nil)
}

func (a *answers) recordLost(ctx context.Context, of *digest) error {
	var failed error // one account's must not hold up the others'
	for _, due := range a.lost.all(of) {
		if err := a.lose(ctx, due); err != nil {
			failed = errors.Join(failed, err)
			continue
		}
		a.lost.remove(due)
	}
	return failed
}

// lose records that the answer did not arrive.
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
