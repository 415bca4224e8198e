package events

import (
	"context"
	"fmt"
	"runtime/debug"
	"strings"
	"sync"
	"time"

	"orgd/internal/db"
	"orgd/internal/uuid"
)

const (
	// sharedAtOnce is how many shared reads run at once. One change can wake all waiting
	// readers, and other requests need connections too.
	sharedAtOnce = 8
	// sharedPerAccount is how many shared reads of one account run at once.
	sharedPerAccount = 2
	// sharedLimit is the time limit of a shared read. It is longer than the statement
	// timeout and shorter than a request's deadline.
	sharedLimit = 9 * time.Second
)

// ReadTogether is Read for readers that were woken. Readers of one account that ask for
// the same page share one read. No reader gets the result of a read that began before its
// call, because that result may be older than the change that woke the reader. Callers
// must not change the page.
func (r *Repository) ReadTogether(ctx context.Context, accountID uuid.UUID, p Params) (Page, error) {
	key := readKey{accountID: accountID, limit: p.Limit, maxBytes: p.MaxBytes, cursor: p.Cursor, types: strings.Join(p.Types, " "), isOfOrg: p.OrgID != nil, orgID: db.OrZero(p.OrgID)}
	return r.shared.do(ctx, key, func(ctx context.Context) (Page, error) { return r.Read(ctx, accountID, p) })
}

// readKey identifies equal reads.
type readKey struct {
	accountID, orgID uuid.UUID
	isOfOrg          bool // whether orgID is a filter
	limit, maxBytes  int
	cursor, types    string
}

// sharedReads combines equal reads into one.
type sharedReads struct {
	slots chan struct{}

	mu      sync.Mutex
	own     map[uuid.UUID]*ownSlots
	next    map[readKey]*sharedRead // the reads that have not begun
	running map[readKey]bool
}

// ownSlots are the slots of one account.
type ownSlots struct {
	slots chan struct{}
	users int // keys with a running or waiting read; at 0, the slots are deleted
}

// sharedRead is one read, for all readers that asked for it before it began.
type sharedRead struct {
	read func(context.Context) (Page, error)
	done chan struct{} // closed when page and err are set
	page Page
	err  error
}

func newSharedReads() *sharedReads {
	return &sharedReads{slots: make(chan struct{}, sharedAtOnce), own: map[uuid.UUID]*ownSlots{}, next: map[readKey]*sharedRead{}, running: map[readKey]bool{}}
}

func (s *sharedReads) do(ctx context.Context, key readKey, read func(context.Context) (Page, error)) (Page, error) {
	one := s.join(ctx, key, read)
	select {
	case <-one.done:
		return one.page, one.err
	case <-ctx.Done():
		return Page{}, ctx.Err()
	}
}

func (s *sharedReads) join(ctx context.Context, key readKey, read func(context.Context) (Page, error)) *sharedRead {
	s.mu.Lock()
	defer s.mu.Unlock()
	if one := s.next[key]; one != nil {
		return one
	}
	one := &sharedRead{read: read, done: make(chan struct{})}
	s.next[key] = one
	if !s.running[key] {
		s.running[key] = true
		go s.run(context.WithoutCancel(ctx), key) // the first reader may disconnect while others wait
	}
	return one
}

// run runs the reads for a key, one at a time, until none are left.
func (s *sharedReads) run(ctx context.Context, key readKey) {
	own := s.enter(key.accountID)
	defer s.leave(key.accountID)
	for {
		own <- struct{}{}
		s.slots <- struct{}{}
		one := s.begin(key)
		if one != nil {
			one.run(ctx)
		}
		<-s.slots
		<-own
		if one == nil {
			return
		}
	}
}

func (r *sharedRead) run(ctx context.Context) {
	defer close(r.done)
	defer func() {
		if p := recover(); p != nil { // as in a handler, a panic fails only these requests
			r.err = fmt.Errorf("panic: %v\n%s", p, debug.Stack())
		}
	}()
	limited, cancel := context.WithTimeout(ctx, sharedLimit)
	defer cancel()
	r.page, r.err = r.read(limited)
}

// enter returns the account's slots. The caller must call leave when it no longer uses
// them.
func (s *sharedReads) enter(accountID uuid.UUID) chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	own := s.own[accountID]
	if own == nil {
		own = &ownSlots{slots: make(chan struct{}, sharedPerAccount)}
		s.own[accountID] = own
	}
	own.users++
	return own.slots
}

func (s *sharedReads) leave(accountID uuid.UUID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if own := s.own[accountID]; own.users > 1 {
		own.users--
	} else {
		delete(s.own, accountID)
	}
}

// begin returns the next read for a key, or nil if there is none.
func (s *sharedReads) begin(key readKey) *sharedRead {
	s.mu.Lock()
	defer s.mu.Unlock()
	one := s.next[key]
	delete(s.next, key)
	if one == nil {
		delete(s.running, key)
	}
	return one
}
