package http

import (
	"math/rand/v2"
	"strconv"
	"time"
)

// retryAfter sets Retry-After to d and up to 2 s of jitter, in whole seconds from 1 to
// 60.
func (e *apiError) retryAfter(d time.Duration) *apiError {
	seconds := max(1, wholeSeconds(d)) + rand.Int64N(3)
	if e.headers == nil {
		e.headers = map[string]string{}
	}
	e.headers["Retry-After"] = strconv.FormatInt(min(seconds, 60), 10)
	return e
}

// soon is 1 to 5 whole seconds at random, so that clients do not all return at once.
// The official clients ignore more than 60.
func soon() string { return strconv.Itoa(1 + rand.IntN(5)) }
