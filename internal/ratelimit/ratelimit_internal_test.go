package ratelimit

import (
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

func TestBucket(t *testing.T) {
	t.Parallel()
	l := New[string]()
	r := Rate{PerSecond: 1, Burst: 5}
	begun := time.Now()
	for want := 4; want >= 0; want-- {
		if got := l.Of("a").Take(r); !got.Allowed || got.Remaining < want {
			t.Fatalf("%+v, want %d left", got, want)
		}
	}
	for time.Since(begun) < time.Minute {
		got := l.Of("a").Take(r)
		if !got.Allowed {
			if got.Remaining != 0 || got.Full <= 4*time.Second || got.Full > 5*time.Second {
				t.Errorf("rejected: %+v", got)
			}
			break
		}
	}
	if got := l.Of("b").Take(r); !got.Allowed || got.Remaining != 4 {
		t.Errorf("another: %+v", got)
	}
	// A changed rate applies immediately, with a full bucket.
	if got := l.Of("a").Take(PerSecond(1000)); !got.Allowed || got.Remaining < 1999 {
		t.Errorf("at another rate: %+v", got)
	}
	for range 1000 {
		if !l.Of("c").Take(Rate{}).Allowed {
			t.Fatal("rejected without a limit")
		}
	}
}

// Concurrent calls get no more tokens than the bucket held and gained during the calls.
func TestBucketUnderConcurrentUse(t *testing.T) {
	t.Parallel()
	l, r := New[int](), Rate{PerSecond: 1, Burst: 100}
	var allowed atomic.Int64
	var all sync.WaitGroup
	begun := time.Now()
	for range 50 {
		all.Go(func() {
			for range 20 {
				if l.Of(1).Take(r).Allowed {
					allowed.Add(1)
				}
			}
		})
	}
	all.Wait()
	if n, most := allowed.Load(), 101+int64(time.Since(begun).Seconds()); n < 100 || n > most {
		t.Errorf("%d calls were allowed, want 100 to %d", n, most)
	}
}

func TestInFlight(t *testing.T) {
	t.Parallel()
	l := New[string]()
	for range 2 {
		if !l.Of("a").Begin(2) {
			t.Fatal("rejected below the limit")
		}
	}
	for range 3 {
		if l.Of("a").Begin(2) {
			t.Fatal("allowed beyond the limit")
		}
	}
	if !l.Of("b").Begin(2) {
		t.Error("a call of another key is rejected")
	}
	l.Of("a").End()
	if !l.Of("a").Begin(2) {
		t.Error("rejected after a call has ended")
	}
	for range 1000 {
		if !l.Of("c").Begin(0) {
			t.Fatal("rejected without a limit")
		}
	}
}

func TestMemoryIsBounded(t *testing.T) {
	t.Parallel()
	l := New[int]()
	for k := range 1_000_000 {
		l.Of(k).Take(PerSecond(100))
	}
	l.buckets.CleanUp()
	if n := l.buckets.EstimatedSize(); n > known {
		t.Errorf("%d buckets for a million, want at most %d", n, known)
	}
}
