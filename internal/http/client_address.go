package http

import (
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"

	"github.com/labstack/echo/v4"
)

// clientAddress returns a function that returns the address of a request's client. If the
// connection comes from a trusted proxy, that is the last address in X-Forwarded-For that
// is not a trusted proxy's. Otherwise it is the address of the connection.
func clientAddress(proxies []*net.IPNet) echo.IPExtractor {
	direct := echo.ExtractIPDirect()
	if len(proxies) == 0 {
		return direct
	}
	trusted := func(addr netip.Addr) bool {
		return slices.ContainsFunc(proxies, func(n *net.IPNet) bool { return n.Contains(addr.AsSlice()) })
	}
	return func(r *http.Request) string {
		client := direct(r)
		addr, ok := parseForwarded(client)
		if !ok || !trusted(addr) {
			return client
		}
		entries := strings.Split(strings.Join(r.Header.Values(echo.HeaderXForwardedFor), ","), ",")
		for _, entry := range slices.Backward(entries) {
			addr, ok := parseForwarded(entry)
			if !ok {
				break // an unreadable entry: the proxy after it counts as the client
			}
			if client = addr.String(); !trusted(addr) {
				break
			}
		}
		return client
	}
}

// parseForwarded reads an address as proxies write it: bare, with a port
// (Azure Application Gateway, IIS), in brackets, or in quotes (RFC 7239).
func parseForwarded(s string) (netip.Addr, bool) {
	s = strings.Trim(s, " \t")
	if inner, ok := strings.CutPrefix(s, `"`); ok {
		s = strings.TrimSuffix(inner, `"`)
	}
	if inner, ok := strings.CutPrefix(s, "["); ok && strings.HasSuffix(s, "]") {
		s = strings.TrimSuffix(inner, "]")
	}
	addr, err := netip.ParseAddr(s)
	if err != nil {
		withPort, err := netip.ParseAddrPort(s)
		if err != nil {
			return netip.Addr{}, false
		}
		addr = withPort.Addr()
	}
	return addr.Unmap().WithZone(""), true
}

// clientOf returns the client's address. All addresses of an IPv6 /64 count as one
// client.
func clientOf(c echo.Context) netip.Prefix {
	addr, ok := parseForwarded(c.RealIP())
	if !ok {
		return netip.Prefix{} // shared by all clients without a readable address
	}
	bits := addr.BitLen()
	if addr.Is6() {
		bits = 64
	}
	return netip.PrefixFrom(addr, bits).Masked()
}
