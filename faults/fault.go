package main

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// fault is a row of the table.
type fault struct {
	name    string // of the command line and the report: lower case with dashes
	what    string // what happens, for people
	promise string // what orgd promises then, for people
	// within is how soon every replica answers reads and changes and is ready again,
	// from heal on, or from inject if the fault stays. It has room for a busy machine
	// beside the promise.
	within  time.Duration
	setup   setup
	load    pace
	rest    time.Duration // how long nobody asks anything before the fault
	allowed allowance
	inject  func(context.Context, *stage) error
	hold    time.Duration // between inject and heal
	heal    func(context.Context, *stage) error
	// felt is an error if the fault did nothing to the service: then nothing was tried.
	felt func(*episode) error
	// also are further checks, at the end; nil for none.
	also  func(context.Context, *episode) error
	alone bool // needs the machine for itself
}

// episode is one run of a fault, for its checks.
type episode struct {
	*fault
	*stage
	began    time.Time // of the load, after the warm-up
	injected time.Time
	healed   time.Time // injected, if the fault stays
	ended    time.Time // of the recovery
	remark   string    // what a check has measured
}

// during returns the attempts that were under way between the injection and recovery.
func (e *episode) during() []attempt {
	return e.stage.load.ledger.attempts(func(_ *call, a attempt) bool {
		return a.end.After(e.injected) && a.start.Before(e.ended)
	})
}

// before returns the attempts that had ended when the fault came.
func (e *episode) before() []attempt {
	return e.stage.load.ledger.attempts(func(_ *call, a attempt) bool { return a.start.After(e.began) && a.end.Before(e.injected) })
}

// someFailed wants the fault to have cost somebody an answer.
func someFailed(e *episode) error {
	for _, a := range e.during() {
		if !a.succeeded() {
			return nil
		}
	}
	return errors.New("not one call failed")
}

// someTook wants the fault to have held somebody up.
func someTook(d time.Duration) func(*episode) error {
	return func(e *episode) error {
		longest := percentile(e.during(), 1)
		if longest < d {
			return fmt.Errorf("no call took longer than %v", longest)
		}
		return nil
	}
}

// counted wants every replica's proxy to have done something.
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

// atLeast is an error if there are fewer.
func atLeast(n, wanted int, what string) error {
	if n < wanted {
		return fmt.Errorf("%d %s, and %d are needed", n, what, wanted)
	}
	return nil
}

// fewDials bounds how often each replica tried to connect during the fault.
func fewDials(most int64) func(context.Context, *episode) error {
	return func(_ context.Context, e *episode) error {
		for i, p := range e.proxies {
			if n := p.refusals.Load(); n > most {
				return fmt.Errorf("replica %d tried %d times to connect, and %d are the limit", i, n, most)
			}
		}
		return nil
	}
}

// noneFailed is for what must cost nobody anything.
func noneFailed(_ context.Context, e *episode) error {
	failed := 0
	var first attempt
	for _, a := range e.during() {
		if !a.succeeded() {
			if failed == 0 {
				first = a
			}
			failed++
		}
	}
	if failed > 0 {
		return fmt.Errorf("%d of %d calls failed; the first: %s", failed, len(e.during()), first)
	}
	return nil
}
