package http

import (
	"math/rand/v2"
	"net/http"
	"strconv"
)

// eraseRetryAfter is how many seconds a client waits before it asks again whether a user is
// erased. A user in 1,000 organizations takes about one second.
const eraseRetryAfter = 1

// retryAfter returns how many seconds the client waits before it retries, or 0 if it need
// not retry. The random part keeps clients from all returning at once. The official clients
// ignore more than 60.
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
