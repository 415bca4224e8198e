package http

import (
	"net"
	"net/http"
	"net/http/httptest"
	"testing"
)

func TestClientAddress(t *testing.T) {
	t.Parallel()
	var proxies []*net.IPNet
	for _, cidr := range []string{"10.0.0.0/8", "2001:db8:1::/48", "::ffff:192.0.2.0/120"} {
		_, network, err := net.ParseCIDR(cidr)
		if err != nil {
			t.Fatal(err)
		}
		proxies = append(proxies, network)
	}
	for _, c := range []struct {
		remote    string
		forwarded []string
		want      string
	}{
		{"203.0.113.9:1", nil, "203.0.113.9"},
		{"203.0.113.9:1", []string{"198.51.100.1"}, "203.0.113.9"}, // not a trusted proxy
		{"10.1.1.1:1", nil, "10.1.1.1"},
		{"10.1.1.1:1", []string{""}, "10.1.1.1"},
		{"10.1.1.1:1", []string{"198.51.100.1"}, "198.51.100.1"},
		{"[::ffff:10.1.1.1]:1", []string{"198.51.100.1"}, "198.51.100.1"},
		{"192.0.2.7:1", []string{"198.51.100.1"}, "198.51.100.1"},
		{"[2001:db8:1::5]:1", []string{"198.51.100.1"}, "198.51.100.1"},
		{"10.1.1.1:1", []string{"198.51.100.9, 198.51.100.1, 10.2.2.2"}, "198.51.100.1"},
		{"10.1.1.1:1", []string{"198.51.100.9", "198.51.100.1,10.2.2.2"}, "198.51.100.1"},
		{"10.1.1.1:1", []string{"10.3.3.3, 10.2.2.2"}, "10.3.3.3"}, // a client in a trusted network

		{"10.1.1.1:1", []string{"198.51.100.1:5678"}, "198.51.100.1"},
		{"10.1.1.1:1", []string{"198.51.100.9:1, 198.51.100.1:5678, 10.2.2.2:443"}, "198.51.100.1"},
		{"10.1.1.1:1", []string{"[2001:db8::1]"}, "2001:db8::1"},
		{"10.1.1.1:1", []string{"[2001:db8::1]:443"}, "2001:db8::1"},
		{"10.1.1.1:1", []string{"\"[2001:db8::1]:443\""}, "2001:db8::1"},
		{"10.1.1.1:1", []string{"\"198.51.100.1:80\""}, "198.51.100.1"},
		{"10.1.1.1:1", []string{"2001:DB8:0::1"}, "2001:db8::1"},
		{"10.1.1.1:1", []string{"2001:db8::1:443"}, "2001:db8::1:443"}, // without brackets, 443 is part of the address
		{"10.1.1.1:1", []string{"198.51.100.1, [2001:db8:1::9]:443"}, "198.51.100.1"},
		{"10.1.1.1:1", []string{"::ffff:198.51.100.1"}, "198.51.100.1"},
		{"10.1.1.1:1", []string{"[::ffff:198.51.100.1]:9"}, "198.51.100.1"},
		{"10.1.1.1:1", []string{"198.51.100.1, ::ffff:10.2.2.2"}, "198.51.100.1"},
		{"10.1.1.1:1", []string{"fe80::1%eth0"}, "fe80::1"},

		// If an entry is malformed, the client is the proxy that wrote it.
		{"10.1.1.1:1", []string{"unknown"}, "10.1.1.1"},
		{"10.1.1.1:1", []string{"198.51.100.1, _hidden"}, "10.1.1.1"},
		{"10.1.1.1:1", []string{"198.51.100.1, unknown, 10.2.2.2"}, "10.2.2.2"},
		{"10.1.1.1:1", []string{"198.51.100.1:99999"}, "10.1.1.1"},
		{"10.1.1.1:1", []string{"198.51.100.1:"}, "10.1.1.1"},
		{"10.1.1.1:1", []string{"198.51.100"}, "10.1.1.1"},
		{"10.1.1.1:1", []string{"[198.51.100.1"}, "10.1.1.1"},
		{"10.1.1.1:1", []string{"198.51.100.1,"}, "10.1.1.1"},
		{"10.1.1.1:1", []string{"orgs.example.com:80"}, "10.1.1.1"},
	} {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.RemoteAddr = c.remote
		r.Header["X-Forwarded-For"] = c.forwarded
		if got := clientAddress(proxies)(r); got != c.want {
			t.Errorf("%s, X-Forwarded-For %q: %s, want %s", c.remote, c.forwarded, got, c.want)
		}
		if got := clientAddress(nil)(r); c.forwarded != nil && got == "198.51.100.1" {
			t.Errorf("without a trusted proxy, the address is taken from %q", c.forwarded)
		}
	}
}
