package http

import (
	"errors"
	"net/http"
	"strconv"
	"strings"

	"github.com/labstack/echo/v4"

	"orgd/internal/idempotency"
)

const maxIdempotencyKey = 255

// readCall reads everything of a change except its path and conditions: the caller, how
// the request may be repeated, and the fields of the body.
func readCall(c echo.Context, bodyRequired bool, fields ...field) (idempotency.Call, error) {
	if err := noParams(c.Request().URL.RawQuery); err != nil {
		return idempotency.Call{}, err
	}
	call, err := newCall(c)
	if err != nil {
		return idempotency.Call{}, err
	}
	return call, decodeBody(c, bodyRequired, fields...)
}

// newCall returns who makes a change, and how the request may be repeated.
func newCall(c echo.Context) (idempotency.Call, error) {
	who, h := callerOf(c), c.Request().Header
	retries, counted := retryCount(h)
	call := idempotency.Call{
		AccountID: who.AccountID,
		KeyID:     who.KeyID,
		UserID:    who.userID,
		RequestID: c.Response().Header().Get(echo.HeaderXRequestID),

		CountsRetries: counted,
		IsRetry:       retries > 0,
	}
	if method := c.Request().Method; method != http.MethodPost && method != http.MethodPatch {
		return call, nil
	}
	var err error
	call.IdempotencyKey, err = idempotencyKey(h)
	return call, err
}

// retryCount returns how often an official client has sent the call before, counted
// from 0, and whether it sent the count.
func retryCount(h http.Header) (count uint64, counted bool) {
	count, err := strconv.ParseUint(h.Get("X-Stainless-Retry-Count"), 10, 64)
	// Out of range, ParseUint returns the largest value.
	return count, err == nil || errors.Is(err, strconv.ErrRange)
}

// idempotencyKey returns the client's name for its call, or "". The header is a
// string of RFC 9651 section 3.3.3, in quotes; many clients send it bare.
func idempotencyKey(h http.Header) (string, error) {
	values := h.Values("Idempotency-Key")
	if len(values) == 0 {
		return "", nil
	}
	key, ok := unquote(values[0])
	if len(values) > 1 || !ok || len(key) < 1 || len(key) > maxIdempotencyKey {
		return "", newError(codeInvalidRequest, "Idempotency-Key must be a single header of 1 to 255 printable ASCII characters, in quotes if it contains a space.")
	}
	return key, nil
}

func unquote(s string) (string, bool) {
	inner, quoted := strings.CutPrefix(s, `"`)
	if !quoted {
		return s, isPrintable(s) && !strings.ContainsAny(s, ` "`)
	}
	var key strings.Builder
	for i := 0; i < len(inner); i++ {
		c := inner[i]
		switch {
		case c == '"':
			return key.String(), i == len(inner)-1
		case c == '\\':
			if i++; i == len(inner) || inner[i] != '"' && inner[i] != '\\' {
				return "", false
			}
			c = inner[i]
		case !isPrintable(inner[i : i+1]):
			return "", false
		}
		key.WriteByte(c)
	}
	return "", false // never closed
}

func isPrintable(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r > '~' })
}
