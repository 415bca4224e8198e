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

// cachedKeys bounds the memory of a Verifier to some 30 MiB. An entry that is
// asked for once does not displace those in use, so that made-up keys cost the
// others nothing.
const cachedKeys = 100_000

// askLimit is more than a statement may take, and less than a request.
const askLimit = 9 * time.Second

// ChangesChannel is the channel on which the database tells of a key that is changed;
// the payload is for Verifier.Forget.
const ChangesChannel = "orgd_api_keys"

// Verifier tells whom a key speaks for, from memory where it knows: also that a
// key is not good. What it knows is never older than its TTL, in the worst case;
// Forget and ForgetAll make it ask anew before.
type Verifier struct {
	lookUp   func(context.Context, digest) (goodKey, error)
	ttl      time.Duration
	usage    *Usage
	verdicts *otter.Cache[digest, *verdict]
	epoch    atomic.Uint64 // what was asked before it rose does not count

	fromMemory, fromDatabase atomic.Uint64
}

// Stats returns how many keys were verified from memory and looked up in the
// database since the start, and of how many something is known now.
func (v *Verifier) Stats() (fromMemory, fromDatabase uint64, remembered int) {
	return v.fromMemory.Load(), v.fromDatabase.Load(), v.verdicts.EstimatedSize()
}

type digest = [sha256.Size]byte

// verdict is what the database said of a digest.
type verdict struct {
	principal Principal
	good      bool
	epoch     uint64
	until     time.Time
	// usedHour is the last hour of use that is known to the database, or will be.
	usedHour atomic.Int64
}

// NewVerifier returns a verifier that knows nothing yet. With a TTL of 0 it asks
// the database each time. Uses of keys are noted in usage, unless it is nil.
func NewVerifier(repository *Repository, ttl time.Duration, usage *Usage) *Verifier {
	find := func(ctx context.Context, digests []digest) ([]*goodKey, error) {
		return repository.lookUp(ctx, digests, ttl)
	}
	return &Verifier{
		lookUp:   (&lookUps{find: find}).lookUp,
		ttl:      ttl,
		usage:    usage,
		verdicts: otter.Must(&otter.Options[digest, *verdict]{MaximumSize: cachedKeys}),
	}
}

// Authenticate returns whom the key in token speaks for. A token that cannot be a
// key is never looked up. Errors: ErrInvalidKey, ErrUnavailable.
func (v *Verifier) Authenticate(ctx context.Context, token string) (Principal, error) {
	key, err := ParseKey(token)
	if err != nil {
		return Principal{}, ErrInvalidKey
	}
	found, err := v.verdict(ctx, key.Digest())
	if err != nil {
		return Principal{}, err
	}
	if !found.good {
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
		// What was asked for this call is good for it, however long it took.
		if err != nil || asked || v.holds(found, begun) {
			return found, err
		}
		v.drop(d, found)
	}
}

// holds says whether a verdict still counts at a time.
func (v *Verifier) holds(known *verdict, at time.Time) bool {
	return at.Before(known.until) && known.epoch == v.epoch.Load()
}

// drop forgets this verdict, but none that another has got meanwhile.
func (v *Verifier) drop(d digest, old *verdict) {
	v.verdicts.ComputeIfPresent(d, func(now *verdict) (*verdict, otter.ComputeOp) {
		if now == old {
			return nil, otter.InvalidateOp
		}
		return now, otter.CancelOp
	})
}

// ask counts the time from before the question, since the answer may be older
// than its arrival. It goes on when the client leaves: one who leaves costs the
// connection, and others may wait for the answer.
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
		// Whatever it is, it says nothing of the key.
		return nil, fmt.Errorf("authenticate: %w: %w", ErrUnavailable, err)
	}
	answer := &verdict{principal: found.principal, good: true, epoch: epoch, until: asked.Add(found.goodFor)}
	answer.usedHour.Store(hourOf(found.lastUsedAt))
	return answer, nil
}

// note takes part in no lock but for the first use of a key in an hour.
func (v *Verifier) note(used *verdict) {
	if v.usage == nil {
		return
	}
	if hour := hourOf(time.Now()); used.usedHour.Load() < hour && used.usedHour.Swap(hour) < hour {
		v.usage.note(used.principal.KeyID, hour)
	}
}

// Forget makes the next use of a key ask the database: payload names the key as
// a notification on ChangesChannel does. One that names none is no notification of ours,
// and forgets all.
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

// ForgetAll makes every key's next use ask the database, also where an answer is
// on its way.
func (v *Verifier) ForgetAll() { v.epoch.Add(1) }
