package http_test

import (
	"fmt"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/dunglas/httpsfv"

	"orgd/internal/apikeys"
	"orgd/internal/dbtest"
	orgdhttp "orgd/internal/http"
	"orgd/internal/ratelimit"
)

func limited(t testing.TB, limits orgdhttp.Limits) *api {
	t.Helper()
	d := dbtest.New(t)
	return newAPIWith(t, d, func(c *orgdhttp.Config) { c.Limits = limits })
}

// rateLimit parses the fields RateLimit-Policy and RateLimit like any client (RFC 9651),
// and checks them against draft-ietf-httpapi-ratelimit-headers.
func rateLimit(t testing.TB, policy string, h http.Header) (quota, window, remaining, reset int64) {
	t.Helper()
	read := func(name string, params ...string) (values []int64) {
		list, err := httpsfv.UnmarshalList(h.Values(name))
		if err != nil || len(list) != 1 {
			t.Fatalf("%s %q: %v", name, h.Values(name), err)
		}
		item, ok := list[0].(httpsfv.Item)
		if !ok || item.Value != policy || len(item.Params.Names()) != len(params) {
			t.Fatalf("%s %q", name, h.Values(name))
		}
		for _, param := range params {
			value, _ := item.Params.Get(param)
			n, ok := value.(int64)
			if !ok || n < 0 {
				t.Fatalf("%s %q: %s is %v", name, h.Values(name), param, value)
			}
			values = append(values, n)
		}
		return values
	}
	limit, state := read("RateLimit-Policy", "q", "w"), read("RateLimit", "r", "t")
	return limit[0], limit[1], state[0], state[1]
}

func TestKeyRateLimit(t *testing.T) {
	t.Parallel()
	a := limited(t, orgdhttp.Limits{PerKey: ratelimit.Rate{PerSecond: 1, Burst: 5}})
	reader := a.Key(t, a.account, apikeys.OrgsRead)
	allowed := 0
	for {
		// Requests that fail for other reasons count too, and their answers have the
		// fields too.
		targets := []string{"/v1/orgs?limit=1", "/v1/orgs?limit=0", "/v1/orgs/org_1"}
		got := a.get(t, targets[allowed%len(targets)])
		quota, window, remaining, reset := rateLimit(t, "key", got.header)
		if quota != 5 || window != 5 || remaining > 4 || reset < 1 || reset > 5 {
			t.Fatalf("%v", got.header)
		}
		if got.status == http.StatusTooManyRequests {
			got.rejected(t, 429, "rate_limited")
			if after, err := strconv.Atoi(got.header.Get("Retry-After")); err != nil || int64(after) < reset || after > 60 || remaining != 0 {
				t.Errorf("%v", got.header)
			}
			break
		}
		if allowed++; allowed > 100 {
			t.Fatal("there is no limit")
		}
	}
	if allowed < 5 {
		t.Errorf("only %d requests were allowed", allowed)
	}
	other := a.doAs(t, http.MethodPost, "/v1/orgs", `{"orgName":"x"}`, "Authorization", "Bearer "+reader)
	other.rejected(t, 403, "insufficient_scope")
	if _, _, remaining, _ := rateLimit(t, "key", other.header); remaining != 4 {
		t.Errorf("another key: %v", other.header)
	}
	if got := a.call(t, http.MethodGet, "/livez"); got.header.Get("RateLimit") != "" {
		t.Errorf("a probe has a limit: %v", got.header)
	}
}

// A key may have its own rate. 0 means no limit and no RateLimit fields.
func TestKeyWithOwnRate(t *testing.T) {
	t.Parallel()
	a := limited(t, orgdhttp.Limits{PerKey: ratelimit.Rate{PerSecond: 1, Burst: 2}})
	own, none := a.Key(t, a.account), a.Key(t, a.account)
	a.rate(t, own, 1000)
	a.rate(t, none, 0)
	for range 50 {
		got := a.call(t, http.MethodGet, "/v1/orgs", "Authorization", "Bearer "+own)
		if quota, window, _, _ := rateLimit(t, "key", got.header); got.status != 200 || quota != 2000 || window != 2 {
			t.Fatalf("%d %v", got.status, got.header)
		}
		got = a.call(t, http.MethodGet, "/v1/orgs", "Authorization", "Bearer "+none)
		if got.status != 200 || got.header.Get("RateLimit") != "" || got.header.Get("RateLimit-Policy") != "" {
			t.Fatalf("%d %v", got.status, got.header)
		}
	}
}

// The keys of an account share the account's rate. The RateLimit fields describe the
// limit that has less left. Other accounts have their own rate.
func TestAccountRateLimit(t *testing.T) {
	t.Parallel()
	a := limited(t, orgdhttp.Limits{PerKey: ratelimit.Rate{PerSecond: 1, Burst: 6}, PerAccount: ratelimit.Rate{PerSecond: 1, Burst: 9}})
	second, third := a.Key(t, a.account), a.Key(t, a.account)
	as := func(key string) answer { return a.call(t, http.MethodGet, "/v1/orgs", "Authorization", "Bearer "+key) }
	for range 4 {
		got := as(a.key)
		if quota, _, _, _ := rateLimit(t, "key", got.header); got.status != 200 || quota != 6 {
			t.Fatalf("%d %v", got.status, got.header)
		}
	}
	for i := range 100 {
		got := as([]string{second, third}[i%2])
		if got.status == http.StatusTooManyRequests {
			quota, window, remaining, reset := rateLimit(t, "account", got.header)
			if p := got.rejected(t, 429, "rate_limited"); quota != 9 || window != 9 || remaining != 0 || reset < 1 || i < 4 || !strings.Contains(p.Detail, "account") {
				t.Errorf("after %d: %v %s", i, got.header, p.Detail)
			}
			break
		}
		if i == 99 {
			t.Fatal("there is no limit")
		}
	}
	if got := as(a.Key(t, a.Account(t))); got.status != 200 {
		t.Errorf("another account: %d", got.status)
	}
}

// Keys whose rate is above the account's rate share their own higher rate instead. A key
// without a limit is not limited by the account either.
func TestKeysFasterThanTheirAccount(t *testing.T) {
	t.Parallel()
	a := limited(t, orgdhttp.Limits{PerKey: ratelimit.Rate{PerSecond: 1, Burst: 2}, PerAccount: ratelimit.Rate{PerSecond: 1, Burst: 3}})
	one, two, none := a.Key(t, a.account), a.Key(t, a.account), a.Key(t, a.account)
	a.rate(t, one, 5)
	a.rate(t, two, 5)
	a.rate(t, none, 0)
	allowed, begun := 0, time.Now()
	for range 50 {
		for _, key := range []string{one, two} {
			if got := a.call(t, http.MethodGet, "/v1/orgs", "Authorization", "Bearer "+key); got.status == 200 {
				allowed++
			}
		}
		if got := a.call(t, http.MethodGet, "/v1/orgs", "Authorization", "Bearer "+none); got.status != 200 {
			t.Fatalf("%d %v", got.status, got.header)
		}
	}
	// A burst of 10, and 5 per second.
	if most := 10 + int(5*time.Since(begun).Seconds()) + 1; allowed < 10 || allowed > most {
		t.Errorf("%d requests were allowed, want 10 to %d", allowed, most)
	}
}

func (a *api) rate(t testing.TB, key string, perSecond int) {
	t.Helper()
	parsed, err := apikeys.ParseKey(key)
	if err != nil {
		t.Fatal(err)
	}
	digest := parsed.Digest()
	a.Exec(t, "UPDATE api_keys SET rate_limit = $1 WHERE digest = $2", perSecond, digest[:])
}

// counted counts the rejected requests by limit.
type counted struct {
	orgdhttp.Unobserved
	mu      sync.Mutex
	limited map[string]int
}

func (c *counted) ObserveLimited(limit string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.limited[limit]++
}

// forwarded sends a request with a key, like a proxy that forwards it for client.
func (a *api) forwarded(t testing.TB, key, client string) answer {
	t.Helper()
	return a.call(t, http.MethodGet, "/v1/orgs", "Authorization", "Bearer "+key, "X-Forwarded-For", client)
}

// A client that guesses keys is slowed down. Valid keys still work from the same address,
// whether cached or not.
func TestFailuresAreLimited(t *testing.T) {
	t.Parallel()
	d := dbtest.New(t)
	a := newAPIWith(t, d, func(c *orgdhttp.Config) {
		c.Auth = apikeys.NewVerifier(apikeys.NewRepository(d.Conns), 5*time.Minute, nil)
		c.Limits = orgdhttp.Limits{Failures: ratelimit.Rate{PerSecond: 1, Burst: 10}}
	})
	a.get(t, "/v1/orgs")
	exhaust := func(client string) {
		rejected := 0
		for {
			// The server trusts no proxy, so it ignores X-Forwarded-For.
			got := a.forwarded(t, apikeys.NewKey().Reveal(), client)
			if got.status == http.StatusTooManyRequests {
				got.rejected(t, 429, "rate_limited")
				if got.header.Get("WWW-Authenticate") != "" || got.header.Get("Retry-After") == "" {
					t.Errorf("%v", got.header)
				}
				break
			}
			got.rejected(t, 401, "invalid_api_key")
			if rejected++; rejected > 200 {
				t.Fatal("there is no limit")
			}
		}
		if rejected < 10 {
			t.Errorf("only %d requests got 401", rejected)
		}
	}
	exhaust("192.0.2.1")
	if got := a.get(t, "/v1/orgs"); got.status != 200 {
		t.Errorf("a known key: %d %s", got.status, got.body)
	}
	for range 10 {
		unseen := d.Key(t, a.account)
		if got := a.forwarded(t, unseen, "192.0.2.1"); got.status != 200 {
			t.Errorf("a key that the server has not seen: %d %s", got.status, got.body)
		}
	}
	if got := a.call(t, http.MethodGet, "/livez"); got.status != 200 {
		t.Errorf("a probe: %d", got.status)
	}
}

// Many clients that guess keys from one address do not block valid keys from that
// address, with or without a key cache.
func TestWrongKeysDoNotBlockValidKeys(t *testing.T) {
	t.Parallel()
	for name, ttl := range map[string]time.Duration{"cached": time.Minute, "not cached": 0} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := dbtest.New(t)
			a := newAPIWith(t, d, func(c *orgdhttp.Config) {
				c.Auth = apikeys.NewVerifier(apikeys.NewRepository(d.Conns), ttl, nil)
				c.Limits = orgdhttp.Limits{Failures: ratelimit.Rate{PerSecond: 1, Burst: 10}}
			})
			var keys []string
			for range 20 {
				keys = append(keys, d.Key(t, a.account))
			}
			var tried atomic.Int64
			var all sync.WaitGroup
			done := make(chan struct{})
			for range 8 {
				all.Go(func() {
					for {
						select {
						case <-done:
							return
						default:
						}
						if got := a.forwarded(t, apikeys.NewKey().Reveal(), "192.0.2.1"); got.status != 401 && got.status != 429 {
							t.Errorf("a wrong key: %d %s", got.status, got.body)
						}
						tried.Add(1)
					}
				})
			}
			for tried.Load() < 100 {
				time.Sleep(time.Millisecond)
			}
			for i, key := range keys {
				if got := a.forwarded(t, key, "192.0.2.1"); got.status != 200 {
					t.Errorf("key %d: %d %s", i, got.status, got.body)
				}
			}
			close(done)
			all.Wait()
		})
	}
}

// Behind trusted proxies, clients are counted by their own addresses. What a client
// itself writes into X-Forwarded-For is ignored.
func TestClientsBehindProxies(t *testing.T) {
	t.Parallel()
	_, loopback, _ := net.ParseCIDR("127.0.0.0/8")
	_, inner, _ := net.ParseCIDR("10.0.0.0/8")
	d := dbtest.New(t)
	a := newAPIWith(t, d, func(c *orgdhttp.Config) {
		c.Limits = orgdhttp.Limits{Failures: ratelimit.Rate{PerSecond: 1, Burst: 20}}
		c.Proxies = []*net.IPNet{loopback, inner}
	})
	exhaust := func(client func(i int) string) (rejected int) {
		for i := range 200 {
			if got := a.forwarded(t, "wrong", client(i)); got.status == http.StatusTooManyRequests {
				return rejected
			}
			rejected++
		}
		return rejected
	}
	for name, client := range map[string]func(int) string{
		"one client":                   func(int) string { return "192.0.2.1" },
		"through two proxies":          func(int) string { return "192.0.2.2, 10.1.2.3" },
		"one that forges the header":   func(i int) string { return fmt.Sprintf("198.51.100.%d, 192.0.2.3", i) },
		"one IPv6 network":             func(i int) string { return fmt.Sprintf("2001:db8::%x", i) },
		"one IPv4-mapped address":      func(int) string { return "::ffff:192.0.2.4" },
		"one address, many ports":      func(i int) string { return fmt.Sprintf("192.0.2.6:%d", 1024+i) },
		"one IPv6 address, many ports": func(i int) string { return fmt.Sprintf("[2001:db8:6::1]:%d, 10.1.1.1:443", 1024+i) },
		"one behind its own proxy":     func(i int) string { return fmt.Sprintf("10.9.9.%d, 192.0.2.5, 10.1.1.1", i) },
	} {
		if rejected := exhaust(client); rejected < 20 || rejected >= 200 {
			t.Errorf("%s: %d requests got 401", name, rejected)
		}
	}
	if rejected := exhaust(func(i int) string { return fmt.Sprintf("203.0.113.%d", i) }); rejected != 200 {
		t.Errorf("200 clients: %d requests got 401", rejected)
	}
}
