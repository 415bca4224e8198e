// Package budget shares a fixed number of bytes among owners. It limits the memory that
// the requests of a process hold.
package budget

import (
	"context"
	"errors"
	"math"
	"slices"
	"sync"
	"time"
)

// ErrExhausted means that the owner's share had too few bytes left, and that not enough
// became free during the wait.
var ErrExhausted = errors.New("budget: the owner's share is exhausted")

// Budget is a number of bytes that owners share. After each grant, an owner holds at most
// as many bytes as are still free. A single greedy owner gets half of all bytes, and two
// get a third each, so there is always room for the next one. (These are the dynamic
// thresholds of Choudhury and Hahne, 1998, for packets that share a buffer.)
type Budget[K comparable] struct {
	size int64
	wait time.Duration

	mu      sync.Mutex
	free    int64 // negative after an overdraft, see Hold.Set
	owners  map[K]*owner
	waiting []*owner // owners with a queue; the first is next
	spare   []*owner // for reuse
}

type owner struct {
	held  int64
	holds int       // open holds
	queue []*waiter // first come, first served
}

type waiter struct {
	more    int64
	granted chan struct{} // closed when the bytes are granted
}

// New returns a budget of size bytes; 0 means no limit. wait is the longest time that a
// request waits for bytes of its owner's share.
func New[K comparable](size int64, wait time.Duration) *Budget[K] {
	if size == 0 {
		size = math.MaxInt64
	}
	return &Budget[K]{wait: wait, size: size, free: size, owners: map[K]*owner{}}
}

// Held returns the number of bytes that are held now.
func (b *Budget[K]) Held() int64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.size - b.free
}

// Open returns a hold of 0 bytes. The caller must close it.
func (b *Budget[K]) Open(key K) *Hold[K] {
	b.mu.Lock()
	defer b.mu.Unlock()
	o := b.owners[key]
	if o == nil {
		o = b.newOwner()
		b.owners[key] = o
	}
	o.holds++
	return &Hold[K]{budget: b, key: key, owner: o}
}

func (b *Budget[K]) newOwner() *owner {
	last := len(b.spare) - 1
	if last < 0 {
		return &owner{}
	}
	o := b.spare[last]
	b.spare = b.spare[:last]
	return o
}

// maxSpare is the maximum number of owners that are kept for reuse.
const maxSpare = 64

// Hold is one request's part of its owner's share. It is not safe for concurrent use.
type Hold[K comparable] struct {
	budget *Budget[K]
	key    K
	owner  *owner
	bytes  int64
}

// Reach grows the hold to at least the given number of bytes. It waits if the owner's
// share has too few bytes left. After an error, the hold is unchanged. Errors:
// ErrExhausted and the error of ctx.
func (h *Hold[K]) Reach(ctx context.Context, bytes int64) error {
	more := bytes - h.bytes
	if more <= 0 {
		return nil
	}
	b := h.budget
	b.mu.Lock()
	if len(h.owner.queue) == 0 && b.fits(h.owner, more) {
		b.grant(h.owner, more)
		b.mu.Unlock()
		h.bytes = bytes
		return nil
	}
	w := b.enqueue(h.owner, more)
	b.mu.Unlock()
	if err := b.await(ctx, h.owner, w); err != nil {
		return err
	}
	h.bytes = bytes
	return nil
}

// Set sets the hold to exactly the given number of bytes. It does not wait, so growth may
// overdraw the budget.
func (h *Hold[K]) Set(bytes int64) {
	b := h.budget
	b.mu.Lock()
	defer b.mu.Unlock()
	b.grant(h.owner, bytes-h.bytes)
	h.bytes = bytes
	b.serve()
}

// Close gives the bytes back to the budget.
func (h *Hold[K]) Close() {
	b, o := h.budget, h.owner
	b.mu.Lock()
	defer b.mu.Unlock()
	b.grant(o, -h.bytes)
	h.bytes = 0
	if o.holds--; o.holds == 0 {
		delete(b.owners, h.key)
		if len(b.spare) < maxSpare {
			b.spare = append(b.spare, o)
		}
	}
	b.serve()
}

func (b *Budget[K]) fits(o *owner, more int64) bool { return o.held+more <= b.free-more }

func (b *Budget[K]) grant(o *owner, more int64) {
	o.held += more
	b.free -= more
}

func (b *Budget[K]) enqueue(o *owner, more int64) *waiter {
	w := &waiter{more: more, granted: make(chan struct{})}
	o.queue = append(o.queue, w)
	if len(o.queue) == 1 {
		b.waiting = append(b.waiting, o)
	}
	return w
}

// serve grants the requests that fit now, one per owner in turn.
func (b *Budget[K]) serve() {
	for refused := 0; refused < len(b.waiting); {
		o := b.waiting[0]
		b.waiting = b.waiting[1:]
		w := o.queue[0]
		if !b.fits(o, w.more) {
			refused++
			b.waiting = append(b.waiting, o)
			continue
		}
		refused = 0
		b.grant(o, w.more)
		close(w.granted)
		if o.queue = o.queue[1:]; len(o.queue) > 0 {
			b.waiting = append(b.waiting, o)
		}
	}
}

func (b *Budget[K]) await(ctx context.Context, o *owner, w *waiter) error {
	timer := time.NewTimer(b.wait)
	defer timer.Stop()
	err := ErrExhausted
	select {
	case <-w.granted:
		return nil
	case <-ctx.Done():
		err = ctx.Err()
	case <-timer.C:
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	select {
	case <-w.granted: // between the end of the wait and the lock
		return nil
	default:
	}
	b.leave(o, w)
	return err
}

// leave removes a waiter from the queue. The waiters behind it may need fewer bytes, so
// leave also grants what fits now.
func (b *Budget[K]) leave(o *owner, w *waiter) {
	o.queue = slices.DeleteFunc(o.queue, func(other *waiter) bool { return other == w })
	if len(o.queue) == 0 {
		b.waiting = slices.DeleteFunc(b.waiting, func(other *owner) bool { return other == o })
	}
	b.serve()
}
