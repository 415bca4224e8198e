package webhooks

import (
	"context"
	"errors"
	"time"
)

// releaseTries is how often a worker tries to store its last progress.
const releaseTries = 3

// stored is the result of storing progress.
type stored struct {
	progress progress
	outcome  outcome
	version  int64
	err      error
}

// save handles the result of the previous store, and starts to store the progress if the
// last store began long enough ago. Deliveries continue in the meantime. After a crash,
// the events whose delivery was not stored are delivered again.
func (d *delivery) save(ctx context.Context) {
	if d.saving != nil {
		select {
		case s := <-d.saving:
			d.saving = nil
			d.handle(ctx, s)
		default:
			return
		}
	}
	if d.isOver || d.isMoved || d.pending.isEmpty() || time.Since(d.savedAt) < d.w.cfg.Save {
		return
	}
	d.store(ctx)
}

// store starts to store the progress.
func (d *delivery) store(ctx context.Context) {
	p, e := d.pending, d.endpoint
	d.pending, d.savedAt = progress{}, time.Now()
	saving := make(chan stored, 1)
	d.saving = saving
	go func() {
		limited, cancel := context.WithTimeout(ctx, storeLimit)
		defer cancel()
		s := stored{progress: p}
		s.outcome, s.version, s.err = d.w.store.keep(limited, d.accountID, d.id, d.w.id, e, p, decision{step: stepContinue})
		saving <- s
	}()
}

// refresh finds out what API calls have changed, unless it did so a moment ago.
func (d *delivery) refresh(ctx context.Context) {
	d.save(ctx)
	if d.saving == nil && time.Since(d.savedAt) >= d.w.cfg.Save {
		d.store(ctx)
	}
	d.awaitStore(ctx)
}

func (d *delivery) awaitStore(ctx context.Context) {
	if d.saving != nil {
		s := <-d.saving
		d.saving = nil
		d.handle(ctx, s)
	}
}

// handle handles the result of a store.
func (d *delivery) handle(ctx context.Context, s stored) {
	d.report(storeProgress, s.err)
	switch {
	case s.err != nil:
		d.pending = s.progress.before(d.pending)
	case s.outcome == outcomeMoved:
		d.isMoved = true
		d.pending.reached = nil
	case s.outcome != outcomeKept:
		d.isOver = true
	case s.version != d.endpoint.version:
		d.readConfig(ctx)
	}
}

// readConfig reads what API calls have changed, except the place.
func (d *delivery) readConfig(ctx context.Context) {
	e, err := d.w.store.read(ctx, d.accountID, d.id)
	switch {
	case errors.Is(err, ErrNotFound):
		d.isOver = true
	case err != nil:
		return // the version will still differ after the next store, which tries again
	case e.term != d.term:
		d.isOver = true
	case e.generation != d.endpoint.generation:
		d.isMoved = true
		d.pending.reached = nil
	default:
		e.place, e.failures = d.endpoint.place, d.endpoint.failures
		d.endpoint = e
	}
}

// readAgain reads the whole endpoint after it has moved.
func (d *delivery) readAgain(ctx context.Context) bool {
	d.awaitStore(ctx)
	e, err := d.w.store.read(ctx, d.accountID, d.id)
	if err != nil {
		return false
	}
	if e.term != d.term {
		d.isOver = true
		return false
	}
	d.endpoint, d.isMoved = e, false
	d.pending = progress{attempts: d.pending.attempts}
	return true
}

// release stores the last progress and what to do next, even if ctx is done. It returns
// true if an API call has moved the endpoint in the meantime, so that the worker still
// holds it.
func (d *delivery) release(ctx context.Context, next decision) (moved bool) {
	ctx = context.WithoutCancel(ctx)
	d.awaitStore(ctx)
	if d.isOver {
		return false
	}
	for try := range releaseTries {
		if try > 0 {
			time.Sleep(readPause)
		}
		limited, cancel := context.WithTimeout(ctx, storeLimit)
		result, _, err := d.w.store.keep(limited, d.accountID, d.id, d.w.id, d.endpoint, d.pending, next)
		cancel()
		if d.report(storeProgress, err); err != nil {
			continue
		}
		d.pending = progress{}
		if result == outcomeDisabled {
			reason := d.reasonOf(next)
			d.w.cfg.Observer.ObserveGivenUp(string(reason))
			d.w.cfg.Logger.Info("webhook disabled", "accountId", d.accountID.String(), "webhookId", FormatID(d.id), "reason", reason)
		}
		return result == outcomeMoved && next.step != stepYield
	}
	return false // the poll finds the endpoint, which the worker still holds
}

// reasonOf returns why a step disabled the endpoint.
func (d *delivery) reasonOf(next decision) Reason {
	if next.step == stepRetry {
		return Failing
	}
	return next.reason
}
