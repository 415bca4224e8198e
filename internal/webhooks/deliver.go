package webhooks

import (
	"context"
	"errors"
	"slices"
	"time"

	"orgd/internal/cursor"
	"orgd/internal/events"
)

const (
	// pageBytes bounds the memory of the events that an endpoint has yet to get.
	pageBytes = 64 << 10
	// readPause is the wait after the feed could not be read.
	readPause = 500 * time.Millisecond
	// releaseTries is how often a worker tries to store its last progress.
	releaseTries = 3
)

// delivery delivers to one endpoint, one event after the other, while the worker holds it.
type delivery struct {
	w *Worker
	candidate
	endpoint endpoint
	pending  progress    // not stored yet
	saving   chan stored // has the result of the store in progress; nil if there is none
	savedAt  time.Time   // when the last store began
	begun    time.Time

	isMoved bool // the endpoint must be read again
	isOver  bool // the worker does not hold the endpoint any longer
}

// stored is the result of storing progress.
type stored struct {
	progress progress
	outcome  outcome
	version  int64
	err      error
}

// run takes the endpoint and delivers until there is a reason to release it. missed is true
// if there may be new events.
func (d *delivery) run(ctx context.Context) (missed bool) {
	var taken bool
	var err error
	if d.endpoint, taken, err = d.w.store.take(ctx, d.w.id, d.candidate); err != nil || !taken {
		return false // if it was taken nevertheless, the poll finds it
	}
	d.term = d.endpoint.term
	waiter := d.w.hub.Wait(d.accountID)
	defer waiter.Close()
	d.savedAt = time.Now()
	for {
		next := d.deliverAll(ctx, waiter)
		if d.isOver || !d.release(ctx, next) {
			break
		}
		if !d.readAgain(ctx) {
			return false
		}
	}
	select {
	case <-waiter.Woken(d.endpoint.place.Position):
		return true
	default:
		return false
	}
}

// deliverAll delivers until there is a reason to stop, and returns what to do then.
func (d *delivery) deliverAll(ctx context.Context, waiter *events.Waiter) decision {
	for {
		types := d.endpoint.types
		page, err := d.w.store.feed.Read(ctx, d.accountID, events.Params{
			Limit: cursor.MaxLimit, After: &d.endpoint.place, Types: types, MaxBytes: pageBytes,
		})
		switch {
		case errors.Is(err, events.ErrCursorLost):
			// A failover or a restore may have lost the last events, and the place with them.
			lost := d.endpoint.place
			d.pending.reached = nil
			if !d.readAgain(ctx) {
				return decision{step: stepYield}
			}
			if d.endpoint.place == lost {
				return decision{step: stepDisable, reason: EventsDeleted}
			}
			continue
		case errors.Is(err, events.ErrCursorExpired):
			return decision{step: stepDisable, reason: EventsDeleted}
		case err != nil:
			if !d.pause(ctx, readPause) {
				return decision{step: stepYield}
			}
			continue
		}
		next, done := d.deliverPage(ctx, page, types)
		if !done && !d.isMoved && !page.HasMore && d.wants(types) {
			next, done = d.await(ctx, waiter)
		}
		if done {
			return next
		}
		if d.isMoved && !d.readAgain(ctx) {
			return decision{step: stepYield}
		}
	}
}

// wants reports whether the types of the endpoint are still these. A page that was read
// for others must be read again.
func (d *delivery) wants(types []string) bool { return slices.Equal(types, d.endpoint.types) }

// deliverPage delivers a page that was read for the types. done is true if the worker must
// do something else next.
func (d *delivery) deliverPage(ctx context.Context, page events.Page, types []string) (next decision, done bool) {
	for i := range page.Events {
		if next, done = d.deliverOne(ctx, &page.Events[i]); done || d.isMoved || !d.wants(types) {
			return next, done
		}
	}
	if page.Last != d.endpoint.place {
		d.reach(page.Last)
	}
	d.save(ctx)
	return decision{step: stepYield}, d.isOver || d.mustStop(ctx) || d.mustMakeRoom()
}

// mustMakeRoom reports whether the endpoint has had its place for long enough, and another
// endpoint waits for one.
func (d *delivery) mustMakeRoom() bool {
	return d.w.crowded.Load() && time.Since(d.begun) >= d.w.cfg.Turn
}

func (d *delivery) deliverOne(ctx context.Context, e *events.Event) (next decision, done bool) {
	if d.mustStop(ctx) || !d.w.isAlive() {
		return decision{step: stepYield}, true
	}
	begun := time.Now()
	got, err := d.send(ctx, request{url: d.endpoint.url, secrets: d.endpoint.secrets(), id: e.ID.String(), body: message(e)})
	if err != nil {
		return decision{step: stepYield}, true
	}
	took := time.Since(begun)
	d.pending.add(Attempt{At: begun, EventID: e.ID, Position: e.Position, Type: e.Type, Status: got.status, Took: took, Failure: got.failure})
	switch got.failure {
	case "":
		d.w.cfg.Observer.ObserveAttempt(delivered, took)
		d.pending.delivered = true
		d.endpoint.failures = 0
		d.reach(e.At())
		d.save(ctx)
		return decision{step: stepYield}, d.isOver || d.mustMakeRoom()
	case FailedGone:
		next = decision{step: stepDisable, reason: Gone}
	default:
		d.endpoint.failures++
		wait := max(d.w.cfg.Backoff(d.endpoint.failures), got.retryAfter)
		next = decision{step: stepRetry, wait: wait, giveUp: d.w.cfg.GiveUp}
	}
	d.w.cfg.Observer.ObserveAttempt(string(got.failure), took)
	return next, true
}

// send makes an attempt, and stores progress meanwhile.
func (d *delivery) send(ctx context.Context, r request) (response, error) {
	type result struct {
		response response
		err      error
	}
	done := make(chan result, 1)
	go func() {
		got, err := d.w.store.sender.send(ctx, d.w.store.sender.timeout, r)
		done <- result{got, err}
	}()
	save := time.NewTicker(d.w.cfg.Save)
	defer save.Stop()
	for {
		select {
		case got := <-done:
			return got.response, got.err
		case <-save.C:
			d.save(ctx)
		}
	}
}

func (d *delivery) reach(place events.Place) {
	d.endpoint.place = place
	d.pending.reached = &place
}

// await waits for new events. If there are none for a while, it returns what to do next.
func (d *delivery) await(ctx context.Context, waiter *events.Waiter) (next decision, done bool) {
	linger, save := time.NewTimer(d.w.cfg.Linger), time.NewTicker(d.w.cfg.Save)
	defer linger.Stop()
	defer save.Stop()
	for {
		select {
		case <-waiter.Woken(d.endpoint.place.Position):
			d.refresh(ctx)
			return decision{step: stepYield}, d.isOver
		case <-save.C:
			if d.save(ctx); d.isOver || d.isMoved {
				return decision{step: stepYield}, d.isOver
			}
			if d.mustMakeRoom() {
				return decision{step: stepIdle}, true
			}
		case <-linger.C:
			return decision{step: stepIdle}, true
		case <-d.w.stopping:
			return decision{step: stepYield}, true
		case <-ctx.Done():
			return decision{step: stepYield}, true
		}
	}
}

// mustStop reports whether the worker stops or has lost its lease.
func (d *delivery) mustStop(ctx context.Context) bool {
	select {
	case <-d.w.stopping:
		return true
	default:
		return ctx.Err() != nil
	}
}

// pause waits. It returns false if the worker must stop.
func (d *delivery) pause(ctx context.Context, wait time.Duration) bool {
	select {
	case <-time.After(wait):
		return true
	case <-d.w.stopping:
	case <-ctx.Done():
	}
	return false
}

// save starts to store the progress, if the last store began long enough ago, and handles
// the result of the previous store. Deliveries go on meanwhile: after a crash, the events
// of that time are delivered again.
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

// refresh finds out what calls have changed, unless that is known from a moment ago.
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

// readConfig reads what calls have changed, except the place.
func (d *delivery) readConfig(ctx context.Context) {
	e, err := d.w.store.read(ctx, d.accountID, d.id)
	switch {
	case errors.Is(err, ErrNotFound):
		d.isOver = true
	case err != nil:
		return // the version still differs at the next store
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

// release stores the last progress and what to do next, also when ctx is done. It returns
// true if a call has moved the endpoint meanwhile, so that the worker still holds it.
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
		if err != nil {
			continue
		}
		d.pending = progress{}
		if result == outcomeDisabled {
			d.w.cfg.Logger.Info("webhook disabled", "accountId", d.accountID.String(), "webhookId", FormatID(d.id), "reason", d.reasonOf(next))
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
