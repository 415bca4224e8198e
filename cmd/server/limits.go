package main

import (
	"errors"
	"fmt"
	"net"

	"orgd/internal/apikeys"
	orgdhttp "orgd/internal/http"
	"orgd/internal/ratelimit"
)

type limitFlags struct {
	DBMaxConnsPerAccount  int32     `env:"ORGD_DB_MAX_CONNS_PER_ACCOUNT" default:"0" placeholder:"N" help:"Maximum number of database connections per account. The rest are reserved for accounts that hold none. 0 means four fifths of ORGD_DB_MAX_CONNS (default: ${default})."`
	MaxInFlight           int       `env:"ORGD_MAX_IN_FLIGHT" default:"1000" placeholder:"N" help:"Maximum number of requests in flight; requests beyond the limit get 503; 0 for no limit (default: ${default})."`
	MaxInFlightPerAccount int       `env:"ORGD_MAX_IN_FLIGHT_PER_ACCOUNT" default:"0" placeholder:"N" help:"Maximum number of requests in flight per account; requests beyond the limit get 429; 0 for no fixed limit. An account also gets at most half of the part of ORGD_MAX_IN_FLIGHT that other accounts do not use (default: ${default})."`
	MaxInFlightPerKey     int       `env:"ORGD_MAX_IN_FLIGHT_PER_KEY" default:"200" placeholder:"N" help:"Maximum number of requests in flight per key; requests beyond the limit get 429; 0 for no limit (default: ${default})."`
	MaxWaiting            int       `env:"ORGD_MAX_WAITING" default:"2000" placeholder:"N" help:"Maximum number of open exports, event streams and requests that wait for events; requests beyond the limit get 503; 0 for no limit. An account gets at most half of the part that other accounts do not use, and 429 beyond that (default: ${default})."`
	MaxKeysPerAccount     int       `env:"ORGD_MAX_KEYS_PER_ACCOUNT" default:"1000" placeholder:"N" help:"Maximum number of active keys per account; requests to create more get 409; 0 for no limit (default: ${default})."`
	MemoryBudget          byteSize  `env:"ORGD_MEMORY_BUDGET" default:"32MiB" placeholder:"SIZE" help:"Maximum memory for request and response bodies; one account gets at most half of it. Requests beyond the limit get 503; 0 for no limit (default: ${default})."`
	TrustedProxies        []network `env:"ORGD_TRUSTED_PROXIES" placeholder:"CIDR" help:"Proxies whose X-Forwarded-For is trusted, such as 10.0.0.0/8 (default: none)."`
}

// Validate rejects numbers that are out of range.
func (f limitFlags) Validate() error {
	if f.MaxInFlight < 0 || f.MaxInFlightPerAccount < 0 || f.MaxInFlightPerKey < 0 {
		return errors.New("ORGD_MAX_IN_FLIGHT, ORGD_MAX_IN_FLIGHT_PER_ACCOUNT and ORGD_MAX_IN_FLIGHT_PER_KEY must be 0 or more")
	}
	if f.MaxWaiting < 0 {
		return fmt.Errorf("ORGD_MAX_WAITING is %d; it must be 0 or more", f.MaxWaiting)
	}
	if f.MaxKeysPerAccount < 0 {
		return fmt.Errorf("ORGD_MAX_KEYS_PER_ACCOUNT is %d; it must be 0 or more", f.MaxKeysPerAccount)
	}
	if f.MemoryBudget > 0 && f.MemoryBudget < minMemoryBudget {
		return fmt.Errorf("ORGD_MEMORY_BUDGET is %s; it must be %s or more, or 0 for no limit", f.MemoryBudget, byteSize(minMemoryBudget))
	}
	return nil
}

// minMemoryBudget is enough for one account, which gets at most half of it, to make any
// single request.
const minMemoryBudget = 16 << 20

// rateFlags are the limits on sustained rates.
type rateFlags struct {
	RateLimit           int  `env:"ORGD_RATE_LIMIT" default:"100" placeholder:"N" help:"Sustained requests per second for each key, with a burst of twice as many; 0 for no limit (default: ${default})."`
	RateLimitPerAccount *int `env:"ORGD_RATE_LIMIT_PER_ACCOUNT" placeholder:"N" help:"Sustained requests per second for each account, all its keys together, with a burst of twice as many; 0 for no limit (default: ten times ORGD_RATE_LIMIT)."`
}

// Validate rejects numbers that are out of range.
func (f rateFlags) Validate() error {
	return firstError(validRate("ORGD_RATE_LIMIT", f.RateLimit), validRate("ORGD_RATE_LIMIT_PER_ACCOUNT", f.perAccount()))
}

// perAccount returns the rate limit of an account. The default allows several busy keys.
func (f rateFlags) perAccount() int {
	if f.RateLimitPerAccount != nil {
		return *f.RateLimitPerAccount
	}
	return min(10*f.RateLimit, apikeys.MaxRateLimit)
}

func validRate(name string, perSecond int) error {
	if perSecond < 0 || perSecond > apikeys.MaxRateLimit {
		return fmt.Errorf("%s is %d; it must be from 0 to %d", name, perSecond, apikeys.MaxRateLimit)
	}
	return nil
}

// failures is the rate of failed authentications allowed for each client address.
var failures = ratelimit.Rate{PerSecond: 10, Burst: 100}

func (f limitFlags) limits(rates rateFlags) orgdhttp.Limits {
	return orgdhttp.Limits{
		PerKey:             ratelimit.PerSecond(rates.RateLimit),
		PerAccount:         ratelimit.PerSecond(rates.perAccount()),
		InFlight:           f.MaxInFlight,
		InFlightPerAccount: f.MaxInFlightPerAccount,
		InFlightPerKey:     f.MaxInFlightPerKey,
		Waiting:            f.MaxWaiting,
		Failures:           failures,
		Memory:             int64(f.MemoryBudget),
	}
}

// network is a range of IP addresses.
type network struct{ *net.IPNet }

// UnmarshalText parses a range in CIDR notation (RFC 4632), or a single address.
func (n *network) UnmarshalText(text []byte) error {
	s := string(text)
	if ip := net.ParseIP(s); ip != nil {
		bits := 8 * len(ip.To16())
		if ip.To4() != nil {
			ip, bits = ip.To4(), 32
		}
		n.IPNet = &net.IPNet{IP: ip, Mask: net.CIDRMask(bits, bits)}
		return nil
	}
	_, parsed, err := net.ParseCIDR(s)
	if err != nil {
		return fmt.Errorf("%q is neither an address nor a range of addresses such as 10.0.0.0/8", s)
	}
	n.IPNet = parsed
	return nil
}

func (f limitFlags) proxies() []*net.IPNet {
	ranges := make([]*net.IPNet, len(f.TrustedProxies))
	for i, n := range f.TrustedProxies {
		ranges[i] = n.IPNet
	}
	return ranges
}
