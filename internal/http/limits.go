package http

import (
	"math"
	"math/rand/v2"
	"net/http"
	"net/netip"
	"strconv"
	"time"

	"github.com/labstack/echo/v4"

	"orgd/internal/apikeys"
	"orgd/internal/budget"
	"orgd/internal/ratelimit"
	"orgd/internal/uuid"
)

// Limits protect the service. They count in this process alone; zero values are
// no limits.
type Limits struct {
	PerKey             ratelimit.Rate // of requests, for a key without its own rate
	PerAccount         ratelimit.Rate // of requests of all keys of an account; see accountRate
	InFlight           int            // requests at once
	InFlightPerAccount int            // requests at once of one account; always at most as many as are left for others
	InFlightPerKey     int            // requests at once of one key
	Failures           ratelimit.Rate // of authentications that fail, for each address of a client
	Memory             int64          // bytes of bodies and answers at once; an account holds at most half
}

// limits are the limits at work.
type limits struct {
	Limits
	callers   bucketsOf
	fast      *ratelimit.Limiter[fastKeys]
	refusals  *ratelimit.Limiter[netip.Prefix] // of clients without a good key
	inFlight  *places
	receivers bucketsOf // those whose body arrives
	receiving *places
	memory    *budget.Budget[uuid.UUID] // shared by accounts
}

func newLimits(l Limits) *limits {
	return &limits{
		Limits:    l,
		callers:   newBuckets(),
		fast:      ratelimit.New[fastKeys](),
		refusals:  ratelimit.New[netip.Prefix](),
		inFlight:  newPlaces(l),
		receivers: newBuckets(),
		receiving: newPlaces(l),
		memory:    budget.New[uuid.UUID](l.Memory, memoryWait),
	}
}

// fastKeys are the keys of an account that have this rate, which is higher than the
// account's.
type fastKeys struct {
	account   uuid.UUID
	perSecond int
}

// limitRate counts a request for its key and its account, and says in the answer
// how the one stands that has less left.
func (s *Server) limitRate(h http.Header, p apikeys.Principal, b buckets) error {
	rate := s.limits.keyRate(p)
	key := b.key.Take(rate)
	if !key.Allowed {
		setRateLimit(h, keyPolicy, rate, key)
		s.cfg.Observer.ObserveLimited("rate")
		return newError(codeRateLimited, "This key has sent too many requests. Retry after the time in Retry-After.").
			retryAfter(key.Full)
	}
	together, bucket := s.limits.accountRate(p, rate, b)
	account := bucket.Take(together)
	if together.PerSecond > 0 && (rate.PerSecond == 0 || account.Remaining < key.Remaining) {
		setRateLimit(h, accountPolicy, together, account)
	} else if rate.PerSecond > 0 {
		setRateLimit(h, keyPolicy, rate, key)
	}
	if !account.Allowed {
		s.cfg.Observer.ObserveLimited("rate_account")
		return newError(codeRateLimited, "This account's keys have together sent too many requests. Retry after the time in Retry-After.").
			retryAfter(account.Full)
	}
	return nil
}

func (l *limits) keyRate(p apikeys.Principal) ratelimit.Rate {
	if p.RateLimit != nil {
		return ratelimit.PerSecond(int(*p.RateLimit))
	}
	return l.PerKey
}

// accountRate is the rate that the key's account has for all its keys. Where an
// operator has given keys a higher rate, those have it for themselves, together;
// where one has no limit, its account has none either.
func (l *limits) accountRate(p apikeys.Principal, key ratelimit.Rate, b buckets) (ratelimit.Rate, *ratelimit.Bucket) {
	switch {
	case p.RateLimit != nil && key.PerSecond == 0:
		return ratelimit.Rate{}, b.account
	case l.PerAccount.PerSecond > 0 && key.PerSecond > l.PerAccount.PerSecond:
		return key, l.fast.Of(fastKeys{p.AccountID, key.PerSecond})
	}
	return l.PerAccount, b.account
}

// The names of the policies in RateLimit-Policy and RateLimit.
const (
	keyPolicy     = `"key"`
	accountPolicy = `"account"`
)

// setRateLimit writes the fields of draft-ietf-httpapi-ratelimit-headers: what a
// full bucket holds and in how many seconds it fills, what is left of it and in how
// many it is full again. They stand in every answer, so both are cut from one text,
// under names as http.Header keeps them: Set would make those anew each time.
func setRateLimit(h http.Header, policyName string, r ratelimit.Rate, taken ratelimit.Taken) {
	b := make([]byte, 0, 72)
	b = append(b, policyName...)
	b = append(b, ";q="...)
	b = strconv.AppendInt(b, int64(r.Burst), 10)
	b = append(b, ";w="...)
	b = strconv.AppendInt(b, int64((r.Burst+r.PerSecond-1)/r.PerSecond), 10)
	policy := len(b)
	b = append(b, policyName...)
	b = append(b, ";r="...)
	b = strconv.AppendInt(b, int64(taken.Remaining), 10)
	b = append(b, ";t="...)
	b = strconv.AppendInt(b, wholeSeconds(taken.Full), 10)
	text := string(b)
	values := []string{text[:policy], text[policy:]}
	h["Ratelimit-Policy"], h["Ratelimit"] = values[:1:1], values[1:]
}

func wholeSeconds(d time.Duration) int64 { return int64(math.Ceil(d.Seconds())) }

// countRefusal returns the refusal of a client without a good key, or another in
// its place if there were too many from its address. It never stands in the way of a
// good key: others may use the same address.
func (s *Server) countRefusal(c echo.Context, refusal error) error {
	if !s.limits.refusals.Of(clientOf(c)).Take(s.limits.Failures).Allowed {
		return s.tooManyFailures()
	}
	return refusal
}

func (s *Server) tooManyFailures() error {
	s.cfg.Observer.ObserveLimited("failures")
	return newError(codeRateLimited, "Too many requests from this address had no valid key. Fix the key, then retry after the time in Retry-After.").
		retryAfter(time.Second)
}

// retryAfter says when to come back, no sooner than d, in whole seconds from 1 to
// 60, a little different each time.
func (e *apiError) retryAfter(d time.Duration) *apiError {
	seconds := max(1, wholeSeconds(d)) + rand.Int64N(3)
	if e.headers == nil {
		e.headers = map[string]string{}
	}
	e.headers["Retry-After"] = strconv.FormatInt(min(seconds, 60), 10)
	return e
}
