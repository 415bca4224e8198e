package webhooks

import (
	"math/rand/v2"
	"time"
)

const (
	firstBackoff = 5 * time.Second
	lastBackoff  = 15 * time.Minute
	// giveUpAfter is how long an endpoint may fail before it is disabled.
	giveUpAfter = 3 * 24 * time.Hour
)

// backoff returns how long to wait after the given number of failures in a row: 5 s,
// doubled each time up to 15 min, and up to a quarter less. Only the oldest event of an
// endpoint is retried, so a short wait is not expensive, and the endpoint gets its events
// soon after it works again.
func backoff(failures int) time.Duration {
	wait := lastBackoff
	if failures <= 8 {
		wait = min(firstBackoff<<max(failures-1, 0), lastBackoff)
	}
	return wait - rand.N(wait/4)
}
