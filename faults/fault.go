package main

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// fault is a row of the table.
type fault struct {
	name    string // for the command line and the report: lower case with hyphens
	what    string // what happens, for the report
	promise string // what orgd promises in that case, for the report
	// within is the time in which every replica must be ready, and answer reads and changes
	// again. It starts after heal, or after inject if there is no heal. It is the promised
	// time plus a margin for a busy machine.
	within  time.Duration
	setup   setup
	load    pace
	rest    time.Duration // a pause without requests before the fault
	allowed allowance
	inject  func(context.Context, *stage) error
	hold    time.Duration // between inject and heal
	heal    func(context.Context, *stage) error
	// affected returns an error if the fault did not affect the service. In that case the
	// run has tested nothing.
	affected func(*episode) error
	// finalCheck, if not nil, is a further check that runs after the load has stopped.
	finalCheck func(context.Context, *episode) error
	alone      bool // needs the whole machine
}

// episode is one run of a fault, for its checks.
type episode struct {
	*fault
	*stage
	began    time.Time // of the load, after the warm-up
	injected time.Time
	healed   time.Time // equals injected if there is no heal
	ended    time.Time // of the recovery
	remark   string    // what a check measured
}

// attemptsDuring returns the attempts in flight between the injection and the recovery.
func (e *episode) attemptsDuring() []attempt {
	return e.stage.load.ledger.attempts(func(_ *call, a attempt) bool {
		return a.end.After(e.injected) && a.start.Before(e.ended)
	})
}

// attemptsBefore returns the attempts that ended before the injection.
func (e *episode) attemptsBefore() []attempt {
	return e.stage.load.ledger.attempts(func(_ *call, a attempt) bool { return a.start.After(e.began) && a.end.Before(e.injected) })
}

// someFailed checks that at least one attempt failed during the fault.
func someFailed(e *episode) error {
	for _, a := range e.attemptsDuring() {
		if !a.succeeded() {
			return nil
		}
	}
	return errors.New("no call failed")
}

// someTook checks that at least one attempt took d or longer during the fault.
func someTook(d time.Duration) func(*episode) error {
	return func(e *episode) error {
		longest := percentile(e.attemptsDuring(), 1)
		if longest < d {
			return fmt.Errorf("the longest call took %v, want at least %v", longest, d)
		}
		return nil
	}
}

// counted checks that the given counter of every replica's proxy is not zero.
func counted(what string, count func(*proxy) int64) func(*episode) error {
	return func(e *episode) error {
		for i, p := range e.proxies {
			if count(p) == 0 {
				return fmt.Errorf("replica %d: %s", i, what)
			}
		}
		return nil
	}
}

var (
	withheld = counted("nothing was held back", func(p *proxy) int64 { return p.withheld.Load() })
	broken   = counted("no connection was broken", func(p *proxy) int64 { return p.broken.Load() })
	refusals = counted("no connection was refused", func(p *proxy) int64 { return p.refusals.Load() })
)

// atLeast returns an error if n is less than wanted.
func atLeast(n, wanted int, what string) error {
	if n < wanted {
		return fmt.Errorf("%d %s, want at least %d", n, what, wanted)
	}
	return nil
}

// fewDials checks that no replica tried to connect more than limit times during the
// fault.
func fewDials(limit int64) func(context.Context, *episode) error {
	return func(_ context.Context, e *episode) error {
		for i, p := range e.proxies {
			if n := p.refusals.Load(); n > limit {
				return fmt.Errorf("replica %d tried to connect %d times, limit %d", i, n, limit)
			}
		}
		return nil
	}
}

// noneFailed checks that no attempt failed.
func noneFailed(_ context.Context, e *episode) error {
	failed := 0
	var first attempt
	for _, a := range e.attemptsDuring() {
		if !a.succeeded() {
			if failed == 0 {
				first = a
			}
			failed++
		}
	}
	if failed > 0 {
		return fmt.Errorf("%d of %d calls failed; the first: %s", failed, len(e.attemptsDuring()), first)
	}
	return nil
}
