package orgs

import (
	"context"
	"fmt"
	"math/rand/v2"

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

// AnswerLost says that the client did not get the answer with the organization, so that
// a retry may return it. Call it only if that is certain.
func (r *Repository) AnswerLost(c Changed) {
	if c.answer != nil {
		r.answers.lost.add(*c.answer)
	}
}

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
