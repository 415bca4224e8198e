package http

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"orgd/internal/apikeys"
)

// statusClientClosed is logged for a request whose client disconnected before the
// response. It is never sent.
const statusClientClosed = 499

func (s *Server) record(c echo.Context, r *http.Request, err error, took, waited time.Duration) {
	status := c.Response().Status
	route, method := routeLabel(c), methodLabel(r.Method)
	if errors.Is(err, context.Canceled) && r.Context().Err() != nil {
		status = statusClientClosed
	}
	s.cfg.Observer.ObserveRequest(route, method, status, took-waited)
	var traceID, spanID string
	if s.cfg.Tracer != nil {
		traceID, spanID = s.cfg.Tracer.Route(r.Context(), method, route)
	} else {
		traceID = traceIDOf(r.Header)
	}

	level := logLevel(c.Path(), status)
	if !s.cfg.Logger.Enabled(r.Context(), level) || status < http.StatusBadRequest && isUnlogged(s.cfg.Unlogged, traceID) {
		return
	}
	fields := make([]slog.Attr, 0, 15)
	fields = append(fields,
		slog.String("requestId", c.Response().Header().Get(echo.HeaderXRequestID)),
		slog.String("method", method),
		slog.String("route", route),
		slog.String("path", s.loggedPath(c)),
		slog.Int("status", status),
		slog.Int64("bytes", c.Response().Size),
		slog.Float64("milliseconds", float64(took.Microseconds())/1000),
		slog.String("remote", c.RealIP()),
	)
	if who, ok := knownCaller(c); ok {
		fields = append(fields, slog.String("accountId", who.AccountID.String()), slog.String("apiKeyId", who.KeyID.String()))
	}
	if waited > 0 {
		fields = append(fields, slog.Float64("waitedMilliseconds", float64(waited.Microseconds())/1000))
	}
	if traceID != "" {
		fields = append(fields, slog.String("traceId", traceID))
	}
	if spanID != "" {
		fields = append(fields, slog.String("spanId", spanID))
	}
	if retries, _ := retryCount(r.Header); retries > 0 {
		fields = append(fields, slog.Uint64("retryCount", retries))
	}
	if err != nil {
		fields = append(fields, slog.String("error", apikeys.Redact(err.Error())))
	}
	s.cfg.Logger.LogAttrs(r.Context(), level, "request", fields...)
}

// logLevel returns Debug for probes, because they arrive every second. readiness logs
// changes of its result.
func logLevel(path string, status int) slog.Level {
	switch {
	case isProbe(path):
		return slog.LevelDebug
	case status >= http.StatusInternalServerError && status != http.StatusNotImplemented: // 501 is the client's fault
		return slog.LevelError
	}
	return slog.LevelInfo
}

func isProbe(path string) bool { return path == livePath || path == readyPath }

// isUnlogged reports whether a request belongs to the share that is not logged. The trace
// id decides, so every replica logs either all requests of a trace or none.
func isUnlogged(share float64, traceID string) bool {
	switch {
	case share == 0:
		return false
	case traceID == "":
		return rand.Float64() < share
	}
	// The last 13 digits are 52 bits, which a float64 represents exactly. The first
	// digits need not be random (W3C Trace Context Level 2).
	n, err := strconv.ParseUint(traceID[len(traceID)-13:], 16, 64)
	return err == nil && float64(n) < share*(1<<52)
}

// routeLabel returns the template of the request's route. All paths without a route share
// one label, so that path scanners do not create new ones.
func routeLabel(c echo.Context) string {
	if c.Path() == "" {
		return "unmatched"
	}
	return c.Path()
}

// loggedPath returns the path of the request without API keys, and without the ids of users
// and the external ids of organizations, because erasures and deletions do not change the
// log. In a path without a route, every segment that is in no route could be such an id.
func (s *Server) loggedPath(c echo.Context) string {
	route, path := c.Path(), c.Request().URL.Path
	switch {
	case strings.Contains(route, ":userId"), strings.Contains(route, ":externalId"):
		return route
	case route != "":
		return apikeys.Redact(path)
	}
	segments := strings.Split(path, "/")
	for i, segment := range segments {
		if !s.segments[segment] {
			segments[i] = "…"
		}
	}
	return strings.Join(segments, "/")
}

// addSegments adds the fixed segments of a route's path to those that may be logged.
func (s *Server) addSegments(path string) {
	for segment := range strings.SplitSeq(path, "/") {
		if !strings.HasPrefix(segment, ":") {
			s.segments[segment] = true
		}
	}
}

func methodLabel(method string) string {
	switch method {
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodOptions:
		return method
	}
	return "other"
}

// traceIDOf returns the trace id in the header traceparent, or "" if the header is
// missing or invalid, or its version is not 00 (W3C Trace Context section 3.2).
func traceIDOf(h http.Header) string {
	values := h["Traceparent"]
	if len(values) != 1 || len(values[0]) != len("00-")+32+len("-")+16+len("-00") {
		return ""
	}
	version, rest, _ := strings.Cut(values[0], "-")
	traceID, rest, _ := strings.Cut(rest, "-")
	parentID, flags, _ := strings.Cut(rest, "-")
	if version != "00" || !isTraceID(traceID, 32) || !isTraceID(parentID, 16) || !isTraceHex(flags, 2) {
		return ""
	}
	return traceID
}

// isTraceID reports whether an id has the given number of hexadecimal digits and is not
// all zeros.
func isTraceID(id string, digits int) bool {
	return isTraceHex(id, digits) && strings.Trim(id, "0") != ""
}

func isTraceHex(s string, digits int) bool {
	return len(s) == digits && strings.Trim(s, "0123456789abcdef") == ""
}
