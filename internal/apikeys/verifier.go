package apikeys

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/maypok86/otter/v2"

	"orgd/internal/db"
)

// cachedKeys is the maximum number of results in the cache, which limits its memory to
// about 30 MiB. An entry that is used once does not evict frequently used ones, so
// made-up keys do not push out real ones.
const cachedKeys = 100_000

// askLimit is the time limit of a lookup. It is longer than the statement timeout and
// shorter than a request's deadline.
const askLimit = 9 * time.Second

// ChangesChannel is the channel on which the database reports changed keys. The payload
// is the argument of Verifier.Forget.
const ChangesChannel = "orgd_api_keys"

// Verifier authenticates keys. It caches results, including those for invalid keys. No
// cached result is older than the TTL; Forget and ForgetAll drop results earlier.
type Verifier struct {
	lookUp   func(context.Context, digest) (validKey, error)
	ttl      time.Duration
	usage    *Usage
	verdicts *otter.Cache[digest, *verdict]
	epoch    atomic.Uint64 // ForgetAll starts a new epoch; results of earlier epochs are not used

	fromMemory, fromDatabase atomic.Uint64
}

// Stats returns how often keys were verified from the cache and from the database since
// the start, and how many results are cached now.
func (v *Verifier) Stats() (fromMemory, fromDatabase uint64, remembered int) {
	return v.fromMemory.Load(), v.fromDatabase.Load(), v.verdicts.EstimatedSize()
}

type digest = [sha256.Size]byte

// verdict is the database's answer for a digest.
type verdict struct {
	principal Principal
	valid     bool
	epoch     uint64
	until     time.Time
	// usedHour is the latest hour, counted from 1970, in which the key is known to have been
	// used. It is already in the database or passed to Verifier.usage.
	usedHour atomic.Int64
}

// NewVerifier returns a verifier with an empty cache. With a TTL of 0, it looks up the
// key of every request. It records the use of keys in usage, unless usage is nil.
func NewVerifier(repository *Repository, ttl time.Duration, usage *Usage) *Verifier {
	find := func(ctx context.Context, digests []digest) ([]*validKey, error) {
		return repository.lookUp(ctx, digests, ttl)
	}
	return &Verifier{
		lookUp:   (&lookUps{find: find}).lookUp,
		ttl:      ttl,
		usage:    usage,
		verdicts: otter.Must(&otter.Options[digest, *verdict]{MaximumSize: cachedKeys}),
	}
}

// Authenticate returns the principal of the key in token. It does not look up a token
// that cannot be a key. Errors: ErrInvalidKey, ErrUnavailable.
func (v *Verifier) Authenticate(ctx context.Context, token string) (Principal, error) {
	key, err := ParseKey(token)
	if err != nil {
		return Principal{}, ErrInvalidKey
	}
	found, err := v.verdict(ctx, key.Digest())
	if err != nil {
		return Principal{}, err
	}
	if !found.valid {
		return Principal{}, ErrInvalidKey
	}
	v.note(found)
	return found.principal, nil
}

func (v *Verifier) verdict(ctx context.Context, d digest) (*verdict, error) {
	if v.ttl == 0 {
		return v.ask(ctx, d)
	}
	begun := time.Now()
	if known, ok := v.verdicts.GetIfPresent(d); ok {
		if v.holds(known, begun) {
			v.fromMemory.Add(1)
			return known, nil
		}
		v.drop(d, known)
	}
	for {
		asked := false
		load := func(ctx context.Context, d digest) (*verdict, error) {
			asked = true
			return v.ask(ctx, d)
		}
		found, err := v.verdicts.Get(ctx, d, otter.LoaderFunc[digest, *verdict](load))
		// The result of a lookup that this call started is valid for this call, however long
		// the lookup took.
		if err != nil || asked || v.holds(found, begun) {
			return found, err
		}
		v.drop(d, found)
	}
}

// holds reports whether a verdict is still valid at a time.
func (v *Verifier) holds(known *verdict, at time.Time) bool {
	return at.Before(known.until) && known.epoch == v.epoch.Load()
}

// drop removes this verdict from the cache, but not a newer one.
func (v *Verifier) drop(d digest, old *verdict) {
	v.verdicts.ComputeIfPresent(d, func(now *verdict) (*verdict, otter.ComputeOp) {
		if now == old {
			return nil, otter.InvalidateOp
		}
		return now, otter.CancelOp
	})
}

// ask looks up a key in the database. The TTL starts before the lookup, because the key
// may change while the result is on its way. The lookup continues if the client cancels:
// a canceled statement costs its connection, and other requests may wait for the result.
func (v *Verifier) ask(ctx context.Context, d digest) (*verdict, error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), askLimit)
	defer cancel()
	v.fromDatabase.Add(1)
	asked, epoch := time.Now(), v.epoch.Load()
	found, err := v.lookUp(ctx, d)
	if errors.Is(err, db.ErrNoRows) {
		return &verdict{epoch: epoch, until: asked.Add(v.ttl)}, nil
	}
	if err != nil {
		// An error does not say whether the key is valid.
		return nil, fmt.Errorf("authenticate: %w: %w", ErrUnavailable, err)
	}
	answer := &verdict{principal: found.principal, valid: true, epoch: epoch, until: asked.Add(found.validFor)}
	answer.usedHour.Store(hourOf(found.lastUsedAt))
	return answer, nil
}

// note records the use of a key. It takes a lock only for the first use of the key in an
// hour.
func (v *Verifier) note(used *verdict) {
	if v.usage == nil {
		return
	}
	if hour := hourOf(time.Now()); used.usedHour.Load() < hour && used.usedHour.Swap(hour) < hour {
		v.usage.note(used.principal.KeyID, hour)
	}
}

// Forget drops a key from the cache. payload comes from a notification on ChangesChannel:
// the key's digest in hex. If it is anything else, Forget drops all keys.
func (v *Verifier) Forget(payload string) {
	var d digest
	if len(payload) != hex.EncodedLen(len(d)) {
		v.ForgetAll()
		return
	}
	if _, err := hex.Decode(d[:], []byte(payload)); err != nil {
		v.ForgetAll()
		return
	}
	v.verdicts.Invalidate(d)
}

// ForgetAll drops all keys from the cache, including the results of lookups in flight.
func (v *Verifier) ForgetAll() { v.epoch.Add(1) }
