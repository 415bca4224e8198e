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
	MaxInFlight       int       `env:"ORGD_MAX_IN_FLIGHT" default:"1000" placeholder:"N" help:"Most requests at once; beyond them 503; 0 for no limit (${default})."`
	MaxInFlightPerKey int       `env:"ORGD_MAX_IN_FLIGHT_PER_KEY" default:"200" placeholder:"N" help:"Most requests at once of one key; beyond them 429; 0 for no limit (${default})."`
	TrustedProxies    []network `env:"ORGD_TRUSTED_PROXIES" placeholder:"CIDR,…" help:"Proxies whose X-Forwarded-For is believed, such as 10.0.0.0/8 (none)."`
}

// Validate finds what Kong's types let through.
func (f limitFlags) Validate() error {
	if f.MaxInFlight < 0 || f.MaxInFlightPerKey < 0 {
		return errors.New("ORGD_MAX_IN_FLIGHT and ORGD_MAX_IN_FLIGHT_PER_KEY take 0 or more")
	}
	return nil
}

// rateFlag is apart from the others because server dev has another default.
type rateFlag struct {
	RateLimit int `env:"ORGD_RATE_LIMIT" default:"100" placeholder:"N" help:"Requests a second that a key may make on the long run, twice as many at once; 0 for no limit (${default})."`
}

func validRate(perSecond int) error {
	if perSecond < 0 || perSecond > apikeys.MaxRateLimit {
		return fmt.Errorf("ORGD_RATE_LIMIT is %d: give 0 to %d", perSecond, apikeys.MaxRateLimit)
	}
	return nil
}

// failures are the authentications that may fail, for each address of a client.
var failures = ratelimit.Rate{PerSecond: 10, Burst: 100}

func (f limitFlags) limits(perSecond int) orgdhttp.Limits {
	return orgdhttp.Limits{
		PerKey:         ratelimit.PerSecond(perSecond),
		InFlight:       f.MaxInFlight,
		InFlightPerKey: f.MaxInFlightPerKey,
		Failures:       failures,
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
