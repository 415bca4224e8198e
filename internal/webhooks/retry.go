package webhooks

import (
	"math/rand/v2"
	"time"
)

const (
	firstBackoff = 5 * time.Second
	lastBackoff  = 15 * time.Minute
	// longestWait is longer than any wait for the next attempt.
	longestWait = maxRetryAfter + time.Minute
	// giveUpAfter is how long an endpoint may fail before it is disabled.
	giveUpAfter = 3 * 24 * time.Hour
	// giveUpFailures is how many attempts in a row must also have failed. The time alone says
	// too little about the endpoint: for a part of it, the servers may have been down, or may
	// have had no slot for the endpoint. In three days an endpoint gets over 280 attempts, or
	// 72 if it always asks to wait for an hour.
	giveUpFailures = 50
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

// retry returns what to do after the given number of failures in a row. retryAfter is the
// wait that the last response asked for, or 0.
func (cfg *WorkerConfig) retry(failures int, retryAfter time.Duration) decision {
	next := decision{step: stepRetry, wait: max(cfg.Backoff(failures), retryAfter)}
	if failures >= cfg.GiveUpFailures {
		next.giveUp = cfg.GiveUp
	}
	return next
}
