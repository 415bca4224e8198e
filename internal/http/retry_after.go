package http

import (
	"math/rand/v2"
	"net/http"
	"strconv"
)

// eraseRetryAfter is how many seconds a client should wait before it repeats the call
// that erases a user. A user in 1,000 organizations takes about one second.
const eraseRetryAfter = 1

// retryAfter returns how many seconds the client should wait before a retry, or 0 for an
// error without Retry-After. The random part keeps clients from all retrying at once. The
// official clients ignore values above 60.
func retryAfter(e *apiError) int64 {
	switch e.code {
	case codeRateLimited:
		return min(max(1, wholeSeconds(e.wait))+rand.Int64N(3), 60)
	case codeUnavailable, codeInProgress:
		return 1 + rand.Int64N(5)
	}
	return 0
}

// setRetryAfter sets Retry-After, unless seconds is 0.
func setRetryAfter(h http.Header, seconds int64) {
	if seconds > 0 {
		h.Set("Retry-After", strconv.FormatInt(seconds, 10))
	}
}
