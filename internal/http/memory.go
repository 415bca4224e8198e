package http

import (
	"errors"
	"time"

	"github.com/labstack/echo/v4"

	"orgd/internal/budget"
	"orgd/internal/events"
	"orgd/internal/orgs"
	"orgd/internal/uuid"
)

// memoryWait is how long a request waits for memory from its account's share.
const memoryWait = 2 * time.Second

// The sizes of the largest responses, in bytes. A request reserves that much before it
// queries the database, because the size of its response is not known yet.
const (
	smallAnswer       = 16 << 10  // also covers a request's buffers
	orgAnswer         = 384 << 10 // 50 pairs of 1100 characters that take 6 bytes each
	batchAnswer       = 128 << 10 // 100 organizations from a small body; see batchCopies
	keyPageAnswer     = 192 << 10 // 100 descriptions of 255 characters
	webhookPageAnswer = 768 << 10 // 100 webhooks with a URL of 2048 bytes, a description of 255 characters and 50 types
	attemptsAnswer    = 32 << 10  // 100 attempts
	memberPageAnswer  = 256 << 10 // 100 ids of 255 characters that take 6 bytes each, and their roles
	eventPageAnswer   = events.MaxPageBytes + smallAnswer
	wokenPage         = 64 << 10 // of events, for a request that was woken; see readWoken
	orgPageAnswer     = orgs.MaxPageBytes + smallAnswer
)

// How many copies of a body are in memory at the peak of a request.
const (
	bodyCopies  = 3 // the raw bytes, their fields, and the values
	batchCopies = 8 // these, and the parameters, the rows, the stored results and the response
)

const holdKey = "hold"

type hold = budget.Hold[uuid.UUID]

// charge counts the memory that a request holds against its account, until the response
// is written.
func (s *Server) charge(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		h := s.limits.memory.Open(callerOf(c).AccountID)
		defer h.Close()
		c.Set(holdKey, h)
		return next(c)
	}
}

// reserve reserves memory for the largest response of a route. writeJSON returns what the
// actual response does not need.
func (s *Server) reserve(answer int64) echo.MiddlewareFunc {
	return func(next echo.HandlerFunc) echo.HandlerFunc {
		return func(c echo.Context) error {
			if r, ok := c.Get(receivedKey).(received); ok && r.err != nil {
				return next(c) // the handler rejects it without a query
			}
			if err := s.hold(c, answer); err != nil {
				return err
			}
			return next(c)
		}
	}
}

// release returns all memory that the request holds.
func (s *Server) release(c echo.Context) {
	if h, ok := c.Get(holdKey).(*hold); ok {
		h.Set(0)
	}
}

// hold makes the request hold at least the given number of bytes.
func (s *Server) hold(c echo.Context, bytes int64) error {
	h := c.Get(holdKey).(*hold)
	err := h.Reach(c.Request().Context(), bytes)
	if errors.Is(err, budget.ErrExhausted) {
		s.cfg.Observer.ObserveLimited("memory")
	}
	return err
}
