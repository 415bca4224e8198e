package main

import (
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"
)

// kind says what a call does, and by which rule its client may repeat it.
type kind int

const (
	createKeyed  kind = iota // with an Idempotency-Key
	createMarked             // as the official clients: repeats are counted, and nothing names the call
	createOnce               // never repeated
	change                   // PATCH of the worker's own organization
	addMember
	removeMember
	read // GET of an organization that the worker has made
	list
)

func (k kind) String() string {
	return [...]string{"createKeyed", "createMarked", "createOnce", "change", "addMember", "removeMember", "read", "list"}[k]
}

func (k kind) creates() bool { return k <= createOnce }

// reads reports whether the call changes nothing.
func (k kind) reads() bool { return k >= read }

// call is one thing that a client wants, with all attempts to get it done. A client
// has one call under way at a time.
type call struct {
	worker   int
	kind     kind
	org      string // the organization that it is about; empty for a creation and a list
	value    string // unique: the name, the metadata's value, or the user
	attempts []attempt
}

// attempt is one request and its answer.
type attempt struct {
	requestID  string // unique; the event of its change carries it
	replica    int
	start, end time.Time
	status     int    // 0: no answer came
	code       string // of a problem document
	orgID      string
	replayed   bool
	flaw       string // what is wrong with the answer in itself
	err        error  // why no answer came
}

func (a attempt) succeeded() bool { return a.status >= 200 && a.status < 300 }

// refused reports whether the answer promises that the attempt changed nothing.
func (a attempt) refused() bool {
	return a.status >= 300 && a.status < 500
}

// unknown reports whether the attempt may have taken effect without saying so.
func (a attempt) unknown() bool { return !a.succeeded() && !a.refused() }

func (a attempt) took() time.Duration { return a.end.Sub(a.start) }

func (a attempt) String() string {
	text := fmt.Sprintf("attempt %s at replica %d, %s after %s", a.requestID, a.replica, a.start.Format("15:04:05.000"), a.took().Round(time.Millisecond))
	if a.status == 0 {
		return fmt.Sprintf("%s: no answer: %v", text, a.err)
	}
	return fmt.Sprintf("%s: %d %s", text, a.status, a.code)
}

// answer returns the attempt that was answered with success, or nil.
func (c *call) answer() *attempt {
	for i := range c.attempts {
		if c.attempts[i].succeeded() {
			return &c.attempts[i]
		}
	}
	return nil
}

// unknowns is how many attempts may have taken effect without saying so.
func (c *call) unknowns() (n int) {
	for _, a := range c.attempts {
		if a.unknown() {
			n++
		}
	}
	return n
}

// ledger has every call of a run. Calls are added when they begin, attempts when
// they end.
type ledger struct {
	mu    sync.Mutex
	calls []*call
}

func (l *ledger) begin(c *call) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.calls = append(l.calls, c)
}

func (l *ledger) note(c *call, a attempt) {
	l.mu.Lock()
	defer l.mu.Unlock()
	c.attempts = append(c.attempts, a)
}

// attempts returns those that pass the filter, in the order of their starts.
func (l *ledger) attempts(filter func(*call, attempt) bool) (found []attempt) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, c := range l.calls {
		for _, a := range c.attempts {
			if filter(c, a) {
				found = append(found, a)
			}
		}
	}
	slices.SortFunc(found, func(a, b attempt) int { return a.start.Compare(b.start) })
	return found
}

// firstSuccess returns when the replica first answered both a read and a change that
// were sent after since.
func (l *ledger) firstSuccess(replica int, since time.Time) (at time.Time, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	first := map[bool]time.Time{}
	for _, c := range l.calls {
		for _, a := range c.attempts {
			if a.replica != replica || !a.succeeded() || a.start.Before(since) {
				continue
			}
			if known, found := first[c.kind.reads()]; !found || a.end.Before(known) {
				first[c.kind.reads()] = a.end
			}
		}
	}
	for _, end := range slices.Collect(maps.Values(first)) {
		if end.After(at) {
			at = end
		}
	}
	return at, len(first) == 2
}

// acknowledged counts the changes that were answered with success.
func (l *ledger) acknowledged() (n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, c := range l.calls {
		if !c.kind.reads() && c.answer() != nil {
			n++
		}
	}
	return n
}

// percentile returns the time that a share of the attempts took at most.
func percentile(attempts []attempt, share float64) time.Duration {
	if len(attempts) == 0 {
		return 0
	}
	took := make([]time.Duration, len(attempts))
	for i, a := range attempts {
		took[i] = a.took()
	}
	slices.Sort(took)
	return took[min(len(took)-1, int(share*float64(len(took))))]
}
