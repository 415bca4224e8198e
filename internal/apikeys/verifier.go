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

// ChangesChannel is the channel on which the database tells of a key that is changed;
// the payload is for Verifier.Forget.
const ChangesChannel = "orgd_api_keys"

// Verifier tells whom a key speaks for, from memory where it knows: also that a
// key is not good. What it knows is never older than its TTL, in the worst case;
// Forget and ForgetAll make it ask anew before.
type Verifier struct {
	lookUp   func(context.Context, digest, time.Duration) (goodKey, error)
	ttl      time.Duration
	usage    *Usage
	verdicts *otter.Cache[digest, *verdict]
}

type digest = [sha256.Size]byte

// verdict is what the database said of a digest.
type verdict struct {
	principal Principal
	good      bool
	asked     time.Time
	until     time.Time
	// usedHour is the last hour of use that is known to the database, or will be.
	usedHour atomic.Int64
}

// NewVerifier returns a verifier that knows nothing yet. With a TTL of 0 it asks
// the database each time. Uses of keys are noted in usage, unless it is nil.
func NewVerifier(repository *Repository, ttl time.Duration, usage *Usage) *Verifier {
	return &Verifier{
		lookUp:   repository.lookUp,
		ttl:      ttl,
		usage:    usage,
		verdicts: otter.Must(&otter.Options[digest, *verdict]{MaximumSize: cachedKeys}),
	}
}

// Authenticate returns whom the key in token speaks for. A token that cannot be
// a key is never looked up, and one that is not known to have been good only if
// mayAsk, unless it is nil, returns nil. Errors: ErrInvalidKey, ErrUnavailable, that of mayAsk.
func (v *Verifier) Authenticate(ctx context.Context, token string, mayAsk func() error) (Principal, error) {
	key, err := ParseKey(token)
	if err != nil {
		return Principal{}, ErrInvalidKey
	}
	found, err := v.verdict(ctx, key.Digest(), mayAsk)
	if err != nil {
		return Principal{}, err
	}
	if !found.good {
		return Principal{}, ErrInvalidKey
	}
	v.note(found)
	return found.principal, nil
}

func (v *Verifier) verdict(ctx context.Context, d digest, mayAsk func() error) (*verdict, error) {
	begun := time.Now()
	known, ok := v.verdicts.GetIfPresent(d)
	if ok && begun.Before(known.until) {
		return known, nil
	}
	// A key that was good is no guess.
	if wasGood := ok && known.good; !wasGood && mayAsk != nil {
		if err := mayAsk(); err != nil {
			return nil, err
		}
	}
	if v.ttl == 0 {
		return v.ask(ctx, d)
	}
	for {
		found, err := v.verdicts.Get(ctx, d, otter.LoaderFunc[digest, *verdict](v.ask))
		// What was asked for this call is good for it, however long it took.
		if err != nil || begun.Before(found.until) || !found.asked.Before(begun) {
			return found, err
		}
		// Only this one: another may have asked anew meanwhile.
		v.verdicts.ComputeIfPresent(d, func(old *verdict) (*verdict, otter.ComputeOp) {
			if old == found {
				return nil, otter.InvalidateOp
			}
			return old, otter.CancelOp
		})
	}
}

// ask counts the time from before the question, since the answer may be older
// than its arrival.
func (v *Verifier) ask(ctx context.Context, d digest) (*verdict, error) {
	asked := time.Now()
	found, err := v.lookUp(ctx, d, v.ttl)
	if errors.Is(err, db.ErrNoRows) {
		return &verdict{asked: asked, until: asked.Add(v.ttl)}, nil
	}
	if err != nil {
		return nil, fmt.Errorf("authenticate: %w", err)
	}
	answer := &verdict{principal: found.principal, good: true, asked: asked, until: asked.Add(found.goodFor)}
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

// ForgetAll makes every key's next use ask the database.
func (v *Verifier) ForgetAll() { v.verdicts.InvalidateAll() }
