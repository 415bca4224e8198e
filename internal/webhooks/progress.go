package webhooks

import (
	"context"
	"errors"
	"fmt"
	"time"

	"orgd/internal/db"
	"orgd/internal/events"
	"orgd/internal/uuid"
)

// step is what a worker does after it has stored its progress; see webhook_progress_1 in
// migration 00015.
type step string

const (
	stepContinue step = "continue"
	stepIdle     step = "idle"
	stepYield    step = "yield"
	stepRetry    step = "retry"
	stepDisable  step = "disable"
)

// outcome is the result of storing progress; see webhook_progress_1.
type outcome string

const (
	outcomeKept     outcome = "kept"
	outcomeMoved    outcome = "moved"
	outcomeStopped  outcome = "stopped"
	outcomeDisabled outcome = "disabled"
	outcomeLost     outcome = "lost"
)

// progress is what a worker has done for an endpoint and not yet stored.
type progress struct {
	reached   *events.Place // nil if the place has not changed
	delivered bool
	attempts  []Attempt
}

func (p *progress) isEmpty() bool { return p.reached == nil && len(p.attempts) == 0 }

// add adds an attempt. It keeps at most KeptAttempts, and drops the oldest one first.
func (p *progress) add(a Attempt) {
	if len(p.attempts) == KeptAttempts {
		p.attempts = append(p.attempts[:0], p.attempts[1:]...)
	}
	p.attempts = append(p.attempts, a)
}

// before returns p followed by later progress.
func (p progress) before(later progress) progress {
	for _, a := range later.attempts {
		p.add(a)
	}
	if later.reached != nil {
		p.reached = later.reached
	}
	p.delivered = p.delivered || later.delivered
	return p
}

// decision is what a worker does next, with the parameters of the step.
type decision struct {
	step   step
	wait   time.Duration // for stepRetry
	giveUp time.Duration // for stepRetry; 0 for never
	reason Reason        // for stepDisable
}

const webhookProgress = `
SELECT outcome, coalesce(kept_version, 0)
FROM webhook_progress_1($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20)`

// keep stores progress. It returns the version of the endpoint, which the worker compares
// with the one that it knows. If a failover or a restore has lost the event at the place
// that was reached, the endpoint counts as moved, because the database has an earlier place.
func (r *Repository) keep(ctx context.Context, accountID, id, worker uuid.UUID, e endpoint, p progress, d decision) (result outcome, version int64, err error) {
	n := len(p.attempts)
	times, marks, positions := make([]time.Time, n), make([][]byte, n), make([]*int64, n)
	kinds, statuses, took, failures := make([]string, n), make([]*int, n), make([]int64, n), make([]*Failure, n)
	for i := range p.attempts {
		a := &p.attempts[i]
		times[i], marks[i], positions[i] = a.At, a.EventID[:], db.OrNull(a.Position)
		kinds[i], statuses[i], took[i], failures[i] = a.Type, db.OrNull(a.Status), a.Took.Milliseconds(), db.OrNull(a.Failure)
	}
	var reached *int64
	var mark []byte
	if p.reached != nil {
		reached, mark = &p.reached.Position, p.reached.ID[:]
	}
	var lost bool
	err = r.db.For(accountID).Write(ctx, func(ctx context.Context, q db.Querier) (err error) {
		if lost, err = isLost(ctx, q, accountID, p.reached); err != nil {
			return err
		}
		if lost {
			reached, mark = nil, nil
			if d.step != stepYield {
				d = decision{step: stepContinue}
			}
		}
		return q.QueryRow(ctx, webhookProgress, accountID, id, worker, e.term, e.generation, reached, mark, p.delivered,
			times, marks, positions, kinds, statuses, took, failures,
			d.step, d.wait.Seconds(), db.OrNull(d.giveUp.Seconds()), d.reason, "webhook-"+uuid.NewV7().String()).Scan(&result, &version)
	})
	if err != nil {
		return "", 0, fmt.Errorf("store deliveries: %w", err)
	}
	if lost && result == outcomeKept {
		result = outcomeMoved
	}
	if result == outcomeDisabled {
		r.changed(accountID)
	}
	return result, version, nil
}

// isLost reports whether the event at a place does not exist in the database of q.
func isLost(ctx context.Context, q db.Querier, accountID uuid.UUID, place *events.Place) (bool, error) {
	if place == nil {
		return false, nil
	}
	err := events.Exists(ctx, q, accountID, *place)
	if errors.Is(err, events.ErrCursorLost) {
		return true, nil
	}
	return false, err
}
