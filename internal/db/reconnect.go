package db

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
)

// Pauses between connection attempts while PostgreSQL rejects connections or does not
// answer. They double with each failure, and half of each is random.
const (
	firstPause   = 50 * time.Millisecond
	longestPause = 500 * time.Millisecond
)

// backoff keeps a pool from dialing for each caller while connections fail. It allows one
// attempt at a time, after a pause. Other callers get a pausedError.
type backoff struct {
	mu     sync.Mutex
	last   error // nil while connections succeed
	pause  time.Duration
	until  time.Time // no attempt before this time
	trying bool
}

// pausedError is the error of an earlier attempt, for a caller that made no attempt
// itself.
type pausedError struct{ error }

func (e pausedError) Unwrap() error { return e.error }

// begin returns nil if the caller may try to connect now. If isTrial is true, no other
// caller may try until this attempt has ended.
func (b *backoff) begin() (isTrial bool, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.last == nil {
		return false, nil
	}
	if b.trying || time.Now().Before(b.until) {
		return false, pausedError{b.last}
	}
	b.trying = true
	return true, nil
}

// failed records the error of an attempt.
func (b *backoff) failed(err error, isTrial bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if isTrial {
		b.trying = false
	}
	if errors.Is(err, context.Canceled) {
		return // it says nothing about PostgreSQL
	}
	// Attempts that began together lengthen the pause only once.
	if isTrial || b.last == nil {
		b.pause = min(max(2*b.pause, firstPause), longestPause)
		b.until = time.Now().Add(b.pause/2 + rand.N(b.pause/2))
	}
	b.last = err
}

func (b *backoff) succeeded(isTrial bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if isTrial {
		b.trying = false
	}
	b.last, b.pause = nil, 0
}

// wait returns the time until the next attempt is allowed.
func (b *backoff) wait() time.Duration {
	b.mu.Lock()
	defer b.mu.Unlock()
	return max(time.Until(b.until), firstPause)
}

// lastError returns the last failure, or nil while connections succeed.
func (b *backoff) lastError() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.last
}

// attempt observes how an attempt to connect ends, which pgx reports only to a tracer. It
// restores the real tracer before pgx copies the tracer to the connection.
type attempt struct {
	pgx.QueryTracer // the real one, or nil
	failed          func(error)
}

// TraceConnectStart implements pgx.ConnectTracer.
func (a *attempt) TraceConnectStart(ctx context.Context, data pgx.TraceConnectStartData) context.Context {
	data.ConnConfig.Tracer = a.QueryTracer
	if tracer, ok := a.QueryTracer.(pgx.ConnectTracer); ok {
		return tracer.TraceConnectStart(ctx, data)
	}
	return ctx
}

// TraceConnectEnd implements pgx.ConnectTracer.
func (a *attempt) TraceConnectEnd(ctx context.Context, data pgx.TraceConnectEndData) {
	if data.Err != nil {
		a.failed(data.Err)
	}
	if tracer, ok := a.QueryTracer.(pgx.ConnectTracer); ok {
		tracer.TraceConnectEnd(ctx, data)
	}
}

// While PostgreSQL rejects connections, callers wait for the open ones, and a background task
// tries to open more. If none is open, callers try themselves.

// begin returns an error if the pool must not try to open a connection now.
func (p *Pool) begin(h *hook) (err error) {
	if p.isScarce() {
		return pausedError{p.dials.lastError()}
	}
	h.isTrial, err = p.dials.begin()
	return err
}

func (p *Pool) isScarce() bool { return p.dials.lastError() != nil && p.sockets.count() > 0 }

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

// resize sets the capacity of the gate: to the number of open connections while no more
// can be opened, and otherwise to maxConns.
func (p *Pool) resize() {
	if open := p.sockets.count(); p.isScarce() {
		p.gate.setCapacity(min(open, p.maxConns))
	} else {
		p.gate.setCapacity(p.maxConns)
	}
}

// keepTrying tries to open a connection until an attempt succeeds, and closes it again.
// The pool may then open more. No caller waits for these attempts.
func (p *Pool) keepTrying() {
	defer p.startTrying() // connections may have started to fail again
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
	return p.prepare(limited, conn)
}

// mayRetry reports whether a caller that got no connection should try again. since is when
// the caller arrived. The caller should try again if an open connection may become free, or
// if a later attempt to connect succeeded. It should also try again if it has made no
// attempt itself and arrived less than longestPause ago: PostgreSQL may be back, and nobody
// may have tried since. mayRetry pauses before it returns true.
func (p *Pool) mayRetry(ctx context.Context, err error, since time.Time) bool {
	wait := retryPause
	if p.dials.lastError() != nil && p.sockets.count() == 0 {
		if !errors.As(err, new(pausedError)) || time.Since(since) > longestPause {
			return false
		}
		wait = p.dials.wait()
	}
	select {
	case <-ctx.Done():
		return false
	case <-p.ctx.Done():
		return false
	case <-time.After(wait):
		return true
	}
}

// retryPause keeps a caller from retrying in a busy loop while a connection is being
// closed.
const retryPause = 5 * time.Millisecond
