package events

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"orgd/internal/uuid"
)

// A read serves the readers that asked for it before it began. Readers that ask while it
// runs get the result of the next read.
func TestSharedReads(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newSharedReads()
		begun, release := make(chan struct{}), make(chan struct{})
		var reads int64
		read := func(context.Context) (Page, error) {
			reads++ // one at a time for each key
			begun <- struct{}{}
			<-release
			return Page{Bytes: int(reads)}, nil
		}
		var group sync.WaitGroup
		ask := func(want int) {
			group.Go(func() {
				if page, err := s.do(context.Background(), readKey{}, read); page.Bytes != want || err != nil {
					t.Errorf("got read %d, want %d (%v)", page.Bytes, want, err)
				}
			})
		}
		ask(1)
		<-begun
		for range 20 {
			ask(2)
		}
		synctest.Wait() // all have asked
		release <- struct{}{}
		<-begun
		ask(3)
		synctest.Wait()
		release <- struct{}{}
		<-begun
		release <- struct{}{}
		group.Wait()
		synctest.Wait()
		s.isIdle(t)
	})
}

func (s *sharedReads) isIdle(t *testing.T) {
	t.Helper()
	if len(s.next)+len(s.running)+len(s.own)+len(s.slots) > 0 {
		t.Errorf("something is left: %+v", s)
	}
}

// However many reads one account asks for, there are slots left for other accounts.
func TestSharedReadsPerAccount(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newSharedReads()
		release := make(chan struct{})
		var group sync.WaitGroup
		for i := range 2 * sharedAtOnce {
			group.Go(func() {
				_, err := s.do(context.Background(), readKey{limit: i}, func(context.Context) (Page, error) {
					<-release
					return Page{}, nil
				})
				if err != nil {
					t.Error(err)
				}
			})
		}
		synctest.Wait()
		if len(s.slots) != sharedPerAccount {
			t.Errorf("one account has %d reads at once, want %d", len(s.slots), sharedPerAccount)
		}
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		other := readKey{accountID: uuid.UUID{1}}
		if _, err := s.do(ctx, other, func(context.Context) (Page, error) { return Page{}, nil }); err != nil {
			t.Errorf("another account: %v", err)
		}
		close(release)
		group.Wait()
		synctest.Wait()
		s.isIdle(t)
	})
}

// A panic fails only the requests that share the read, and the next read has its slot.
func TestPanicInASharedRead(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newSharedReads()
		var group sync.WaitGroup
		for range 3 {
			group.Go(func() {
				_, err := s.do(context.Background(), readKey{}, func(context.Context) (Page, error) { panic("on purpose") })
				if err == nil || !strings.Contains(err.Error(), "panic: on purpose") {
					t.Error(err)
				}
			})
		}
		group.Wait()
		synctest.Wait()
		s.isIdle(t)
	})
}

// A reader that disconnects does not end the read that it shares with other readers.
func TestSharedReadsOutliveTheirReaders(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newSharedReads()
		ctx, cancel := context.WithCancel(context.Background())
		release := make(chan struct{})
		read := func(ctx context.Context) (Page, error) {
			select {
			case <-ctx.Done():
				return Page{}, ctx.Err()
			case <-release:
				return Page{Bytes: 1}, nil
			}
		}
		left := make(chan error, 1)
		go func() {
			_, err := s.do(ctx, readKey{}, read)
			left <- err
		}()
		one := s.join(ctx, readKey{}, read)
		synctest.Wait()
		cancel()
		if err := <-left; !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
		synctest.Wait()
		close(release)
		<-one.done
		if one.page.Bytes != 1 || one.err != nil {
			t.Errorf("%+v", one)
		}
	})
}
