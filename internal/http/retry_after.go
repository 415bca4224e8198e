package http

import (
	"math/rand/v2"
	"net/http"
	"strconv"
)

// setRetryAfter tells the client when to retry, in whole seconds. The random part keeps
// clients from all returning at once. The official clients ignore more than 60.
func setRetryAfter(h http.Header, e *apiError) {
	var seconds int64
	switch e.code {
	case codeRateLimited:
		seconds = min(max(1, wholeSeconds(e.wait))+rand.Int64N(3), 60)
	case codeUnavailable, codeInProgress:
		seconds = 1 + rand.Int64N(5)
	default:
		return
	}
	h.Set("Retry-After", strconv.FormatInt(seconds, 10))
}
