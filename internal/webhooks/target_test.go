package webhooks_test

import (
	"context"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"

	"orgd/internal/webhooks"
)

func TestCheckURL(t *testing.T) {
	t.Parallel()
	public := webhooks.Targets{}
	allowing := webhooks.Targets{Allowed: []netip.Prefix{netip.MustParsePrefix("10.1.0.0/16"), netip.MustParsePrefix("fd00:1::/32")}}
	development := webhooks.Targets{PlainLoopback: true}
	for _, tc := range []struct {
		targets webhooks.Targets
		url     string
		want    error
	}{
		{public, "https://example.com", nil},
		{public, "https://example.com:8443/a/b?c=d&e=%20f", nil},
		{public, "HTTPS://EXAMPLE.COM./", nil},
		{public, "https://xn--bcher-kva.example/", nil},
		{public, "https://8.8.8.8/", nil},
		{public, "https://[2606:4700::1111]/", nil},

		{public, "", webhooks.ErrURLForm},
		{public, "example.com", webhooks.ErrURLForm},
		{public, "https:example.com", webhooks.ErrURLForm},
		{public, "https://", webhooks.ErrURLForm},
		{public, "https://exa mple.com/", webhooks.ErrURLForm},
		{public, "https://bücher.example/", webhooks.ErrURLHost},
		{public, "https://b%C3%BCcher.example/", webhooks.ErrURLHost},
		{public, "https://127.0.0.%EF%BC%91/", webhooks.ErrURLHost},
		{public, "https://127%E3%80%820%E3%80%820%E3%80%821/", webhooks.ErrURLHost},
		{public, "https://%EF%BD%8Cocalhost/", webhooks.ErrURLHost},
		{public, "https://%80/", webhooks.ErrURLHost},
		{public, "https://example.com/ü", webhooks.ErrURLForm},
		{public, "https://example.com/\n", webhooks.ErrURLForm},
		{public, `https://example.com\@10.0.0.1/`, webhooks.ErrURLForm},
		{public, "https://%31%30.0.0.1/", webhooks.ErrURLForm},
		{public, "http://example.com/", webhooks.ErrURLScheme},
		{public, "ftp://example.com/", webhooks.ErrURLScheme},
		{public, "file:///etc/passwd", webhooks.ErrURLForm},
		{public, "https://user@example.com/", webhooks.ErrURLCredentials},
		{public, "https://:pass@example.com/", webhooks.ErrURLCredentials},
		{public, "https://example.com/#", webhooks.ErrURLFragment},
		{public, "https://example.com/#a", webhooks.ErrURLFragment},
		{public, "https://example.com:/", webhooks.ErrURLPort},
		{public, "https://example.com:0/", webhooks.ErrURLPort},
		{public, "https://example.com:65536/", webhooks.ErrURLPort},

		{public, "https://127.0.0.1/", webhooks.ErrURLAddress},
		{public, "https://127.1/", webhooks.ErrURLAddress},
		{public, "https://2130706433/", webhooks.ErrURLAddress},
		{public, "https://0x7f000001/", webhooks.ErrURLAddress},
		{public, "https://0x7f.0.0.0x1/", webhooks.ErrURLAddress},
		{public, "https://0177.0.0.1/", webhooks.ErrURLAddress},
		{public, "https://localhost/", webhooks.ErrURLAddress},
		{public, "https://a.LOCALHOST./", webhooks.ErrURLAddress},
		{public, "https://[::1]/", webhooks.ErrURLAddress},
		{public, "https://[fe80::1%25eth0]/", webhooks.ErrURLAddress},
		{public, "https://[::ffff:127.0.0.1]/", webhooks.ErrURLAddress},
		{public, "http://127.0.0.1/", webhooks.ErrURLScheme},

		{allowing, "https://10.1.2.3/", nil},
		{allowing, "https://[::ffff:10.1.2.3]/", nil},
		{allowing, "https://[fd00:1::1]/", nil},
		{allowing, "https://10.2.2.3/", webhooks.ErrURLAddress},
		{allowing, "http://10.1.2.3/", webhooks.ErrURLScheme},
		{development, "http://127.0.0.1:8080/", nil},
		{development, "http://localhost/", nil},
		{development, "http://[::1]:8080/", nil},
		{development, "https://localhost/", nil},
		{development, "http://example.com/", webhooks.ErrURLScheme},
		{development, "http://10.0.0.1/", webhooks.ErrURLScheme},
		{development, "https://10.0.0.1/", webhooks.ErrURLAddress},
	} {
		if got := tc.targets.CheckURL(tc.url); got != tc.want {
			t.Errorf("%s: %v, want %v", tc.url, got, tc.want)
		}
	}
}

// Addresses that are not public are rejected, both in plain form and embedded in IPv6
// addresses.
func TestAddresses(t *testing.T) {
	t.Parallel()
	targets := webhooks.Targets{}
	for _, address := range []string{
		"0.0.0.0", "0.1.2.3", "127.0.0.1", "127.255.255.254", // this host
		"10.0.0.1", "172.16.0.1", "172.31.255.254", "192.168.0.1", // private
		"169.254.0.1", "169.254.169.254", "169.254.170.2", // link-local, and metadata of clouds
		"100.64.0.1", "100.100.100.200", "100.127.255.254", // shared, and metadata of Alibaba
		"192.0.0.192", "168.63.129.16", // metadata of Oracle and Azure
		"192.0.2.1", "198.18.0.1", "198.51.100.1", "203.0.113.1", "192.88.99.1", // documentation, tests, relays
		"224.0.0.1", "239.255.255.255", "240.0.0.1", "255.255.255.255", // multicast, reserved
		"::", "::1", "::127.0.0.1", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:169.254.169.254",
		"64:ff9b::10.0.0.1", "64:ff9b::169.254.169.254", "64:ff9b:1::10.0.0.1", // NAT64
		"2002:a00:1::", "2002:7f00:1::1", "2001:0:a00:1::1", // 6to4, Teredo
		"fe80::1", "fec0::1", "fc00::1", "fd00:ec2::254", "ff02::1", "100::1", "2001:db8::1", "3fff::1", "5f00::1", "4000::1",
	} {
		if err := targets.CheckAddress(netip.MustParseAddr(address)); err == nil {
			t.Errorf("%s is allowed", address)
		}
	}
	for _, address := range []string{"1.1.1.1", "8.8.8.8", "172.32.0.1", "100.128.0.1", "::ffff:8.8.8.8", "2606:4700::1111", "2a00:1450:4001::1"} {
		if err := targets.CheckAddress(netip.MustParseAddr(address)); err != nil {
			t.Errorf("%s: %v", address, err)
		}
	}
}

// nameServer answers every query for an address with the result of next.
func nameServer(t *testing.T, next func() netip.Addr) *net.Resolver {
	t.Helper()
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	go func() {
		for buf := make([]byte, 1500); ; {
			n, from, err := conn.ReadFrom(buf)
			if err != nil {
				return
			}
			var m dnsmessage.Message
			if err := m.Unpack(buf[:n]); err != nil {
				continue
			}
			m.Response, m.Additionals = true, nil
			if q := m.Questions[0]; q.Type == dnsmessage.TypeA {
				m.Answers = []dnsmessage.Resource{{
					Header: dnsmessage.ResourceHeader{Name: q.Name, Type: q.Type, Class: q.Class, TTL: 0},
					Body:   &dnsmessage.AResource{A: next().As4()},
				}}
			}
			if answer, err := m.Pack(); err == nil {
				_, _ = conn.WriteTo(answer, from)
			}
		}
	}()
	return &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "udp", conn.LocalAddr().String())
	}}
}

// If a name resolves to a private address from the second lookup on, no request goes to
// that address.
func TestRebinding(t *testing.T) {
	t.Parallel()
	var lookups atomic.Int32
	resolver := nameServer(t, func() netip.Addr {
		if lookups.Add(1) == 1 {
			return netip.MustParseAddr("127.0.0.1")
		}
		return netip.MustParseAddr("127.0.0.2")
	})
	var private atomic.Int32
	v := receive(t, func(_ int, w http.ResponseWriter, r *http.Request) { w.Header().Set("Connection", "close") })
	u, err := url.Parse(v.URL)
	if err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.2:"+u.Port())
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			private.Add(1)
			conn.Close()
		}
	}()
	b := setupWith(t, webhooks.SenderConfig{
		Targets:  webhooks.Targets{Allowed: []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}},
		Resolver: resolver,
	})
	made := b.hook(t, "https://example.com:"+u.Port()) // the name in the certificate of the receiver
	b.work(t, quick())
	b.write(t, "org.created", 5)
	await(t, "the private address is rejected", func() bool { return b.get(t, made.Webhook.ID).Failures > 2 })
	attempts, err := b.store.Attempts(context.Background(), b.account, made.Webhook.ID)
	if err != nil {
		t.Fatal(err)
	}
	if private.Load() != 0 || attempts[0].Failure != webhooks.FailedAddress || attempts[0].Status != 0 {
		t.Errorf("%d connections to the private address, %+v", private.Load(), attempts[0])
	}
	if got := v.positions(); !slices.Equal(got, []int64{1}) {
		t.Errorf("positions %v", got)
	}
}

// Each kind of failure is recorded as such.
func TestFailures(t *testing.T) {
	t.Parallel()
	plain, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { plain.Close() }) // after the subtests
	go func() {
		for {
			conn, err := plain.Accept()
			if err != nil {
				return
			}
			_, _ = conn.Read(make([]byte, 4096))
			_, _ = conn.Write([]byte("HTTP/1.1 204 No Content\r\n\r\n"))
			conn.Close()
		}
	}()
	for name, tc := range map[string]struct {
		url     string
		answer  func(http.ResponseWriter, *http.Request)
		failure webhooks.Failure
		status  int
	}{
		"refused":      {url: "https://" + unused(t), failure: webhooks.FailedConnection},
		"no TLS":       {url: "https://" + plain.Addr().String(), failure: webhooks.FailedTLS},
		"no such name": {url: "https://nowhere.invalid/", failure: webhooks.FailedName},
		"not allowed":  {url: "https://[::1]:1/", failure: webhooks.FailedAddress},
		"status 500":   {answer: func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusInternalServerError) }, failure: webhooks.FailedStatus, status: 500},
		"status 410":   {answer: func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusGone) }, failure: webhooks.FailedGone, status: 410},
		"redirect": {answer: func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "http://169.254.169.254/latest", http.StatusFound)
		}, failure: webhooks.FailedRedirect, status: 302},
		"hang":         {answer: func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }, failure: webhooks.FailedTimeout},
		"large header": {answer: func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("X", strings.Repeat("x", 80<<10)) }, failure: webhooks.FailedResponse},
		"large body":   {answer: func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(strings.Repeat("x", 8<<20))) }, status: 200},
		"endless body": {answer: func(w http.ResponseWriter, r *http.Request) {
			for r.Context().Err() == nil {
				_, _ = w.Write([]byte("x"))
				_ = http.NewResponseController(w).Flush()
				time.Sleep(10 * time.Millisecond) // the body trickles
			}
		}, status: 200},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := setupWith(t, webhooks.SenderConfig{Targets: local})
			if tc.answer != nil {
				v := receive(t, func(_ int, w http.ResponseWriter, r *http.Request) { tc.answer(w, r) })
				tc.url = v.URL
			}
			made := b.hook(t, tc.url)
			got, err := b.store.Test(context.Background(), b.call(), made.Webhook.ID, 2*time.Second)
			if err != nil || got.Failure != tc.failure || got.Status != tc.status {
				t.Errorf("%+v, %v", got, err)
			}
		})
	}
}

// Proxy settings in the environment are ignored, because a proxy could reach addresses that
// the server must not reach.
//
//nolint:paralleltest // it sets environment variables
func TestNoProxy(t *testing.T) {
	var asked atomic.Int32
	proxy, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer proxy.Close()
	go func() {
		for {
			conn, err := proxy.Accept()
			if err != nil {
				return
			}
			asked.Add(1)
			conn.Close()
		}
	}()
	for _, name := range []string{"HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy"} {
		t.Setenv(name, "http://"+proxy.Addr().String())
	}
	b := setup(t)
	made := b.hook(t, "https://nowhere.invalid/")
	got, err := b.store.Test(context.Background(), b.call(), made.Webhook.ID, 2*time.Second)
	if err != nil || got.Failure != webhooks.FailedName || asked.Load() != 0 {
		t.Errorf("%+v, %v, %d requests to the proxy", got, err, asked.Load())
	}
}
