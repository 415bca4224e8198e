package events

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"
)

// A read serves those who asked for it before it began. Those who ask while it runs get
// the next one.
func TestSharedReads(t *testing.T) {
	t.Parallel()
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
	time.Sleep(50 * time.Millisecond) // all have asked
	release <- struct{}{}
	<-begun
	ask(3)
	time.Sleep(50 * time.Millisecond)
	release <- struct{}{}
	<-begun
	release <- struct{}{}
	group.Wait()
	for deadline := time.Now().Add(10 * time.Second); s.isBusy(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("a read is left")
		}
	}
}

func (s *sharedReads) isBusy() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.next)+len(s.running) > 0
}

// A reader that leaves does not end the read of the others.
func TestSharedReadsOutliveTheirReaders(t *testing.T) {
	t.Parallel()
	s := newSharedReads()
	ctx, cancel := context.WithCancel(context.Background())
	begun := make(chan struct{})
	read := func(ctx context.Context) (Page, error) {
		close(begun)
		select {
		case <-ctx.Done():
			return Page{}, ctx.Err()
		case <-time.After(50 * time.Millisecond):
			return Page{Bytes: 1}, nil
		}
	}
	one := s.join(ctx, readKey{}, read)
	left := make(chan error, 1)
	go func() {
		_, err := s.do(ctx, readKey{limit: 1}, func(context.Context) (Page, error) { time.Sleep(time.Second); return Page{}, nil })
		left <- err
	}()
	<-begun
	cancel()
	<-one.done
	if one.page.Bytes != 1 || one.err != nil {
		t.Errorf("%+v", one)
	}
	if err := <-left; !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}
