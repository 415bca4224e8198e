package webhooks

import (
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"strings"
	"syscall"

	"code.dny.dev/ssrf"
)

// Targets are the addresses to which webhooks may go: public internet addresses, and those
// that the operator allows. Every other address could be in the operator's own network.
type Targets struct {
	// Allowed are addresses that are allowed although they are not public.
	Allowed []netip.Prefix
	// PlainLoopback allows loopback addresses, and http as well as https for them. It is
	// for development.
	PlainLoopback bool
}

// errForbidden means that an address is not allowed.
var errForbidden = errors.New("webhooks: address not allowed")

// public rejects the special ranges of IANA's registries, such as loopback, private and
// link-local addresses, and everything outside of 2000::/3, which includes mapped IPv4
// addresses and those of NAT64.
var public = ssrf.New(ssrf.WithAnyPort(), ssrf.WithDeniedV4Prefixes(
	netip.MustParsePrefix("168.63.129.16/32"), // Azure's metadata service: a public address that is not routed on the internet
))

// check returns errForbidden for an address to which webhooks may not go.
func (t Targets) check(address netip.Addr) error {
	address = address.WithZone("").Unmap()
	for _, allowed := range t.Allowed {
		if allowed.Contains(address) {
			return nil
		}
	}
	if t.PlainLoopback && address.IsLoopback() {
		return nil
	}
	if err := public.SafeAddr(address); err != nil {
		return fmt.Errorf("%w: %w", errForbidden, err)
	}
	return nil
}

// control is for net.Dialer. It is called with the address of each connection before the
// connection is made, after the host's name has been resolved.
func (t Targets) control(_, address string, _ syscall.RawConn) error {
	to, err := netip.ParseAddrPort(address)
	if err != nil {
		return fmt.Errorf("%w: %w", errForbidden, err)
	}
	return t.check(to.Addr())
}

// URLError is what is wrong with the URL of an endpoint. Its text continues a sentence
// that starts with the name of the field.
type URLError string

func (e URLError) Error() string { return string(e) }

// The errors of CheckURL.
const (
	ErrURLForm        = URLError("must be a URL such as https://example.com/webhooks; spaces, \" < > \\ ^ ` { | } and characters outside ASCII must be percent-encoded")
	ErrURLHost        = URLError("must have a host in ASCII, an international name in its xn-- form")
	ErrURLLong        = URLError("must be at most 2048 bytes")
	ErrURLScheme      = URLError("must begin with https://")
	ErrURLCredentials = URLError("must not contain a user name or a password")
	ErrURLFragment    = URLError("must not contain a fragment")
	ErrURLPort        = URLError("must have a port from 1 to 65535, or none")
	ErrURLAddress     = URLError("must not point to a private, loopback or other special address")
)

// CheckURL returns an error if no endpoint can have the URL. It looks only at the text. A
// host may still resolve to an address that is not allowed; then each attempt fails.
func (t Targets) CheckURL(text string) error {
	if len(text) > MaxURL {
		return ErrURLLong
	}
	u, err := url.Parse(text)
	switch {
	case err == nil && !isASCII(u.Hostname()):
		return ErrURLHost // net/http would convert it, and some forms of it to an address
	case err != nil || !isURLText(text) || u.Opaque != "" || u.Hostname() == "":
		return ErrURLForm
	case u.Scheme != "https" && !t.PlainLoopback, u.Scheme != "https" && u.Scheme != "http":
		return ErrURLScheme
	case u.User != nil:
		return ErrURLCredentials
	case u.Fragment != "" || strings.HasSuffix(text, "#"):
		return ErrURLFragment
	case !isPort(u.Host, u.Port()):
		return ErrURLPort
	}
	return t.checkHost(u)
}

func (t Targets) checkHost(u *url.URL) error {
	host := strings.ToLower(strings.TrimSuffix(u.Hostname(), "."))
	address, err := netip.ParseAddr(host)
	isLoopback := err == nil && address.Unmap().IsLoopback() || host == "localhost" || strings.HasSuffix(host, ".localhost")
	switch {
	case isLoopback && t.PlainLoopback:
		return nil
	case u.Scheme != "https":
		return ErrURLScheme
	case err == nil:
		if address.Zone() != "" || t.check(address) != nil {
			return ErrURLAddress
		}
		return nil
	case isLoopback && t.check(netip.AddrFrom4([4]byte{127, 0, 0, 1})) != nil, isNumber(host[strings.LastIndexByte(host, '.')+1:]):
		return ErrURLAddress
	case strings.ContainsAny(host, ":%"):
		return ErrURLForm
	}
	return nil
}

// isURLText reports whether the text has only the characters of a URL (RFC 3986).
func isURLText(text string) bool {
	return !strings.ContainsFunc(text, func(r rune) bool { return r <= ' ' || r > '~' || strings.ContainsRune("\"<>\\^`{|}", r) })
}

func isASCII(text string) bool {
	return !strings.ContainsFunc(text, func(r rune) bool { return r > '~' })
}

func isPort(hostPort, port string) bool {
	if port == "" {
		return !strings.HasSuffix(hostPort, ":")
	}
	return len(port) <= 5 && strings.Trim(port, "0123456789") == "" && strings.Trim(port, "0") != "" && (len(port) < 5 || port <= "65535")
}

// isNumber reports whether a host's last label is a number, as in 127.1 and 0x7f000001.
// Some resolvers read such names as IPv4 addresses. No top-level domain is a number.
func isNumber(label string) bool {
	if label == "" || strings.Trim(label, "0123456789") == "" {
		return true
	}
	digits, isHex := strings.CutPrefix(label, "0x")
	return isHex && strings.Trim(digits, "0123456789abcdef") == ""
}
