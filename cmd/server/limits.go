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
	DBMaxConnsPerAccount  int32     `env:"ORGD_DB_MAX_CONNS_PER_ACCOUNT" default:"0" placeholder:"N" help:"Most connections to the database that one account may hold; the others go to accounts that hold none; 0 for four fifths (${default})."`
	MaxInFlight           int       `env:"ORGD_MAX_IN_FLIGHT" default:"1000" placeholder:"N" help:"Most requests at once; beyond them 503; 0 for no limit (${default})."`
	MaxInFlightPerAccount int       `env:"ORGD_MAX_IN_FLIGHT_PER_ACCOUNT" default:"0" placeholder:"N" help:"Most requests at once of one account; beyond them 429; never more than are left for others; 0 for no limit but that (${default})."`
	MaxInFlightPerKey     int       `env:"ORGD_MAX_IN_FLIGHT_PER_KEY" default:"200" placeholder:"N" help:"Most requests at once of one key; beyond them 429; 0 for no limit (${default})."`
	MaxKeysPerAccount     int       `env:"ORGD_MAX_KEYS_PER_ACCOUNT" default:"1000" placeholder:"N" help:"Most keys of one account that are neither revoked nor expired, to make another over HTTP; beyond them 409; 0 for no limit (${default})."`
	MemoryBudget          byteSize  `env:"ORGD_MEMORY_BUDGET" default:"32MiB" placeholder:"SIZE" help:"Most memory that bodies and answers hold at once, one account at most half of it; beyond that 503; 0 for no limit (${default})."`
	TrustedProxies        []network `env:"ORGD_TRUSTED_PROXIES" placeholder:"CIDR,…" help:"Proxies whose X-Forwarded-For is believed, such as 10.0.0.0/8 (none)."`
}

// Validate finds what Kong's types let through.
func (f limitFlags) Validate() error {
	if f.MaxInFlight < 0 || f.MaxInFlightPerAccount < 0 || f.MaxInFlightPerKey < 0 {
		return errors.New("ORGD_MAX_IN_FLIGHT, ORGD_MAX_IN_FLIGHT_PER_ACCOUNT and ORGD_MAX_IN_FLIGHT_PER_KEY take 0 or more")
	}
	if f.MaxKeysPerAccount < 0 {
		return fmt.Errorf("ORGD_MAX_KEYS_PER_ACCOUNT is %d: give 0 or more", f.MaxKeysPerAccount)
	}
	if f.MemoryBudget > 0 && f.MemoryBudget < minMemoryBudget {
		return fmt.Errorf("ORGD_MEMORY_BUDGET is %s: give %s or more, or 0 for no limit", f.MemoryBudget, byteSize(minMemoryBudget))
	}
	return nil
}

// minMemoryBudget lets an account have its largest body decoded and a page read.
const minMemoryBudget = 16 << 20

// rateFlags are apart from the others because server dev has other defaults.
type rateFlags struct {
	RateLimit           int  `env:"ORGD_RATE_LIMIT" default:"100" placeholder:"N" help:"Sustained requests a second of a key, with a burst of twice as many; 0 for no limit (${default})."`
	RateLimitPerAccount *int `env:"ORGD_RATE_LIMIT_PER_ACCOUNT" placeholder:"N" help:"Sustained requests a second of all keys of an account, with a burst of twice as many; 0 for no limit (ten times ORGD_RATE_LIMIT)."`
}

// Validate finds what Kong's types let through.
func (f rateFlags) Validate() error {
	return firstError(validRate("ORGD_RATE_LIMIT", f.RateLimit), validRate("ORGD_RATE_LIMIT_PER_ACCOUNT", f.perAccount()))
}

// perAccount is what several busy keys of one account never reach by default.
func (f rateFlags) perAccount() int {
	if f.RateLimitPerAccount != nil {
		return *f.RateLimitPerAccount
	}
	return min(10*f.RateLimit, apikeys.MaxRateLimit)
}

func validRate(name string, perSecond int) error {
	if perSecond < 0 || perSecond > apikeys.MaxRateLimit {
		return fmt.Errorf("%s is %d: give 0 to %d", name, perSecond, apikeys.MaxRateLimit)
	}
	return nil
}

// failures are the authentications that may fail, for each address of a client.
var failures = ratelimit.Rate{PerSecond: 10, Burst: 100}

func (f limitFlags) limits(rates rateFlags) orgdhttp.Limits {
	return orgdhttp.Limits{
		PerKey:             ratelimit.PerSecond(rates.RateLimit),
		PerAccount:         ratelimit.PerSecond(rates.perAccount()),
		InFlight:           f.MaxInFlight,
		InFlightPerAccount: f.MaxInFlightPerAccount,
		InFlightPerKey:     f.MaxInFlightPerKey,
		Failures:           failures,
		Memory:             int64(f.MemoryBudget),
	}
}

// network is a range of addresses in CIDR form.
type network struct{ *net.IPNet }

// UnmarshalText reads CIDR form (RFC 4632), or one address.
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
		return fmt.Errorf("%q is no range of addresses such as 10.0.0.0/8", s)
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
