package http

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"net/http"
	"runtime/debug"

	"github.com/labstack/echo/v4"

	"orgd/internal/apikeys"
)

// recoverPanic turns a panic into an error that contains the stack.
func recoverPanic(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) (err error) {
		defer func() {
			switch p := recover(); p {
			case nil:
			case http.ErrAbortHandler:
				panic(p) // how net/http aborts a connection
			default:
				err = fmt.Errorf("panic: %v\n%s", p, debug.Stack())
			}
		}()
		return next(c)
	}
}

// limitBody rejects a Content-Length above the limit, and stops reading a body at the
// limit.
func limitBody(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		r := c.Request()
		if r.ContentLength > maxBodyBytes {
			// A connection with an unread body cannot be reused.
			c.Response().Header().Set(echo.HeaderConnection, "close")
			return newError(codeBodyTooLarge, bodyTooLarge)
		}
		if r.Body != http.NoBody {
			r.Body = http.MaxBytesReader(c.Response(), r.Body, maxBodyBytes)
		}
		return next(c)
	}
}

func setDeadline(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		ctx, cancel := context.WithTimeout(c.Request().Context(), requestDeadline)
		defer cancel()
		c.SetRequest(c.Request().WithContext(ctx))
		return next(c)
	}
}

// refuseUnknownMethod returns 501 for a method that no route has (RFC 9110 section
// 9.1). A method that only this path lacks is 405.
func refuseUnknownMethod(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		switch method := c.Request().Method; method {
		case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch,
			http.MethodDelete, http.MethodOptions, http.MethodTrace, http.MethodConnect:
			return next(c)
		}
		return newError(codeNotImplemented, "Unknown method. Use one that the API reference lists.")
	}
}

// requestID returns the client's own id if it is 1–64 of [A-Za-z0-9_-], else a
// new one.
func requestID(r *http.Request) string {
	if id := r.Header.Get(echo.HeaderXRequestID); isRequestID(id) && apikeys.Redact(id) == id {
		return id
	}
	var random [16]byte
	rand.Read(random[:]) // never fails: it crashes the program instead
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
