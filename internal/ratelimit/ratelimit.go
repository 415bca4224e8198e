// Package ratelimit bounds how often, and how often at once, each of many may do
// something: a token bucket and a count of what is in flight. It counts in this
// process alone.
package ratelimit

import (
	"math"
	"sync/atomic"
	"time"

	"github.com/maypok86/otter/v2"
	"golang.org/x/time/rate"
)

// known bounds the memory of a Limiter to some 30 MiB, however many there are.
// Whoever is forgotten for lack of room begins anew with a full bucket.
const known = 100_000

// Rate is a sustained number a second, with a burst. A rate of 0 is no limit.
type Rate struct {
	PerSecond int
	Burst     int
}

// PerSecond returns a rate whose burst is what comes together in two seconds.
func PerSecond(n int) Rate { return Rate{PerSecond: n, Burst: 2 * n} }

// Limiter has a bucket for each.
type Limiter[K comparable] struct {
	buckets *otter.Cache[K, *Bucket]
}

// Bucket limits one.
type Bucket struct {
	paced    atomic.Pointer[paced]
	inFlight atomic.Int64
}

// paced is a bucket of tokens at one rate.
type paced struct {
	rate    Rate
	limiter *rate.Limiter
}

// New returns a limiter that knows nobody yet.
func New[K comparable]() *Limiter[K] {
	return &Limiter[K]{buckets: otter.Must(&otter.Options[K, *Bucket]{MaximumSize: known})}
}

// Of returns k's bucket.
func (l *Limiter[K]) Of(k K) *Bucket {
	b, ok := l.buckets.GetIfPresent(k)
	if !ok {
		b, _ = l.buckets.SetIfAbsent(k, &Bucket{})
	}
	return b
}

// Taken is what taking from a bucket came to.
type Taken struct {
	Allowed   bool
	Remaining int           // tokens that are left
	Full      time.Duration // until the bucket is full again
}

// Take takes a token, if there is one.
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

// Begin counts one more in flight, unless there are more than most, which is no
// limit if it is 0. End is to follow what is allowed.
func (b *Bucket) Begin(most int64) (allowed bool) {
	if b.inFlight.Add(1) > most && most > 0 {
		b.inFlight.Add(-1)
		return false
	}
	return true
}

// End counts one less.
func (b *Bucket) End() { b.inFlight.Add(-1) }

// at returns the tokens; when the rate has changed, all of them.
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
