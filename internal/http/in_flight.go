package http

import (
	"sync/atomic"

	"github.com/labstack/echo/v4"
)

// places limits how many requests are in flight. No account can take all places: it
// holds at most as many as are left for others, so half of them when it is alone.
type places struct {
	all, perAccount, perKey int64 // 0 for no limit
	taken                   atomic.Int64
}

func newPlaces(l Limits) *places {
	return &places{all: int64(l.InFlight), perAccount: int64(l.InFlightPerAccount), perKey: int64(l.InFlightPerKey)}
}

// The limits on places, by their names in metrics.
const (
	limitInFlight        = "in_flight"
	limitInFlightKey     = "in_flight_key"
	limitInFlightAccount = "in_flight_account"
)

// take takes a place, or returns the limit that was reached. Call leave for each place
// taken.
func (p *places) take(b buckets) (refusedBy string) {
	taken := p.taken.Add(1)
	switch {
	case !b.key.Begin(p.perKey):
		refusedBy = limitInFlightKey
	case p.all > 0 && taken > p.all:
		b.key.End()
		refusedBy = limitInFlight
	case !b.account.Begin(p.left(taken)):
		b.key.End()
		refusedBy = limitInFlightAccount
	default:
		return ""
	}
	p.taken.Add(-1)
	return refusedBy
}

// left is how many places an account may hold when it takes this one.
func (p *places) left(taken int64) int64 {
	if p.all == 0 {
		return p.perAccount
	}
	left := p.all - taken + 1
	if p.perAccount > 0 {
		return min(left, p.perAccount)
	}
	return left
}

func (p *places) leave(b buckets) {
	b.account.End()
	b.key.End()
	p.taken.Add(-1)
}

// takePlace makes the request hold a place while the next handlers run. The body is
// read before that, so that a slow body holds no place.
func (s *Server) takePlace(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		held := callerOf(c).buckets
		if limit := s.limits.inFlight.take(held); limit != "" {
			return s.tooManyInFlight(limit)
		}
		defer s.limits.inFlight.leave(held)
		return next(c)
	}
}

// takeReceiver is takePlace for the time in which a body arrives. These places are
// separate, so that clients that send slowly do not take those of the account's other
// calls.
func (s *Server) takeReceiver(c echo.Context) (leave func(), err error) {
	held := s.limits.receivers.of(callerOf(c).Principal)
	if limit := s.limits.receiving.take(held); limit != "" {
		c.Response().Header().Set(echo.HeaderConnection, "close") // the body is not read
		return nil, s.tooManyInFlight(limit)
	}
	return func() { s.limits.receiving.leave(held) }, nil
}

func (s *Server) tooManyInFlight(limit string) error {
	s.cfg.Observer.ObserveLimited(limit)
	switch limit {
	case limitInFlightKey:
		return newError(codeRateLimited, "This key has too many requests in flight. Retry when some of them have finished.")
	case limitInFlightAccount:
		return newError(codeRateLimited, "This account has too many requests in flight. Retry when some of them have finished.")
	}
	return newError(codeUnavailable, tryLater)
}
