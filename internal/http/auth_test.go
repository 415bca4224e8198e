package http_test

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"orgd/internal/apikeys"
	"orgd/internal/dbtest"
	orgdhttp "orgd/internal/http"
)

const challenge = `Bearer realm="orgd"`

func TestCredentials(t *testing.T) {
	t.Parallel()
	a := newAPI(t)
	writeOnly := a.Key(t, a.account, apikeys.OrgsWrite)
	for name, c := range map[string]struct {
		headers   []string
		status    int
		code      string
		challenge string
	}{
		"none":          {nil, 401, "missing_credentials", challenge},
		"empty":         {[]string{""}, 401, "missing_credentials", challenge},
		"basic":         {[]string{"Basic dTpw"}, 401, "missing_credentials", challenge},
		"bare key":      {[]string{a.key}, 401, "missing_credentials", challenge},
		"bearerx":       {[]string{"Bearerx " + a.key}, 401, "missing_credentials", challenge},
		"two":           {[]string{"Bearer " + a.key, "Bearer " + a.key}, 400, "invalid_authorization", challenge + `, error="invalid_request"`},
		"two schemes":   {[]string{"Basic dTpw", "Bearer " + a.key}, 400, "invalid_authorization", challenge + `, error="invalid_request"`},
		"no token":      {[]string{"Bearer"}, 400, "invalid_authorization", challenge + `, error="invalid_request"`},
		"spaces":        {[]string{"Bearer a b"}, 400, "invalid_authorization", challenge + `, error="invalid_request"`},
		"tab":           {[]string{"Bearer a\tb"}, 400, "invalid_authorization", challenge + `, error="invalid_request"`},
		"junk":          {[]string{"Bearer junk"}, 401, "invalid_api_key", challenge + `, error="invalid_token"`},
		"list":          {[]string{"Bearer " + a.key + "," + a.key}, 401, "invalid_api_key", challenge + `, error="invalid_token"`},
		"missing scope": {[]string{"Bearer " + writeOnly}, 403, "insufficient_scope", challenge + `, error="insufficient_scope", scope="orgs:read"`},
	} {
		t.Run(name, func(t *testing.T) {
			var headers []string
			for _, h := range c.headers {
				headers = append(headers, "Authorization", h)
			}
			got := a.call(t, http.MethodGet, "/v1/orgs", headers...)
			got.rejected(t, c.status, c.code)
			if h := joined(got.header.Values("WWW-Authenticate")); h != c.challenge {
				t.Errorf("%s: WWW-Authenticate %q, want %q", name, h, c.challenge)
			}
		})
	}
	for _, scheme := range []string{"bearer ", "BEARER ", "Bearer  "} {
		if got := a.call(t, http.MethodGet, "/v1/orgs", "Authorization", scheme+a.key); got.status != http.StatusOK {
			t.Errorf("%q: %d", scheme, got.status)
		}
	}
}

// Only a key with the scope act-as-user may name an acting user.
func TestActingUserNeedsItsScope(t *testing.T) {
	t.Parallel()
	a := newAPI(t)
	const user = userOne
	reader := a.Key(t, a.account, apikeys.OrgsRead)
	got := a.call(t, http.MethodGet, "/v1/orgs", "Authorization", "Bearer "+reader, "Orgd-User", user)
	got.rejected(t, 403, "insufficient_scope")
	if h := got.header.Get("WWW-Authenticate"); h != challenge+`, error="insufficient_scope", scope="act-as-user"` {
		t.Errorf("WWW-Authenticate %q", h)
	}
	dashboard := a.Key(t, a.account, apikeys.OrgsRead, apikeys.ActAsUser)
	if got := a.call(t, http.MethodGet, "/v1/orgs", "Authorization", "Bearer "+dashboard, "Orgd-User", user); got.status != 200 {
		t.Errorf("with the scope: %d %s", got.status, got.body)
	}
}

// All invalid keys get the same answer, which does not say why the key is invalid.
func TestInvalidKeysGetTheSameAnswer(t *testing.T) {
	t.Parallel()
	a := newAPI(t)
	expired, revoked := a.Key(t, a.account), a.Key(t, a.account)
	for key, change := range map[string]string{expired: "expires_at = now()", revoked: "revoked_at = now()"} {
		parsed, err := apikeys.ParseKey(key)
		if err != nil {
			t.Fatal(err)
		}
		digest := parsed.Digest()
		a.Exec(t, "UPDATE api_keys SET "+change+" WHERE digest = $1", digest[:])
	}
	with := func(t *testing.T, key string) answer {
		got := a.call(t, http.MethodGet, "/v1/orgs", "Authorization", "Bearer "+key, "X-Request-Id", "same")
		got.header.Del("Date")
		return got
	}
	want := with(t, apikeys.NewKey().Reveal())
	want.rejected(t, 401, "invalid_api_key")
	for name, key := range map[string]string{"malformed": "malformed", "wrong character": a.key[:len(a.key)-1] + "!", "expired": expired, "revoked": revoked} {
		t.Run(name, func(t *testing.T) {
			got := with(t, key)
			if got.status != 401 || string(got.body) != string(want.body) || len(got.header) != len(want.header) {
				t.Errorf("%d %s %v, want %s %v", got.status, got.body, got.header, want.body, want.header)
			}
			for name := range want.header {
				if joined(got.header[name]) != joined(want.header[name]) {
					t.Errorf("%s %q, want %q", name, got.header[name], want.header[name])
				}
			}
		})
	}
}

func TestKeysAreNotLogged(t *testing.T) {
	t.Parallel()
	a := newAPI(t)
	a.get(t, "/v1/orgs")
	a.get(t, "/v1/orgs?api_key="+a.key)
	a.call(t, http.MethodGet, "/v1/orgs", "Authorization", "Bearer "+a.key+"x")
	a.call(t, http.MethodGet, "/v1/orgs", "Authorization", a.key)
	if log := a.log.String(); strings.Contains(log, a.key[:20]) {
		t.Errorf("a key is in the log: %s", log)
	}
}

type fakeAuthenticator struct{ err error }

func (f fakeAuthenticator) Authenticate(context.Context, string) (apikeys.Principal, error) {
	return apikeys.Principal{}, f.err
}

// If the key store is unavailable, the key may be valid, so the answer is 503 and not
// 401.
func TestUnavailableKeyStore(t *testing.T) {
	t.Parallel()
	a := newAPIWith(t, dbtest.New(t), func(cfg *orgdhttp.Config) {
		cfg.Auth = fakeAuthenticator{fmt.Errorf("authenticate: %w", apikeys.ErrUnavailable)}
	})
	got := a.get(t, "/v1/orgs")
	got.rejected(t, http.StatusServiceUnavailable, "unavailable")
	if h := got.header.Get("WWW-Authenticate"); h != "" {
		t.Errorf("WWW-Authenticate %q", h)
	}
}

// A key in the wrong place of a request is neither logged nor returned.
func TestKeysInTheWrongPlace(t *testing.T) {
	t.Parallel()
	a := newAPI(t)
	secret := a.Key(t, a.account)
	for _, target := range []string{
		"/v1/orgs?api_key=" + secret, "/v1/orgs?" + secret + "=1", "/v1/orgs?access_token=" + secret, "/v1/orgs?orgName=" + secret, "/v1/orgs?metadata[key]=" + secret, "/v1/orgs/" + secret[:38], "/orgd%255f" + secret[5:],
		"/v1/orgs/" + secret, "/" + secret, "/v1/orgs?cursor=" + secret,
	} {
		t.Run(target, func(t *testing.T) {
			got := a.get(t, target)
			if got.status < 400 || strings.Contains(string(got.body), secret) {
				t.Errorf("%s: %d %s", target, got.status, got.body)
			}
			without := a.call(t, http.MethodGet, target)
			if strings.HasPrefix(target, "/v1/orgs") {
				without.rejected(t, 401, "missing_credentials")
			}
		})
	}
	for _, body := range []string{`{"` + secret + `":1}`, `{"orgName":"x","` + secret + `":1,"` + secret + `":2}`, secret} {
		if got := a.do(t, http.MethodPost, "/v1/orgs", body); got.status < 400 || strings.Contains(string(got.body), secret) {
			t.Errorf("%s: %d %s", body, got.status, got.body)
		}
	}
	const org, key = "/v1/orgs/org_00000000000000000000000000000001", "/v1/api-keys/00000000-0000-0000-0000-000000000001"
	for _, target := range []string{"/v1/orgs", org + "/users", "/v1/api-keys", org, key} {
		t.Run("GET "+target, func(t *testing.T) {
			a.get(t, target+"?x="+secret).rejected(t, 400, "invalid_parameter")
		})
	}
	for _, target := range []string{"/v1/orgs", org + "/deactivate", org + "/users", "/v1/api-keys", key + "/revoke"} {
		t.Run("POST "+target, func(t *testing.T) {
			a.do(t, http.MethodPost, target+"?x="+secret, "{}").rejected(t, 400, "invalid_parameter")
		})
	}
	got := a.get(t, "/v1/orgs", "X-Request-Id", secret)
	if got.header.Get("X-Request-Id") == secret {
		t.Error("a key became a request id")
	}
	a.call(t, http.MethodGet, "/v1/orgs", "Authorization", "Basic "+secret).rejected(t, 401, "missing_credentials")
	a.call(t, http.MethodGet, "/v1/orgs", "Authorization", "Bearer "+secret+" x").rejected(t, 400, "invalid_authorization")
	a.awaitLog(t, "invalid_authorization")
	if log := a.log.String(); strings.Contains(log, secret[5:30]) {
		t.Errorf("a key is in the log: %s", log)
	}
}
