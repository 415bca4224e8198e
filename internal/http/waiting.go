package http

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/labstack/echo/v4"

	"orgd/internal/apikeys"
)

// waitedKey is the key of how long a request has waited.
const waitedKey = "waited"

// connectionKey is the key of the request's context without a deadline. It ends when the
// client disconnects.
const connectionKey = "connection"

// waiting is a request that waits. It holds no connection of the pool, no slot in flight
// and no memory of the budget, but a slot among those that wait.
type waiting struct {
	server *Server
	c      echo.Context
	held   buckets
	since  time.Time
	waited time.Duration
	cancel context.CancelFunc // ends the context of resume
}

// beginWait makes the request wait, or returns the error of the limit on waiting requests.
// The caller must call end.
func (s *Server) beginWait(c echo.Context) (*waiting, error) {
	held := s.limits.waiters.of(callerOf(c).Principal)
	if limit := s.limits.waiting.acquire(held); limit != "" {
		return nil, s.tooManyWaiting(limit)
	}
	w := &waiting{server: s, c: c, held: held, cancel: func() {}}
	w.pause()
	return w, nil
}

func (s *Server) tooManyWaiting(limit string) error {
	if limit == limitInFlight {
		s.cfg.Observer.ObserveLimited("waiting")
		return newError(codeUnavailable, temporarilyUnavailable)
	}
	s.cfg.Observer.ObserveLimited("waiting_account")
	return newError(codeRateLimited, "This account has too many requests that wait for events. Use one for each reader, or send wait=0.").after(time.Second)
}

// pause gives up what a request holds while it is handled, and lifts its deadlines.
func (w *waiting) pause() {
	w.since = time.Now()
	w.cancel()
	w.server.release(w.c)
	// net/http cancels a request whose read deadline passes. Both deadlines are absolute,
	// from before the wait. A test's recorder has none.
	connection := http.NewResponseController(w.c.Response())
	_ = connection.SetReadDeadline(time.Time{})
	_ = connection.SetWriteDeadline(time.Time{})
}

// resume gives the request the deadlines of a new one, and returns its context.
func (w *waiting) resume() context.Context {
	w.waited += time.Since(w.since)
	w.c.Set(waitedKey, w.waited)
	ctx, cancel := context.WithTimeout(w.connection(), requestDeadline)
	w.cancel = cancel
	w.c.SetRequest(w.c.Request().WithContext(ctx))
	_ = http.NewResponseController(w.c.Response()).SetWriteDeadline(time.Now().Add(writeTimeout))
	if w.server.stopping.Load() {
		w.c.Response().Header().Set(echo.HeaderConnection, "close")
	}
	return ctx
}

func (w *waiting) connection() context.Context { return w.c.Get(connectionKey).(context.Context) }

// gone returns a channel that is closed when the client disconnects.
func (w *waiting) gone() <-chan struct{} { return w.connection().Done() }

func (w *waiting) end() {
	w.cancel()
	w.server.limits.waiting.release(w.held)
}

// stillAllowed authenticates the caller again, for a response that begins long after the
// request.
func (s *Server) stillAllowed(c echo.Context) error {
	token, err := bearerToken(c.Request().Header)
	if err != nil {
		return err
	}
	_, err = s.cfg.Auth.Authenticate(c.Request().Context(), token)
	if errors.Is(err, apikeys.ErrInvalidKey) {
		return invalidKey()
	}
	return err
}
