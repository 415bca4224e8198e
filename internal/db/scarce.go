package db

import (
	"context"
	"errors"
	"time"
)

// While connections are refused, callers wait for those that are open, and a task beside
// them tries whether others can be had again. Where none is open, callers try it.

// begin returns an error if no connection is to be tried now.
func (p *Pool) begin(h *hook) (err error) {
	if p.isScarce() {
		return pausedError{p.dials.lastError()}
	}
	h.isTrial, err = p.dials.begin()
	return err
}

func (p *Pool) isScarce() bool { return p.dials.lastError() != nil && p.links.count() > 0 }

func (p *Pool) failed(err error, isTrial bool) {
	p.dials.failed(err, isTrial)
	p.resize()
	p.startTrying()
}

func (p *Pool) startTrying() {
	if p.ctx.Err() == nil && p.isScarce() && p.trying.CompareAndSwap(false, true) {
		p.closing.Go(p.keepTrying)
	}
}

// resize has as many callers at once as there are connections for.
func (p *Pool) resize() {
	if open := p.links.count(); p.isScarce() {
		p.gate.setCapacity(min(open, p.maxConns))
	} else {
		p.gate.setCapacity(p.maxConns)
	}
}

// keepTrying makes a connection and closes it, until one succeeds: then the pool may
// open more connections. No caller waits for that.
func (p *Pool) keepTrying() {
	defer p.startTrying() // connections may be refused again meanwhile
	defer p.trying.Store(false)
	for p.isScarce() {
		select {
		case <-p.ctx.Done():
			return
		case <-time.After(p.dials.wait()):
		}
		isTrial, err := p.dials.begin()
		if err != nil {
			continue
		}
		if err := p.tryOne(); err != nil {
			p.dials.failed(err, isTrial)
			continue
		}
		p.dials.succeeded(isTrial)
	}
	p.resize()
}

// tryOne makes a connection as the pool does, and closes it.
func (p *Pool) tryOne() error {
	conn, err := connect(p.ctx, p.connConfig)
	if err != nil {
		return err
	}
	defer hangUp(conn)
	limited, cancel := context.WithTimeout(p.ctx, connectLimit)
	defer cancel()
	return p.makeReady(limited, conn)
}

// mayRetry says, after a caller since then got no connection, whether it should ask
// again: for one of those that are open, or because nothing was tried since it came,
// and PostgreSQL may be back. It waits a little before.
func (p *Pool) mayRetry(ctx context.Context, err error, since time.Time) bool {
	wait := retryPause
	if !p.isScarce() {
		if !errors.As(err, new(pausedError)) || time.Since(since) > longestPause {
			return false
		}
		wait = p.dials.wait()
	}
	select {
	case <-ctx.Done():
		return false
	case <-time.After(wait):
		return true
	}
}

// retryPause keeps a caller from asking again and again for a connection that is on its
// way out.
const retryPause = 5 * time.Millisecond
