package db

import (
	"context"
	"errors"
	"time"
)

// While connections are refused, callers wait for the open ones, and a background task
// tries to open more. If none is open, callers try themselves.

// begin returns an error if no connection may be tried now.
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

// resize admits as many callers as there are connections.
func (p *Pool) resize() {
	if open := p.links.count(); p.isScarce() {
		p.gate.setCapacity(min(open, p.maxConns))
	} else {
		p.gate.setCapacity(p.maxConns)
	}
}

// keepTrying opens and closes connections until one succeeds. Then the pool may open
// more. No caller waits for it.
func (p *Pool) keepTrying() {
	defer p.startTrying() // connections may be refused again by now
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

// tryOne opens a connection as the pool does, and closes it.
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

// mayRetry reports whether a caller that arrived at since and got no connection should
// try again: an open one may become free, or nothing was tried since it arrived and
// PostgreSQL may be back. It pauses before it returns true.
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

// retryPause keeps a caller from spinning on a connection that is being closed.
const retryPause = 5 * time.Millisecond
