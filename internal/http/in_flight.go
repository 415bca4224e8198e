package http

import (
	"sync/atomic"

	"github.com/labstack/echo/v4"
)

// slots limits how many requests are in flight. Each request in flight holds a slot. An
// account can hold at most as many slots as are left for others, so a single account gets
// half of them.
type slots struct {
	all, perAccount, perKey int64 // 0 for no limit
	taken                   atomic.Int64
}

// newWaitingSlots returns the slots of the requests that wait. As with requests in flight,
// an account gets at most half of them.
func newWaitingSlots(l Limits) *slots { return &slots{all: int64(l.Waiting)} }

func newSlots(l Limits) *slots {
	return &slots{all: int64(l.InFlight), perAccount: int64(l.InFlightPerAccount), perKey: int64(l.InFlightPerKey)}
}

// The names of the limits on requests in flight, as metrics show them.
const (
	limitInFlight        = "in_flight"
	limitInFlightKey     = "in_flight_key"
	limitInFlightAccount = "in_flight_account"
)

// acquire takes a slot and returns "", or returns the limit that was reached. The caller
// must release a slot that it took.
func (s *slots) acquire(b buckets) (reached string) {
	taken := s.taken.Add(1)
	switch {
	case !b.key.Begin(s.perKey):
		reached = limitInFlightKey
	case s.all > 0 && taken > s.all:
		b.key.End()
		reached = limitInFlight
	case !b.account.Begin(s.left(taken)):
		b.key.End()
		reached = limitInFlightAccount
	default:
		return ""
	}
	s.taken.Add(-1)
	return reached
}

// left returns how many slots the account may hold, including the one that it is taking.
// taken also includes that one.
func (s *slots) left(taken int64) int64 {
	if s.all == 0 {
		return s.perAccount
	}
	left := s.all - taken + 1
	if s.perAccount > 0 {
		return min(left, s.perAccount)
	}
	return left
}

func (s *slots) release(b buckets) {
	b.account.End()
	b.key.End()
	s.taken.Add(-1)
}

// holdSlot makes the request hold a slot while the next handlers run. receive has already
// read the body, so a slow client does not hold a slot while it sends.
func (s *Server) holdSlot(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		held := callerOf(c).buckets
		if limit := s.limits.inFlight.acquire(held); limit != "" {
			return s.tooManyInFlight(limit)
		}
		defer s.limits.inFlight.release(held)
		return next(c)
	}
}

// inFlight runs fn while the request holds a slot and the memory for an answer. It replaces
// holdSlot and reserve in handlers that must not hold them all the time.
func (s *Server) inFlight(c echo.Context, answer int64, fn func() error) error {
	held := callerOf(c).buckets
	if limit := s.limits.inFlight.acquire(held); limit != "" {
		return s.tooManyInFlight(limit)
	}
	defer s.limits.inFlight.release(held)
	if err := s.hold(c, answer); err != nil {
		return err
	}
	return fn()
}

// Waiting returns the number of open exports, open event streams, and requests that wait
// for events.
func (s *Server) Waiting() int64 { return s.limits.waiting.taken.Load() }

// acquireReceiving takes a slot while a body arrives. These slots are counted separately,
// so that slow senders do not take the slots of the account's other requests.
func (s *Server) acquireReceiving(c echo.Context) (release func(), err error) {
	held := s.limits.receivers.of(callerOf(c).Principal)
	if limit := s.limits.receiving.acquire(held); limit != "" {
		c.Response().Header().Set(echo.HeaderConnection, "close") // the body is not read
		return nil, s.tooManyInFlight(limit)
	}
	return func() { s.limits.receiving.release(held) }, nil
}

func (s *Server) tooManyInFlight(limit string) error {
	s.cfg.Observer.ObserveLimited(limit)
	switch limit {
	case limitInFlightKey:
		return newError(codeRateLimited, "This key has too many requests in flight. Retry when some of them have finished.")
	case limitInFlightAccount:
		return newError(codeRateLimited, "This account has too many requests in flight. Retry when some of them have finished.")
	}
	return newError(codeUnavailable, temporarilyUnavailable)
}
