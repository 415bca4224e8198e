package http

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"time"

	"github.com/labstack/echo/v4"

	"orgd/internal/apikeys"
	"orgd/internal/events"
	"orgd/internal/uuid"
)

// waitedKey is the context key of the time that a request has spent waiting.
const waitedKey = "waited"

// connectionKey is the context key of the request's context without a deadline, which ends
// when the client disconnects.
const connectionKey = "connection"

// waiting is a request that waits. It holds no connection of the pool, no slot for requests
// in flight and no memory of the budget. It holds only a slot for waiting requests.
type waiting struct {
	server *Server
	c      echo.Context
	held   buckets
	since  time.Time
	waited time.Duration
	cancel context.CancelFunc // ends the context of resume
}

// beginWait takes a slot for a waiting request and lifts the request's deadlines. It returns
// an error if no slot is free. The caller must call end.
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
	return newError(codeRateLimited, "This account has too many open exports, event streams and requests that wait for events. Retry when some of them have finished. Use only one stream or waiting request for each reader of the events; a request with wait=0 does not wait.").withWait(time.Second)
}

// pause lifts the deadlines of the request. The caller must also release the memory of the
// request before it waits.
func (w *waiting) pause() {
	w.since = time.Now()
	w.cancel()
	// net/http cancels a request whose read deadline passes. Both deadlines are absolute and
	// were set before the wait. A test's recorder has none.
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

// beginStream begins a response that has no fixed length and no deadline, and counts it as
// waiting. The caller must call endStream.
func (s *Server) beginStream(c echo.Context, contentType string) (*waiting, error) {
	w, err := s.beginWait(c)
	if err != nil {
		return nil, err
	}
	c.SetRequest(c.Request().WithContext(w.connection()))
	h := c.Response().Header()
	h.Set(echo.HeaderContentType, contentType)
	h.Set("X-Accel-Buffering", "no") // otherwise nginx would buffer the response
	c.Response().WriteHeader(http.StatusOK)
	return w, nil
}

// endStream ends a response that beginStream has begun. Its whole time counts as waiting.
func (w *waiting) endStream() {
	w.resume()
	w.end()
}

// isOver reports whether the server is stopping or the client has disconnected.
func (w *waiting) isOver() bool {
	return w.server.stopping.Load() || w.connection().Err() != nil
}

// sleep waits for d. It returns an error if the server stops or the client disconnects
// first.
func (w *waiting) sleep(d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-w.server.stopped:
		return http.ErrServerClosed
	case <-w.gone():
		return w.connection().Err()
	}
}

// write sends a part of a response that has no fixed length, and then releases the memory
// that the request holds for it. It fails if the client reads nothing for stallTimeout.
func (w *waiting) write(body []byte) error {
	connection := http.NewResponseController(w.c.Response())
	for piece := range slices.Chunk(body, maxPiece) {
		// A test's recorder has no deadline.
		_ = connection.SetWriteDeadline(time.Now().Add(stallTimeout))
		if _, err := w.c.Response().Write(piece); err != nil {
			return err
		}
	}
	if err := flush(w.c); err != nil {
		return err
	}
	w.server.release(w.c)
	return nil
}

func (w *waiting) end() {
	w.cancel()
	w.server.limits.waiting.release(w.held)
}

// readWoken reads a page for a request that was woken. It reserves the memory for the page
// first. One change can wake many requests of an account, and usually has few events, so
// the page is small.
func (s *Server) readWoken(ctx context.Context, c echo.Context, account uuid.UUID, p events.Params) (events.Page, error) {
	p.MaxBytes = wokenPage
	for {
		if err := s.hold(c, int64(p.MaxBytes+smallAnswer)); err != nil {
			return events.Page{}, err
		}
		page, err := s.cfg.Events.ReadTogether(ctx, account, p)
		if err != nil || page.Bytes <= p.MaxBytes {
			return page, err
		}
		// A single event is larger. Release the memory before reserving more: requests that
		// hold memory and wait for more could wait for each other.
		s.release(c)
		p.MaxBytes = page.Bytes
	}
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
