package webhooks

import "net/netip"

// CheckAddress is exported for the tests.
func (t Targets) CheckAddress(address netip.Addr) error { return t.check(address) }

// Backoff is exported for the tests.
var Backoff = backoff
