package main

import (
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"
)

// kind says which operation a call is, and how the client may repeat it.
type kind int

const (
	createKeyed  kind = iota // with an Idempotency-Key
	createMarked             // counts its retries and has no Idempotency-Key, as in the official clients
	createOnce               // never repeated
	change                   // PATCH of the worker's own organization
	addMember
	removeMember
	deactivate // before the deletion
	deleteOrg
	eraseUser   // a member
	createBatch // of batchSize organizations, with an Idempotency-Key
	read        // GET of an organization that the worker created
	list
)

func (k kind) String() string {
	return [...]string{"createKeyed", "createMarked", "createOnce", "change", "addMember", "removeMember", "deactivate", "deleteOrg", "eraseUser", "createBatch", "read", "list"}[k]
}

func (k kind) creates() bool { return k <= createOnce }

// batchSize is the number of organizations of a createBatch.
const batchSize = 3

// names returns the names of the organizations that a creation makes.
func (c *call) names() []string {
	switch {
	case c.kind.creates():
		return []string{c.value}
	case c.kind == createBatch:
		names := make([]string, batchSize)
		for i := range names {
			names[i] = fmt.Sprintf("%s/%d", c.value, i)
		}
		return names
	}
	return nil
}

// reads reports whether the call changes nothing.
func (k kind) reads() bool { return k >= read }

// call is one operation of a client, with all its attempts. A client has one call in
// flight at a time.
type call struct {
	worker   int
	kind     kind
	org      string // the organization of the call, or of the user; empty for a creation and a list
	value    string // unique: the name, the beginning of the names of a batch, the metadata's value, or the user
	attempts []attempt
}

// attempt is one request and its answer.
type attempt struct {
	requestID  string // unique; stored with the event of the change
	replica    int
	start, end time.Time
	status     int    // 0 without an answer
	code       string // of a problem document
	orgID      string
	listed     []string // the organizations of a list or a batch
	gone       bool     // an earlier attempt, whose answer was lost, has deleted the organization
	replayed   bool
	flaw       string // what is wrong with the answer itself
	err        error  // why there is no answer
}

func (a attempt) succeeded() bool { return a.status >= 200 && a.status < 300 || a.gone }

// rejected reports whether the status means that the attempt changed nothing.
func (a attempt) rejected() bool {
	return a.status >= 300 && a.status < 500 && !a.gone
}

// unknown reports whether the attempt may have taken effect without an acknowledgment.
func (a attempt) unknown() bool { return !a.succeeded() && !a.rejected() }

func (a attempt) took() time.Duration { return a.end.Sub(a.start) }

func (a attempt) String() string {
	text := fmt.Sprintf("attempt %s at replica %d, %s after %s", a.requestID, a.replica, a.start.Format("15:04:05.000"), a.took().Round(time.Millisecond))
	if a.status == 0 {
		return fmt.Sprintf("%s: no answer: %v", text, a.err)
	}
	return fmt.Sprintf("%s: %d %s", text, a.status, a.code)
}

// answer returns the successful attempt, or nil.
func (c *call) answer() *attempt {
	for i := range c.attempts {
		if c.attempts[i].succeeded() {
			return &c.attempts[i]
		}
	}
	return nil
}

// unknowns returns the number of attempts with an unknown outcome.
func (c *call) unknowns() (n int) {
	for _, a := range c.attempts {
		if a.unknown() {
			n++
		}
	}
	return n
}

// mayHaveEffect reports whether an attempt succeeded or has an unknown outcome.
func (c *call) mayHaveEffect() bool { return c.answer() != nil || c.unknowns() > 0 }

// ledger records every call of a run. A call is added when it begins, an attempt when it
// ends.
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

// attempts returns the attempts that pass the filter, by start time.
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

// acknowledged returns the number of changes that were answered with success.
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

// percentile returns the duration that the given share of attempts did not exceed.
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
