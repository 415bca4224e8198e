package db

import (
	"context"
	"time"
)

// While connections are refused, callers wait for those that are open, and a task beside
// them tries whether others can be had again. Where none is open, callers try it.

// begin returns an error if no connection is to be tried now.
func (p *Pool) begin(h *hook) (err error) {
	if p.isScarce() {
		return p.dials.lastError()
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
		conn, err := connect(p.ctx, p.connConfig)
		if err != nil {
			p.dials.failed(err, isTrial)
			continue
		}
		hangUp(conn)
		p.dials.succeeded(isTrial)
	}
	p.resize()
}

// mayWait says, after a connection was refused, whether others are open that a caller
// can wait for. The pause keeps it from asking again and again for one that is on its
// way out.
func (p *Pool) mayWait(ctx context.Context) bool {
	if !p.isScarce() {
		return false
	}
	select {
	case <-ctx.Done():
	case <-time.After(refusedPause):
	}
	return true
}

const refusedPause = 5 * time.Millisecond
