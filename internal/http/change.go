package http

import (
	"errors"
	"net/http"
	"strconv"

	"github.com/labstack/echo/v4"

	"orgd/internal/idempotency"
	"orgd/internal/orgs"
)

// readCall reads a request for a change, except its path and its conditions: it returns
// what newCall does, and reads the body into the fields. It accepts no query parameters.
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

// readConditionalCall is readCall that also returns the versions that If-Match allows.
func readConditionalCall(c echo.Context, bodyRequired bool, fields ...field) (idempotency.Call, orgs.Versions, error) {
	call, err := readCall(c, bodyRequired, fields...)
	if err != nil {
		return idempotency.Call{}, nil, err
	}
	match, err := ifMatch(c.Request().Header)
	return call, match, err
}

// newCall describes a change for package idempotency: the caller, and what the headers
// say about repeats.
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

// retryCount returns how often the client has already sent this call, and whether the
// request reports it. The official clients report it in X-Stainless-Retry-Count.
func retryCount(h http.Header) (count uint64, counted bool) {
	count, err := strconv.ParseUint(h.Get("X-Stainless-Retry-Count"), 10, 64)
	// For a number out of range, ParseUint returns the largest uint64.
	return count, err == nil || errors.Is(err, strconv.ErrRange)
}
