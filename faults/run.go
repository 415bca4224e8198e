package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
)

// result is the result of one run of a fault.
type result struct {
	fault        string
	acknowledged int // changes that were answered with success
	failed       int // attempts that failed, from the injection on
	lost         int // acknowledged changes that are missing
	recovered    time.Duration
	paused       time.Duration // of recovered, how long the machine stood still
	lastFailure  time.Duration // from heal to the last failure
	remark       string        // other measurements, for the report
	violations   []string
	err          error // the harness could not run the fault, or errNotPossible
}

const (
	recoveryLimit = 45 * time.Second // after which a run stops waiting
	aftermath     = time.Second      // load after the recovery
	stopLimit     = 30 * time.Second // for the calls in flight
	// eraseLimit bounds the wait for the erasures that run in the background after
	// deletions. A server that does not know of a deletion, because PostgreSQL's answer
	// was lost, finds it within a minute.
	eraseLimit = 90 * time.Second
)

// try runs a fault once.
func try(ctx context.Context, t *template, f *fault) (r result) {
	r.fault = f.name
	s, err := newStage(ctx, t, f)
	if err != nil {
		r.err = err
		return r
	}
	defer func() {
		if err := s.tearDown(); err != nil {
			r.violations = append(r.violations, fmt.Sprintf("at the end: %v", err))
		}
	}()
	e := &episode{fault: f, stage: s}
	if r.err = e.play(ctx, &r); r.err != nil && ctx.Err() == nil {
		for _, replica := range s.replicas {
			r.err = fmt.Errorf("%w\nreplica %d:\n%s", r.err, replica.number, replica.log)
		}
	}
	return r
}

// play puts load on the stage, injects the fault, heals it, and runs the checks.
func (e *episode) play(ctx context.Context, r *result) (err error) {
	had, err := e.warmUp(ctx)
	if err != nil {
		return err
	}
	watch := e.watchReadiness(ctx)
	defer watch.stop()
	probe, closeProbe, err := writeDurably(e.dir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, closeProbe()) }()
	pauses := watchPauses(ctx, probe)
	if err := e.injectAndHeal(ctx); err != nil {
		return errors.Join(err, pauses.stop())
	}
	r.recovered = e.awaitRecovery(ctx, watch)
	e.ended = time.Now()
	r.paused = pauses.between(e.healed, e.healed.Add(r.recovered))
	if err := pauses.stop(); err != nil {
		return err
	}
	sleep(ctx, aftermath)
	limit := stopLimit
	if e.anyDead() != nil {
		limit = 0 // some calls can never finish
	}
	e.stage.load.stop(limit)
	e.stage.readers.stop()
	if e.stage.receiver != nil {
		e.stage.receiver.calm()
	}
	if err := context.Cause(ctx); err != nil {
		return err
	}
	e.report(r)
	if err := e.affected(e); err != nil && e.anyDead() == nil {
		return fmt.Errorf("the fault had no effect: %w", err)
	}
	return e.check(ctx, r, had)
}

// warmUp fills the pools, and then measures the resources of the replicas.
func (e *episode) warmUp(ctx context.Context) ([]resources, error) {
	if !e.unfilled {
		if err := e.fillPools(ctx); err != nil {
			return nil, err
		}
	}
	e.stage.load.start(ctx)
	e.stage.readers = startReaders(ctx, e.urls(), e.tenant.readerKey)
	sleep(ctx, 500*time.Millisecond)
	had, err := e.measure(ctx)
	e.began = time.Now()
	sleep(ctx, time.Second)
	if e.rest > 0 {
		e.stage.load.gate.close()
		sleep(ctx, e.rest)
		e.stage.load.gate.open()
	}
	return had, err
}

// injectAndHeal injects the fault. If the fault has a heal function, injectAndHeal then
// waits for the hold time and calls it.
func (e *episode) injectAndHeal(ctx context.Context) error {
	e.injected = time.Now()
	if err := e.inject(ctx, e.stage); err != nil {
		return fmt.Errorf("inject: %w", err)
	}
	e.healed = e.injected
	if e.heal == nil {
		return context.Cause(ctx)
	}
	sleep(ctx, e.hold)
	if err := e.heal(ctx, e.stage); err != nil {
		return fmt.Errorf("heal: %w", err)
	}
	e.healed = time.Now()
	return context.Cause(ctx)
}

// fillPools makes every replica open all its connections. For this it sends requests that
// wait for a lock.
func (e *episode) fillPools(ctx context.Context) error {
	conn, err := e.primary.connect(ctx, database)
	if err != nil {
		return err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	if _, err := conn.Exec(ctx, "BEGIN; LOCK TABLE orgs IN ACCESS EXCLUSIVE MODE"); err != nil {
		return err
	}
	var asking sync.WaitGroup
	for _, r := range e.replicas {
		for i := range 24 {
			asking.Go(func() {
				// A single account must not use all connections, so several take part.
				c := newClient(e.fillers[i%len(e.fillers)].keys[0])
				defer c.http.CloseIdleConnections()
				c.send(ctx, request{method: "GET", url: r.url() + "/v1/orgs"}, &attempt{})
			})
		}
	}
	sleep(ctx, time.Second) // less than the servers' lock timeout
	_, err = conn.Exec(ctx, "ROLLBACK")
	asking.Wait()
	return err
}

// awaitRecovery waits until every replica serves and is ready. It returns the time since
// heal.
func (e *episode) awaitRecovery(ctx context.Context, watch *readinessWatch) (took time.Duration) {
	err := await(ctx, "every replica serves", recoveryLimit, func() (bool, error) {
		if err := e.anyDead(); err != nil {
			return false, err
		}
		took = 0
		for i := range e.replicas {
			served, ok := e.stage.load.ledger.firstSuccess(i, e.healed)
			if !ok {
				return false, nil
			}
			ready, since := watch.ready(i)
			if !ready {
				return false, nil
			}
			if since.After(served) {
				served = since
			}
			took = max(took, served.Sub(e.healed))
		}
		return true, nil
	})
	if err != nil {
		return recoveryLimit
	}
	return took
}

// anyDead returns an error if a replica exited by itself.
func (e *episode) anyDead() error {
	var errs []error
	for _, r := range e.replicas {
		errs = append(errs, r.alive())
	}
	return errors.Join(errs...)
}

func (e *episode) report(r *result) {
	l := e.stage.load.ledger
	r.acknowledged = l.acknowledged()
	for _, a := range l.attempts(func(_ *call, a attempt) bool { return a.end.After(e.injected) && !a.succeeded() }) {
		r.failed++
		r.lastFailure = max(r.lastFailure, a.end.Sub(e.healed))
	}
	if r.recovered-r.paused > e.within {
		r.violations = append(r.violations, fmt.Sprintf("recovered after %v, of which the machine stood still for %v; limit %v",
			r.recovered.Round(time.Millisecond), r.paused.Round(time.Millisecond), e.within))
	}
}

// check runs all checks after the load has stopped.
func (e *episode) check(ctx context.Context, r *result, had []resources) error {
	note := func(err error) {
		if err != nil {
			r.violations = append(r.violations, err.Error())
		}
	}
	if e.finalCheck != nil {
		note(e.finalCheck(ctx, e))
		r.remark = e.remark
	}
	if !e.allowed.restores {
		note(e.repeatKeyed(ctx))
	}
	conn, err := e.primary.connect(ctx, database)
	if err != nil {
		return err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	note(await(ctx, "everything that was deleted is erased", eraseLimit, func() (done bool, err error) {
		err = conn.QueryRow(ctx, "SELECT NOT EXISTS (SELECT FROM org_erasures) AND NOT EXISTS (SELECT FROM user_erasures)").Scan(&done)
		return done, err
	}))
	state, err := readState(ctx, conn, e.tenant.id)
	if err != nil {
		return err
	}
	for _, replica := range e.replicas {
		note(replica.alive())
		note(e.walk(ctx, replica, state))
		if !e.allowed.restores {
			note(e.readDeleted(ctx, replica))
		}
		for _, line := range replica.log.defective() {
			note(fmt.Errorf("replica %d logged %s", replica.number, line))
		}
	}
	note(e.checkResources(ctx, had))
	found := state.broken
	if !e.allowed.restores {
		found = verify(e.stage.load.ledger, state, e.allowed)
	}
	for _, violation := range found {
		if strings.HasPrefix(violation, "lost: ") {
			r.lost++
		}
	}
	r.violations = append(r.violations, found...)
	if e.anyDead() != nil {
		return nil // the readers would wait for the dead replica
	}
	missed, err := e.checkFeed(ctx, conn)
	r.violations = append(r.violations, missed...)
	return err
}

// checkFeed compares what the readers of the feed and the webhook got with the events in
// the database.
func (e *episode) checkFeed(ctx context.Context, conn *pgx.Conn) (violations []string, err error) {
	e.stage.readers.finish(ctx)
	all, err := readFeed(ctx, conn, e.tenant.id)
	if err != nil {
		return nil, err
	}
	undone := e.allowed.losesPositions || e.allowed.restores
	violations = e.stage.readers.check(all, undone)
	if e.stage.receiver != nil {
		violations = append(violations, e.stage.receiver.check(ctx, all, undone)...)
	}
	return violations, nil
}

// repeatKeyed sends some answered creations again. Each must return the first result.
func (e *episode) repeatKeyed(ctx context.Context) error {
	w := &worker{load: e.stage.load, number: e.stage.load.workers, client: newClient(e.stage.load.key)}
	defer w.client.http.CloseIdleConnections()
	repeated := 0
	for _, c := range slices.Backward(e.stage.load.ledger.calls) { // the load has ended
		first := c.answer()
		if c.kind != createKeyed || first == nil {
			continue
		}
		if repeated++; repeated > 20 {
			break
		}
		w.replica = repeated % len(e.replicas)
		again := w.attempt(ctx, c)
		if !again.succeeded() || !again.replayed || again.orgID != first.orgID {
			return fmt.Errorf("%s was answered with %s, but a repeated call did not replay that answer: organization %q, replayed %t, flaw %q: %s",
				c.value, first.orgID, again.orgID, again.replayed, again.flaw, again)
		}
		e.stage.load.ledger.note(c, again)
	}
	if repeated == 0 {
		return errors.New("no creation with an idempotency key succeeded")
	}
	return nil
}
