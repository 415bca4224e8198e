package http_test

import (
	"net/http"
	"strings"
	"testing"

	"orgd/internal/apikeys"
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
		"missing right": {[]string{"Bearer " + writeOnly}, 403, "insufficient_scope", challenge + `, error="insufficient_scope", scope="orgs:read"`},
	} {
		t.Run(name, func(t *testing.T) {
			var headers []string
			for _, h := range c.headers {
				headers = append(headers, "Authorization", h)
			}
			got := a.call(t, http.MethodGet, "/v1/orgs", headers...)
			got.refused(t, c.status, c.code)
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

// Only a key with the scope act-as-user may name a user.
func TestActingUserNeedsItsScope(t *testing.T) {
	t.Parallel()
	a := newAPI(t)
	const user = "usr_00000000000000000000000000000001"
	reader := a.Key(t, a.account, apikeys.OrgsRead)
	got := a.call(t, http.MethodGet, "/v1/orgs", "Authorization", "Bearer "+reader, "Orgd-User", user)
	got.refused(t, 403, "insufficient_scope")
	if h := got.header.Get("WWW-Authenticate"); h != challenge+`, error="insufficient_scope", scope="act-as-user"` {
		t.Errorf("WWW-Authenticate %q", h)
	}
	dashboard := a.Key(t, a.account, apikeys.OrgsRead, apikeys.ActAsUser)
	if got := a.call(t, http.MethodGet, "/v1/orgs", "Authorization", "Bearer "+dashboard, "Orgd-User", user); got.status != 200 {
		t.Errorf("with the scope: %d %s", got.status, got.body)
	}
}

// The answer does not say why a key is invalid.
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
	var want answer
	for i, key := range []string{apikeys.NewKey().Reveal(), "malformed", a.key[:len(a.key)-1] + "!", expired, revoked} {
		got := a.call(t, http.MethodGet, "/v1/orgs", "Authorization", "Bearer "+key, "X-Request-Id", "same")
		got.header.Del("Date")
		if i == 0 {
			want = got
		}
		if got.status != 401 || string(got.body) != string(want.body) || len(got.header) != len(want.header) {
			t.Errorf("key %d: %d %s %v, want %s %v", i, got.status, got.body, got.header, want.body, want.header)
		}
		for name := range want.header {
			if joined(got.header[name]) != joined(want.header[name]) {
				t.Errorf("key %d: %s %q, want %q", i, name, got.header[name], want.header[name])
			}
		}
	}
}

// Every route that needs a key rejects a request without one, and a key without its
// scope.
func TestEveryRouteRequiresAKey(t *testing.T) {
	t.Parallel()
	a := newAPI(t)
	noRight := a.Key(t, a.account, apikeys.ActAsUser)
	guarded := 0
	for _, r := range a.server.Routes() {
		if r.Scope == "" {
			continue
		}
		guarded++
		served := []string{r.Method}
		if r.Method == http.MethodGet {
			served = append(served, http.MethodHead)
		}
		for _, method := range served {
			if got := a.call(t, method, r.Path); got.status != 401 {
				t.Errorf("%s %s without a key: %d", method, r.Path, got.status)
			}
			if got := a.call(t, method, r.Path, "Authorization", "Bearer "+noRight); got.status != 403 {
				t.Errorf("%s %s without the right: %d", method, r.Path, got.status)
			}
		}
	}
	if guarded == 0 {
		t.Error("no route needs a key")
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
