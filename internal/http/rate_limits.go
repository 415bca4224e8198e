package http

import (
	"math"
	"net/http"
	"strconv"
	"time"

	"github.com/labstack/echo/v4"

	"orgd/internal/apikeys"
	"orgd/internal/ratelimit"
	"orgd/internal/uuid"
)

// fastKeys are the keys of an account that have the same rate, which is above the
// account's.
type fastKeys struct {
	account   uuid.UUID
	perSecond int
}

// limitRate counts a request against the limits of its key and its account. The headers
// of the response describe the limit that has fewer requests left.
func (s *Server) limitRate(h http.Header, p apikeys.Principal, b buckets) error {
	rate := s.limits.keyRate(p)
	key := b.key.Take(rate)
	if !key.Allowed {
		setRateLimit(h, keyPolicy, rate, key)
		s.cfg.Observer.ObserveLimited("rate")
		return newError(codeRateLimited, "This key has sent too many requests. Wait for the number of seconds in the Retry-After header, then retry.").
			withWait(key.Full)
	}
	shared, bucket := s.limits.accountRate(p, rate, b)
	account := bucket.Take(shared)
	if shared.PerSecond > 0 && (rate.PerSecond == 0 || account.Remaining < key.Remaining) {
		setRateLimit(h, accountPolicy, shared, account)
	} else if rate.PerSecond > 0 {
		setRateLimit(h, keyPolicy, rate, key)
	}
	if !account.Allowed {
		s.cfg.Observer.ObserveLimited("rate_account")
		return newError(codeRateLimited, "The keys of this account have sent too many requests in total. Wait for the number of seconds in the Retry-After header, then retry.").
			withWait(account.Full)
	}
	return nil
}

func (l *limits) keyRate(p apikeys.Principal) ratelimit.Rate {
	if p.RateLimit != nil {
		return ratelimit.PerSecond(int(*p.RateLimit))
	}
	return l.PerKey
}

// accountRate returns the rate that the key shares with other keys of its account, and
// the shared bucket. Keys whose own rate is above the account's share that rate with the
// keys that have the same one. A key whose own rate is 0 has no limit at all.
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

// setRateLimit sets the headers of draft-ietf-httpapi-ratelimit-headers: in
// RateLimit-Policy the size of a full bucket and the seconds in which it fills, in
// RateLimit what is left and the seconds until the bucket is full again. Almost every
// response has both, so the code saves allocations: both values are slices of one string,
// and the names are canonical, because Set would otherwise build them each time.
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

// countFailure counts a request without a valid key and returns its error, or
// rate_limited if there were too many from its address. Requests with a valid key are
// never limited by address, because several clients may share an address.
func (s *Server) countFailure(c echo.Context, err error) error {
	if !s.limits.failures.Of(clientOf(c)).Take(s.limits.Failures).Allowed {
		return s.tooManyFailures()
	}
	return err
}

func (s *Server) tooManyFailures() error {
	s.cfg.Observer.ObserveLimited("failures")
	return newError(codeRateLimited, "Too many requests from this address had no valid API key. Send a valid key. Without one, wait for the number of seconds in the Retry-After header before you retry.").
		withWait(time.Second)
}
