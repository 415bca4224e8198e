package http

import (
	"net/netip"

	"orgd/internal/apikeys"
	"orgd/internal/budget"
	"orgd/internal/ratelimit"
	"orgd/internal/uuid"
)

// Limits are the limits that protect the service from overload. Each process counts
// separately. Zero means no limit.
type Limits struct {
	PerKey             ratelimit.Rate // requests per second of a key without its own rate
	PerAccount         ratelimit.Rate // requests per second of all keys of an account together; see accountRate
	InFlight           int            // requests in flight
	InFlightPerAccount int            // requests in flight per account; with InFlight, also at most as many as are left for others
	InFlightPerKey     int            // requests in flight per key
	Waiting            int            // requests that wait for events; an account gets at most as many as are left for others
	Failures           ratelimit.Rate // failed authentications per second from one client address
	Memory             int64          // bytes that bodies and responses hold at once; an account holds at most half
}

// limits holds the configured limits and their counters.
type limits struct {
	Limits
	callers   bucketsOf
	fast      *ratelimit.Limiter[fastKeys]
	failures  *ratelimit.Limiter[netip.Prefix] // failed authentications, by client address
	inFlight  *slots
	receivers bucketsOf // requests whose body is still arriving
	receiving *slots
	waiters   bucketsOf // requests that wait for events
	waiting   *slots
	memory    *budget.Budget[uuid.UUID] // shared among the accounts
}

func newLimits(l Limits) *limits {
	return &limits{
		Limits:    l,
		callers:   newBuckets(),
		fast:      ratelimit.New[fastKeys](),
		failures:  ratelimit.New[netip.Prefix](),
		inFlight:  newSlots(l),
		receivers: newBuckets(),
		receiving: newSlots(l),
		waiters:   newBuckets(),
		waiting:   newWaitingSlots(l),
		memory:    budget.New[uuid.UUID](l.Memory, memoryWait),
	}
}

// buckets are the buckets of one caller's key and account.
type buckets struct{ key, account *ratelimit.Bucket }

// bucketsOf has the buckets of every key and account.
type bucketsOf struct{ keys, accounts *ratelimit.Limiter[uuid.UUID] }

func newBuckets() bucketsOf {
	return bucketsOf{keys: ratelimit.New[uuid.UUID](), accounts: ratelimit.New[uuid.UUID]()}
}

func (b bucketsOf) of(p apikeys.Principal) buckets {
	return buckets{key: b.keys.Of(p.KeyID), account: b.accounts.Of(p.AccountID)}
}
