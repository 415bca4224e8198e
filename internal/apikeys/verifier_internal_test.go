package apikeys

import (
	"context"
	"encoding/hex"
	"errors"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"orgd/internal/db"
	"orgd/internal/uuid"
)

// store is a database of one key, whose answers a test can hold back.
type store struct {
	ttl     time.Duration
	revoked atomic.Bool
	asked   atomic.Int64
	fails   atomic.Bool
	read    chan struct{} // unless nil: told when a look-up has read what it will answer
	release chan struct{} // and waits for this then
}

func (s *store) lookUp(context.Context, digest) (goodKey, error) {
	s.asked.Add(1)
	if s.fails.Load() {
		return goodKey{}, db.ErrUnavailable
	}
	revoked := s.revoked.Load()
	if s.read != nil {
		s.read <- struct{}{}
		<-s.release
	}
	if revoked {
		return goodKey{}, db.ErrNoRows
	}
	return goodKey{principal: Principal{KeyID: uuid.UUID{15: 1}}, goodFor: s.ttl}, nil
}

func (s *store) verifier(ttl time.Duration) *Verifier {
	s.ttl = ttl
	v := NewVerifier(&Repository{}, ttl, nil)
	v.lookUp = s.lookUp
	return v
}

func payloadOf(k Key) string {
	d := k.Digest()
	return hex.EncodeToString(d[:])
}

// A key that is revoked while it is looked up does not come back: whoever asks
// after the news asks anew, whatever is still under way.
func TestRevokedWhileItIsLookedUp(t *testing.T) {
	t.Parallel()
	for i := range 1000 {
		s := &store{read: make(chan struct{}), release: make(chan struct{})}
		v, key := s.verifier(time.Hour), NewKey()
		var early sync.WaitGroup
		early.Go(func() {
			// It may be told the one or the other.
			if _, err := v.Authenticate(context.Background(), key.Reveal()); err != nil && !errors.Is(err, ErrInvalidKey) {
				t.Errorf("asked before the revocation: %v", err)
			}
		})
		<-s.read
		s.revoked.Store(true)
		// The news may be of the key, or that some was lost.
		if all := i%2 == 1; all {
			v.ForgetAll()
			close(s.release) // the second waits for the first, and asks again
		} else {
			v.Forget(payloadOf(key))
		}
		var late sync.WaitGroup
		late.Go(func() {
			if _, err := v.Authenticate(context.Background(), key.Reveal()); !errors.Is(err, ErrInvalidKey) {
				t.Errorf("asked after it: %v", err)
			}
		})
		<-s.read // of the second look-up
		if i%2 == 0 {
			close(s.release) // the first ran until now
		}
		early.Wait()
		late.Wait()
		if s.asked.Load() != 2 {
			t.Fatalf("%d look-ups", s.asked.Load())
		}
		if _, err := v.Authenticate(context.Background(), key.Reveal()); !errors.Is(err, ErrInvalidKey) {
			t.Fatalf("from memory: %v", err)
		}
	}
}

// Whatever the order of uses, revocation and news, a key is refused from then on.
func TestNoUseSurvivesTheNews(t *testing.T) {
	t.Parallel()
	for range 1000 {
		s := &store{}
		v, key := s.verifier(time.Hour), NewKey()
		var users sync.WaitGroup
		var stop atomic.Bool
		for range 4 {
			users.Go(func() {
				for !stop.Load() {
					if _, err := v.Authenticate(context.Background(), key.Reveal()); err != nil && !errors.Is(err, ErrInvalidKey) {
						t.Error(err)
					}
				}
			})
		}
		s.revoked.Store(true)
		v.Forget(payloadOf(key))
		if _, err := v.Authenticate(context.Background(), key.Reveal()); !errors.Is(err, ErrInvalidKey) {
			t.Errorf("after the news: %v", err)
		}
		stop.Store(true)
		users.Wait()
		if _, err := v.Authenticate(context.Background(), key.Reveal()); !errors.Is(err, ErrInvalidKey) {
			t.Errorf("after all: %v", err)
		}
	}
}

// Many that ask for one key at once ask the database once, and so do those that
// ask for a key that is not there.
func TestOneLookUpForMany(t *testing.T) {
	t.Parallel()
	for _, revoked := range []bool{false, true} {
		s := &store{}
		s.revoked.Store(revoked)
		v, key := s.verifier(time.Hour), NewKey().Reveal()
		var all sync.WaitGroup
		for range 50 {
			all.Go(func() {
				if _, err := v.Authenticate(context.Background(), key); errors.Is(err, ErrInvalidKey) != revoked {
					t.Errorf("revoked %v: %v", revoked, err)
				}
			})
		}
		all.Wait()
		if n := s.asked.Load(); n != 1 {
			t.Errorf("revoked %v: %d look-ups", revoked, n)
		}
	}
}

// Through an outage a key works as long as what is known of it may be used, and
// no longer; and the outage itself is not remembered.
func TestOutage(t *testing.T) {
	t.Parallel()
	s := &store{}
	const ttl = 200 * time.Millisecond
	v, key := s.verifier(ttl), NewKey().Reveal()
	known := time.Now()
	if _, err := v.Authenticate(context.Background(), key); err != nil {
		t.Fatal(err)
	}
	s.fails.Store(true)
	if _, err := v.Authenticate(context.Background(), key); err != nil && time.Since(known) < ttl {
		t.Errorf("early in an outage: %v", err)
	}
	for {
		asked := time.Now()
		_, err := v.Authenticate(context.Background(), key)
		if errors.Is(err, ErrUnavailable) && !errors.Is(err, ErrInvalidKey) {
			break
		}
		if err != nil || asked.Sub(known) > ttl+time.Minute {
			t.Fatalf("%v after %s", err, asked.Sub(known))
		}
	}
	s.fails.Store(false)
	if _, err := v.Authenticate(context.Background(), key); err != nil {
		t.Errorf("after the outage: %v", err)
	}
}

// What is known of a key ends a TTL after the question, however long the answer
// took.
func TestASlowAnswerIsNoYounger(t *testing.T) {
	t.Parallel()
	s := &store{}
	v := s.verifier(time.Hour)
	v.lookUp = func(ctx context.Context, d digest) (goodKey, error) {
		found, err := s.lookUp(ctx, d)
		found.goodFor = -time.Second // asked long ago
		return found, err
	}
	key := NewKey().Reveal()
	for range 3 {
		if _, err := v.Authenticate(context.Background(), key); err != nil {
			t.Fatal(err)
		}
	}
	if n := s.asked.Load(); n != 3 {
		t.Errorf("%d look-ups for 3 uses", n)
	}
}

// News that names no key may be of any.
func TestNewsOfNoKeyForgetsAll(t *testing.T) {
	t.Parallel()
	for _, payload := range []string{"", "x", payloadOf(NewKey()) + "00"} {
		s := &store{}
		v, key := s.verifier(time.Hour), NewKey().Reveal()
		for range 2 {
			if _, err := v.Authenticate(context.Background(), key); err != nil {
				t.Fatal(err)
			}
			v.Forget(payload)
		}
		if n := s.asked.Load(); n != 2 {
			t.Errorf("%q: %d look-ups", payload, n)
		}
	}
}

// BenchmarkAuthenticate is the whole of it for a key that is known, among many.
func BenchmarkAuthenticate(b *testing.B) {
	for _, keys := range []int{1, 1000, 50_000} {
		b.Run(strconv.Itoa(keys)+" keys", func(b *testing.B) {
			s := &store{}
			v := s.verifier(time.Hour)
			all := make([]string, keys)
			for i := range all {
				all[i] = NewKey().Reveal()
				if _, err := v.Authenticate(context.Background(), all[i]); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportAllocs()
			i := 0
			for b.Loop() {
				if _, err := v.Authenticate(context.Background(), all[i%keys]); err != nil {
					b.Fatal(err)
				}
				i++
			}
		})
	}
}
