// Package ratelimit limits the rate of requests per key with a token bucket, and their
// concurrency with a count of requests in flight. It counts only the requests of this
// process.
package ratelimit

import (
	"math"
	"sync/atomic"
	"time"

	"github.com/maypok86/otter/v2"
	"golang.org/x/time/rate"
)

// known is the maximum number of buckets of a Limiter, which limits its memory to about
// 30 MiB. A key whose bucket was evicted starts again with a full one.
const known = 100_000

// Rate is a sustained rate with a burst. A PerSecond of 0 means no limit.
type Rate struct {
	PerSecond int
	Burst     int
}

// PerSecond returns a rate of n per second with a burst of 2n.
func PerSecond(n int) Rate { return Rate{PerSecond: n, Burst: 2 * n} }

// Limiter has a bucket for each key.
type Limiter[K comparable] struct {
	buckets *otter.Cache[K, *Bucket]
}

// Bucket limits one key.
type Bucket struct {
	paced    atomic.Pointer[paced]
	inFlight atomic.Int64
}

// paced is a token bucket for one rate.
type paced struct {
	rate    Rate
	limiter *rate.Limiter
}

// New returns a limiter without buckets.
func New[K comparable]() *Limiter[K] {
	return &Limiter[K]{buckets: otter.Must(&otter.Options[K, *Bucket]{MaximumSize: known})}
}

// Of returns the bucket of k, which is full if k is new.
func (l *Limiter[K]) Of(k K) *Bucket {
	b, ok := l.buckets.GetIfPresent(k)
	if !ok {
		b, _ = l.buckets.SetIfAbsent(k, &Bucket{})
	}
	return b
}

// Taken is the result of Take.
type Taken struct {
	Allowed   bool
	Remaining int           // tokens left
	Full      time.Duration // time until the bucket is full
}

// Take takes a token if there is one.
func (b *Bucket) Take(r Rate) Taken {
	if r.PerSecond == 0 {
		return Taken{Allowed: true}
	}
	limiter, now := b.at(r), time.Now()
	allowed := limiter.AllowN(now, 1)
	return taken(limiter, now, allowed, r)
}

func taken(limiter *rate.Limiter, now time.Time, allowed bool, r Rate) Taken {
	tokens := limiter.TokensAt(now)
	missing := (float64(r.Burst) - tokens) / float64(r.PerSecond)
	return Taken{
		Allowed:   allowed,
		Remaining: max(0, int(math.Floor(tokens))),
		Full:      time.Duration(missing * float64(time.Second)),
	}
}

// Begin counts one more request in flight if there are fewer than most; 0 means no limit.
// If it returns true, the caller must call End.
func (b *Bucket) Begin(most int64) (allowed bool) {
	if b.inFlight.Add(1) > most && most > 0 {
		b.inFlight.Add(-1)
		return false
	}
	return true
}

// End counts one fewer request in flight.
func (b *Bucket) End() { b.inFlight.Add(-1) }

// at returns the token bucket for the rate. If the rate has changed, it returns a new,
// full bucket.
func (b *Bucket) at(r Rate) *rate.Limiter {
	p := b.paced.Load()
	if p != nil && p.rate == r {
		return p.limiter
	}
	made := &paced{r, rate.NewLimiter(rate.Limit(r.PerSecond), r.Burst)}
	if b.paced.CompareAndSwap(p, made) {
		return made.limiter
	}
	return b.at(r)
}
