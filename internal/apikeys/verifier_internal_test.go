package apikeys

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"orgd/internal/db"
	"orgd/internal/uuid"
)

// store is a fake database with one key. A test can delay its answers.
type store struct {
	ttl     time.Duration
	revoked atomic.Bool
	asked   atomic.Int64
	fails   atomic.Bool
	read    chan struct{} // if not nil, receives after a lookup has read the state of the key
	release chan struct{} // the lookup then waits until this is closed
}

func (s *store) lookUp(context.Context, digest) (validKey, error) {
	s.asked.Add(1)
	if s.fails.Load() {
		return validKey{}, db.ErrUnavailable
	}
	revoked := s.revoked.Load()
	if s.read != nil {
		s.read <- struct{}{}
		<-s.release
	}
	if revoked {
		return validKey{}, db.ErrNoRows
	}
	return validKey{principal: Principal{KeyID: uuid.UUID{15: 1}}, validFor: s.ttl}, nil
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

// A key that is revoked during its lookup is not cached as valid. A call after the
// notification looks the key up again, even if the first lookup is still in flight.
func TestRevokedWhileItIsLookedUp(t *testing.T) {
	t.Parallel()
	for i := range 1000 {
		s := &store{read: make(chan struct{}), release: make(chan struct{})}
		v, key := s.verifier(time.Hour), NewKey()
		var early sync.WaitGroup
		early.Go(func() {
			// Either answer is correct here.
			if _, err := v.Authenticate(context.Background(), key.Reveal()); err != nil && !errors.Is(err, ErrInvalidKey) {
				t.Errorf("a call before the revocation: %v", err)
			}
		})
		<-s.read
		s.revoked.Store(true)
		// Either a notification names the key, or notifications may have been lost and all
		// keys are dropped.
		if all := i%2 == 1; all {
			v.ForgetAll()
			close(s.release) // the second call waits for the first lookup, and then starts another
		} else {
			v.Forget(payloadOf(key))
		}
		var late sync.WaitGroup
		late.Go(func() {
			if _, err := v.Authenticate(context.Background(), key.Reveal()); !errors.Is(err, ErrInvalidKey) {
				t.Errorf("a call after the revocation: %v", err)
			}
		})
		<-s.read // the second lookup has read the state
		if i%2 == 0 {
			close(s.release) // the first lookup has been in flight until now
		}
		early.Wait()
		late.Wait()
		if s.asked.Load() != 2 {
			t.Fatalf("%d lookups", s.asked.Load())
		}
		if _, err := v.Authenticate(context.Background(), key.Reveal()); !errors.Is(err, ErrInvalidKey) {
			t.Fatalf("from the cache: %v", err)
		}
	}
}

// A revoked key is rejected as soon as its notification has been handled, even during
// concurrent lookups.
func TestRevokedKeyIsRejectedAfterNotification(t *testing.T) {
	t.Parallel()
	for range 100 {
		s := &store{}
		v, key := s.verifier(time.Hour), NewKey()
		var users sync.WaitGroup
		var stop atomic.Bool
		used := make(chan struct{})
		first := sync.OnceFunc(func() { close(used) })
		for range 4 {
			users.Go(func() {
				for !stop.Load() {
					if _, err := v.Authenticate(context.Background(), key.Reveal()); err != nil && !errors.Is(err, ErrInvalidKey) {
						t.Error(err)
					}
					first()
				}
			})
		}
		<-used // the key is cached as valid
		s.revoked.Store(true)
		v.Forget(payloadOf(key))
		if _, err := v.Authenticate(context.Background(), key.Reveal()); !errors.Is(err, ErrInvalidKey) {
			t.Errorf("after the notification: %v", err)
		}
		stop.Store(true)
		users.Wait()
		if _, err := v.Authenticate(context.Background(), key.Reveal()); !errors.Is(err, ErrInvalidKey) {
			t.Errorf("after all other calls: %v", err)
		}
	}
}

// Concurrent uses of one key cause one lookup, even if the key is not valid.
func TestOneLookUpForMany(t *testing.T) {
	t.Parallel()
	for _, revoked := range []bool{false, true} {
		t.Run(fmt.Sprintf("revoked %v", revoked), func(t *testing.T) {
			t.Parallel()
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
				t.Errorf("revoked %v: %d lookups", revoked, n)
			}
		})
	}
}

// During a database outage, a cached key works until its TTL ends. The error of a failed
// lookup is not cached.
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

// A cached result expires one TTL after the start of its lookup, however long the lookup
// took.
func TestTTLStartsBeforeLookUp(t *testing.T) {
	t.Parallel()
	s := &store{}
	v := s.verifier(time.Hour)
	v.lookUp = func(ctx context.Context, d digest) (validKey, error) {
		found, err := s.lookUp(ctx, d)
		found.validFor = -time.Second // expired before the lookup returned
		return found, err
	}
	key := NewKey().Reveal()
	for range 3 {
		if _, err := v.Authenticate(context.Background(), key); err != nil {
			t.Fatal(err)
		}
	}
	if n := s.asked.Load(); n != 3 {
		t.Errorf("%d lookups for 3 uses", n)
	}
}

// A notification whose payload is not a digest drops all cached keys.
func TestUnknownNotificationDropsAllKeys(t *testing.T) {
	t.Parallel()
	for _, payload := range []string{"", "x", payloadOf(NewKey()) + "00"} {
		t.Run(fmt.Sprintf("%d characters", len(payload)), func(t *testing.T) {
			t.Parallel()
			s := &store{}
			v, key := s.verifier(time.Hour), NewKey().Reveal()
			for range 2 {
				if _, err := v.Authenticate(context.Background(), key); err != nil {
					t.Fatal(err)
				}
				v.Forget(payload)
			}
			if n := s.asked.Load(); n != 2 {
				t.Errorf("%q: %d lookups", payload, n)
			}
		})
	}
}

// BenchmarkAuthenticate measures the authentication of a cached key among many.
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
