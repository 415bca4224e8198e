package apikeys

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"orgd/internal/db"
	"orgd/internal/uuid"
)

// statements is a fake database that has every key whose digest begins with 1. A test can
// delay its answers.
type statements struct {
	begun   chan int // receives the number of keys in each statement
	release chan struct{}
	running atomic.Int64
	err     error
}

func newStatements() *statements {
	return &statements{begun: make(chan int, 1000), release: make(chan struct{})}
}

func (s *statements) find(_ context.Context, wanted []digest) ([]*validKey, error) {
	s.running.Add(1)
	defer s.running.Add(-1)
	s.begun <- len(wanted)
	<-s.release
	found := make([]*validKey, len(wanted))
	for i, d := range wanted {
		if d[0] == 1 {
			found[i] = &validKey{principal: Principal{KeyID: uuid.UUID{15: d[1]}}}
		}
	}
	return found, s.err
}

// A single lookup starts a statement immediately. Lookups that arrive while it runs share
// the next one, and each caller gets the answer for its own key.
func TestLookUpsShareAStatement(t *testing.T) {
	t.Parallel()
	s := newStatements()
	l := &lookUps{find: s.find}
	var all sync.WaitGroup
	ask := func(d digest) {
		all.Go(func() {
			found, err := l.lookUp(context.Background(), d)
			if d[0] == 1 && (err != nil || found.principal.KeyID != uuid.UUID{15: d[1]}) || d[0] != 1 && !errors.Is(err, db.ErrNoRows) {
				t.Errorf("%v: %+v, %v", d[:2], found, err)
			}
		})
	}
	ask(digest{1, 1})
	if n := <-s.begun; n != 1 {
		t.Errorf("the first statement looks up %d keys", n)
	}
	for i := range byte(200) {
		ask(digest{i % 2, i})
	}
	for waiting := 0; waiting < 200; time.Sleep(time.Millisecond) {
		l.mu.Lock()
		waiting = len(l.waiting)
		if l.running > 1 { // on a slow machine, the first statement may exceed lookUpPatience
			waiting = 200
		}
		l.mu.Unlock()
	}
	close(s.release)
	all.Wait()
	close(s.begun)
	total, count := 0, 0
	for n := range s.begun {
		total += n
		count++
	}
	if total != 200 || count > lookUpStatements {
		t.Errorf("%d keys in %d statements", total, count)
	}
}

// The number of keys in a statement and the number of concurrent statements are bounded,
// even if statements hang.
func TestLookUpsAreBounded(t *testing.T) {
	t.Parallel()
	s := newStatements()
	l := &lookUps{find: s.find}
	var all sync.WaitGroup
	for range 3*lookUpBatch + 1 {
		all.Go(func() {
			if _, err := l.lookUp(context.Background(), digest{}); !errors.Is(err, db.ErrNoRows) {
				t.Error(err)
			}
		})
	}
	bounded := func(n int) {
		if n > lookUpBatch {
			t.Errorf("a statement looks up %d keys", n)
		}
	}
	for range lookUpStatements {
		bounded(<-s.begun)
	}
	time.Sleep(2 * lookUpPatience)
	if n := s.running.Load(); n != lookUpStatements {
		t.Errorf("%d concurrent statements, want %d", n, lookUpStatements)
	}
	go func() {
		for range cap(s.begun) {
			s.release <- struct{}{}
		}
	}()
	all.Wait()
	close(s.begun)
	for n := range s.begun {
		bounded(n)
	}
}

// A hanging statement does not block later lookups.
func TestHangingLookUpBlocksNoOther(t *testing.T) {
	t.Parallel()
	hanging := make(chan struct{})
	var first atomic.Bool
	l := &lookUps{find: func(_ context.Context, wanted []digest) ([]*validKey, error) {
		if first.CompareAndSwap(false, true) {
			<-hanging
		}
		return make([]*validKey, len(wanted)), nil
	}}
	var all sync.WaitGroup
	all.Go(func() {
		if _, err := l.lookUp(context.Background(), digest{}); !errors.Is(err, db.ErrNoRows) {
			t.Error(err)
		}
	})
	for !first.Load() {
		time.Sleep(time.Millisecond)
	}
	for range 3 {
		if _, err := l.lookUp(context.Background(), digest{}); !errors.Is(err, db.ErrNoRows) {
			t.Error(err)
		}
	}
	close(hanging)
	all.Wait()
}

// A canceled caller returns immediately. All callers of a failed statement get its error.
func TestLookUpsThatFail(t *testing.T) {
	t.Parallel()
	s := newStatements()
	s.err = db.ErrUnavailable
	l := &lookUps{find: s.find}
	gone, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := l.lookUp(gone, digest{1}); !errors.Is(err, context.Canceled) {
		t.Errorf("a canceled caller: %v", err)
	}
	var all sync.WaitGroup
	for range 10 {
		all.Go(func() {
			if _, err := l.lookUp(context.Background(), digest{1}); !errors.Is(err, db.ErrUnavailable) {
				t.Error(err)
			}
		})
	}
	close(s.release)
	all.Wait()
}
