package http

import (
	"math"
	"math/rand/v2"
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/labstack/echo/v4"

	"orgd/internal/apikeys"
	"orgd/internal/ratelimit"
	"orgd/internal/uuid"
)

// Limits protect the service. They count in this process alone; zero values are
// no limits.
type Limits struct {
	PerKey         ratelimit.Rate // of requests, for a key that has no rate of its own
	InFlight       int            // requests at once
	InFlightPerKey int            // requests at once of one key
	Failures       ratelimit.Rate // of authentications that fail, for each address of a client
}

// limits are the limits at work.
type limits struct {
	Limits
	keys     *ratelimit.Limiter[uuid.UUID]
	refusals *ratelimit.Limiter[netip.Prefix] // of clients without a good key
	inFlight atomic.Int64
}

func newLimits(l Limits) *limits {
	return &limits{
		Limits:   l,
		keys:     ratelimit.New[uuid.UUID](l.InFlightPerKey),
		refusals: ratelimit.New[netip.Prefix](0),
	}
}

// limitInFlight refuses what the process cannot hold, before it costs anything.
func (s *Server) limitInFlight(next echo.HandlerFunc) echo.HandlerFunc {
	l := s.limits
	return func(c echo.Context) error {
		if l.InFlight > 0 {
			defer l.inFlight.Add(-1)
			if l.inFlight.Add(1) > int64(l.InFlight) {
				s.cfg.Observer.ObserveLimited("in_flight")
				return newError(codeUnavailable, tryLater)
			}
		}
		return next(c)
	}
}

// limitKey counts a request of a key, whose bucket is to be told of its end.
func (s *Server) limitKey(h http.Header, p apikeys.Principal) (*ratelimit.Bucket, error) {
	rate := s.limits.PerKey
	if p.RateLimit != nil {
		rate = ratelimit.PerSecond(int(*p.RateLimit))
	}
	bucket := s.limits.keys.Of(p.KeyID)
	taken := bucket.Take(rate)
	if rate.PerSecond > 0 {
		setRateLimit(h, rate, taken)
	}
	if !taken.Allowed {
		s.cfg.Observer.ObserveLimited("rate")
		return nil, newError(codeRateLimited, "The key has made too many requests; send this one again after the time in Retry-After.").
			retryAfter(taken.Full)
	}
	if !bucket.Begin() {
		s.cfg.Observer.ObserveLimited("in_flight_key")
		return nil, newError(codeRateLimited, "The key has too many requests under way; send this one again when others are answered.").
			retryAfter(0)
	}
	return bucket, nil
}

// setRateLimit writes the fields of draft-ietf-httpapi-ratelimit-headers: what a
// full bucket holds and in how many seconds it fills, what is left of it and in how
// many it is full again. They stand in every answer, so both are cut from one text,
// under names as http.Header keeps them: Set would make those anew each time.
func setRateLimit(h http.Header, r ratelimit.Rate, taken ratelimit.Taken) {
	b := make([]byte, 0, 64)
	b = append(b, `"key";q=`...)
	b = strconv.AppendInt(b, int64(r.Burst), 10)
	b = append(b, ";w="...)
	b = strconv.AppendInt(b, int64((r.Burst+r.PerSecond-1)/r.PerSecond), 10)
	policy := len(b)
	b = append(b, `"key";r=`...)
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
	return newError(codeRateLimited, "Too many requests from this address had no valid key. Correct the key, and retry after the time in Retry-After.").
		retryAfter(time.Second)
}

// clientAddress reads the address of a client: that of the connection, or the last
// one in X-Forwarded-For that no trusted proxy has.
func clientAddress(proxies []*net.IPNet) echo.IPExtractor {
	if len(proxies) == 0 {
		return echo.ExtractIPDirect()
	}
	options := []echo.TrustOption{echo.TrustLoopback(false), echo.TrustLinkLocal(false), echo.TrustPrivateNet(false)}
	for _, network := range proxies {
		options = append(options, echo.TrustIPRange(network))
	}
	return echo.ExtractIPFromXFFHeader(options...)
}

// clientOf is the address of the client; one site of IPv6 is one client.
func clientOf(c echo.Context) netip.Prefix {
	addr, err := netip.ParseAddr(c.RealIP())
	if err != nil {
		return netip.Prefix{} // together with all that have none
	}
	addr = addr.Unmap().WithZone("")
	bits := addr.BitLen()
	if addr.Is6() {
		bits = 64
	}
	return netip.PrefixFrom(addr, bits).Masked()
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
