package http

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"net/http"
	"runtime/debug"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"orgd/internal/apikeys"
	"orgd/internal/idempotency"
)

// answer is the outermost middleware: it sets the headers of every response, renders
// errors, writes the access log line and counts the request.
func (s *Server) answer(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		start := time.Now()
		received := c.Request() // its context ends when the client disconnects, not when the handler returns
		setCommonHeaders(c.Response().Header(), requestID(c.Request()))
		if s.stopping.Load() {
			c.Response().Header().Set(echo.HeaderConnection, "close")
		}
		err := next(c)
		if err != nil {
			s.renderError(err, c)
		}
		waited, _ := c.Get(waitedKey).(time.Duration)
		s.record(c, received, err, time.Since(start), waited)
		return nil
	}
}

func setCommonHeaders(h http.Header, requestID string) {
	h.Set(echo.HeaderXRequestID, requestID)
	h.Set("Cache-Control", "no-store")
	h.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
	h.Set("X-Content-Type-Options", "nosniff")
}

func commonHeaders(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		setCommonHeaders(c.Response().Header(), requestID(c.Request()))
		return next(c)
	}
}

// recoverPanic turns a panic into an error that contains the stack.
func recoverPanic(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) (err error) {
		defer func() {
			switch p := recover(); p {
			case nil:
			case http.ErrAbortHandler:
				panic(p) // net/http then aborts the connection
			default:
				err = fmt.Errorf("panic: %v\n%s", p, debug.Stack())
			}
		}()
		return next(c)
	}
}

func setDeadline(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		c.Set(connectionKey, c.Request().Context())
		ctx, cancel := context.WithTimeout(c.Request().Context(), requestDeadline)
		defer cancel()
		c.SetRequest(c.Request().WithContext(ctx))
		return next(c)
	}
}

// rejectUnknownMethod returns 501 for a method that is not listed here (RFC 9110 section
// 9.1). The router returns 405 for a listed method that the path does not support.
func rejectUnknownMethod(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		switch method := c.Request().Method; method {
		case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch,
			http.MethodDelete, http.MethodOptions, http.MethodTrace, http.MethodConnect:
			return next(c)
		}
		return newError(codeNotImplemented, "Unknown method. Use one that the API reference lists.")
	}
}

// requestID returns the client's X-Request-Id if it has 1 to 64 characters of
// [A-Za-z0-9_-], contains no API key and does not start with the prefix of operators' ids.
// Otherwise it returns a new id.
func requestID(r *http.Request) string {
	id := r.Header.Get(echo.HeaderXRequestID)
	if isRequestID(id) && apikeys.Redact(id) == id && !strings.HasPrefix(id, idempotency.OperatorPrefix) {
		return id
	}
	var random [16]byte
	rand.Read(random[:]) // returns no error: if it fails, the program crashes
	return hex.EncodeToString(random[:])
}

func isRequestID(id string) bool {
	if len(id) < 1 || len(id) > 64 {
		return false
	}
	for i := range len(id) {
		c := id[i]
		if !('a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '_' || c == '-') {
			return false
		}
	}
	return true
}
