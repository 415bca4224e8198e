package http

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/labstack/echo/v4"
)

var statusOK = []byte(`{"status":"ok"}`)

// live reports that the process is running. It checks nothing else: a failed liveness
// probe causes a restart, which does not fix a database.
func (s *Server) live(c echo.Context) error {
	return writeJSON(c, http.StatusOK, statusOK)
}

// ready reports whether this server can handle requests.
func (s *Server) ready(c echo.Context) error {
	if s.stopping.Load() {
		return notReady(errStopping)
	}
	if err := s.readiness.ask(c.Request().Context()); err != nil {
		return notReady(err)
	}
	return writeJSON(c, http.StatusOK, statusOK)
}

var errStopping = errors.New("the server is stopping")

func notReady(cause error) error {
	return newError(codeUnavailable, temporarilyUnavailable).withCause(cause)
}

const (
	readinessTimeout = 2 * time.Second
	// readinessAge is how long a result is reused. Probes need no key, so anyone can send
	// many of them. They must not all reach the database.
	readinessAge = 500 * time.Millisecond
)

// readiness caches the result of the last check for readinessAge.
type readiness struct {
	check  func(context.Context) error
	logger *slog.Logger

	mu    sync.Mutex
	asked time.Time
	last  error
}

// ask returns the cached result, or checks again. It holds the lock while it checks, so
// that one check serves all waiting probes.
func (r *readiness) ask(ctx context.Context) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if time.Since(r.asked) < readinessAge {
		return r.last
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), readinessTimeout)
	defer cancel()
	before := r.last
	r.last = r.check(ctx)
	r.asked = time.Now()
	// Log only changes: probes arrive every second.
	switch {
	case r.last != nil && before == nil:
		r.logger.Error("not ready for requests", "error", r.last)
	case r.last == nil && before != nil:
		r.logger.Info("ready for requests again")
	}
	return r.last
}
