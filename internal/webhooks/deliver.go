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
	// pageBytes limits the size of a page of events, because each delivery keeps one in
	// memory.
	pageBytes = 64 << 10
	// readPause is the wait before the worker retries a read of the feed, or the last store
	// of its progress.
	readPause = 500 * time.Millisecond
)

// delivery delivers to one endpoint, one event at a time, while the worker holds it.
type delivery struct {
	w *Worker
	candidate
	endpoint endpoint
	pending  progress    // not stored yet
	saving   chan stored // receives the result of the store in progress; nil if there is none
	savedAt  time.Time   // when the last store began
	begun    time.Time

	isMoved bool // the endpoint must be read again
	isOver  bool // the worker no longer holds the endpoint
}

// run takes the endpoint and delivers until there is a reason to release it. missed is true
// if new events may have been written since the last read.
func (d *delivery) run(ctx context.Context) (missed bool) {
	var taken bool
	var err error
	d.endpoint, taken, err = d.w.store.take(ctx, d.w.id, d.candidate)
	if d.report(takeWebhook, err); err != nil || !taken {
		return false // if the endpoint was taken despite the error, the poll finds it
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
		if err != nil {
			if next, done := d.handleUnread(ctx, err); done {
				return next
			}
			continue
		}
		d.report(readEvents, nil)
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

// handleUnread handles a failed read of events. done is false if the worker should read
// them again now.
func (d *delivery) handleUnread(ctx context.Context, err error) (next decision, done bool) {
	switch {
	case errors.Is(err, events.ErrCursorLost):
		// A failover or a restore may have lost the last events. If the stored place was
		// lost with them, an earlier one is stored now, and delivery continues there.
		lost := d.endpoint.place
		d.pending.reached = nil
		if !d.readAgain(ctx) {
			return decision{step: stepYield}, true
		}
		return decision{step: stepDisable, reason: EventsDeleted}, d.endpoint.place == lost
	case errors.Is(err, events.ErrCursorExpired):
		return decision{step: stepDisable, reason: EventsDeleted}, true
	}
	d.report(readEvents, err)
	// After a permanent error, another endpoint gets the worker's slot until the next poll.
	return decision{step: stepYield}, !d.pause(ctx, readPause) || !isTemporary(err)
}

// wants reports whether the endpoint still has these types. If they have changed, a page
// that was read for the old types must be read again.
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

// mustMakeRoom reports whether the endpoint has had its slot for long enough, and another
// endpoint is waiting for one.
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
		next = d.w.cfg.retry(d.endpoint.failures, got.retryAfter)
	}
	d.w.cfg.Observer.ObserveAttempt(string(got.failure), took)
	return next, true
}

// send makes an attempt. It stores progress while it waits for the response.
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

// mustStop reports whether the worker is stopping or has lost its lease.
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
