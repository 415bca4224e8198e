package http_test

import (
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"orgd/internal/apikeys"
	"orgd/internal/dbtest"
	orgdhttp "orgd/internal/http"
	"orgd/internal/ratelimit"
)

// apiKey is an API key object in an answer.
type apiKey struct {
	APIKeyID, Description, Hint, Key, CreatedAt, ExpiresAt, LastUsedAt, RevokedAt string
	CreatedByAPIKeyID                                                             string
	Scopes                                                                        []string
}

func (g answer) apiKey(t testing.TB, status int) apiKey {
	t.Helper()
	return read[apiKey](t, g, status)
}

// works reports whether the server accepts the key.
func (a *api) works(t testing.TB, key string) bool {
	t.Helper()
	return a.call(t, http.MethodGet, "/v1/api-keys", "Authorization", "Bearer "+key).status != http.StatusUnauthorized
}

const managing = `{"description":"  Sync ","scopes":["keys:manage","orgs:read"]}`

// Each key can read itself, whatever its scopes.
func TestCurrentKey(t *testing.T) {
	t.Parallel()
	a := newAPI(t)
	const current = "/v1/api-keys/current"
	for _, scope := range []apikeys.Scope{apikeys.OrgsRead, apikeys.ActAsUser, apikeys.KeysManage} {
		made := a.do(t, http.MethodPost, "/v1/api-keys", `{"description":"Own","scopes":["`+string(scope)+`"]}`).apiKey(t, 201)
		got := a.call(t, http.MethodGet, current, "Authorization", "Bearer "+made.Key).apiKey(t, 200)
		want := made
		want.Key = ""
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("a key with %s (-made +current):\n%s", scope, diff)
		}
		a.do(t, http.MethodPost, "/v1/api-keys/"+made.APIKeyID+"/revoke", "").apiKey(t, 200)
		a.call(t, http.MethodGet, current, "Authorization", "Bearer "+made.Key).rejected(t, http.StatusUnauthorized, "invalid_api_key")
	}
	a.get(t, current+"?a=b").rejected(t, http.StatusBadRequest, "unknown_parameter")
	for _, method := range []string{http.MethodPatch, http.MethodPost, http.MethodDelete} {
		got := a.do(t, method, current, `{"description":"Mine"}`)
		got.rejected(t, http.StatusMethodNotAllowed, "method_not_allowed")
		if allow := got.header.Get("Allow"); allow != "OPTIONS, GET, HEAD" {
			t.Errorf("%s: Allow %q", method, allow)
		}
	}
}

func TestKeyLifecycle(t *testing.T) {
	t.Parallel()
	a := newAPI(t)
	got := a.do(t, http.MethodPost, "/v1/api-keys", managing)
	made := got.apiKey(t, 201)
	path := "/v1/api-keys/" + made.APIKeyID
	if made.Description != "Sync" || made.ExpiresAt != "" || made.Key == "" || !strings.HasSuffix(made.Key, made.Hint[len(made.Hint)-4:]) ||
		!slices.Equal(made.Scopes, []string{"keys:manage", "orgs:read"}) || got.header.Get("Location") != publicURL+path {
		t.Fatalf("%+v %v", made, got.header)
	}
	if !a.works(t, made.Key) {
		t.Error("the new key does not work")
	}
	want := made
	want.Key = ""
	if read := a.get(t, path).apiKey(t, 200); !cmp.Equal(read, want) {
		t.Errorf("read %+v, want %+v", read, want)
	}
	changed := a.do(t, http.MethodPatch, path, `{"description":"Hourly","expiresAt":"2999-01-01T01:00:00.123456789+01:00"}`).apiKey(t, 200)
	if changed.Description != "Hourly" || changed.ExpiresAt != "2999-01-01T00:00:00.123456Z" || changed.Key != "" {
		t.Errorf("changed %+v", changed)
	}
	if same := a.do(t, http.MethodPatch, path, `{}`).apiKey(t, 200); !cmp.Equal(same, changed) {
		t.Errorf("changed by an empty PATCH: %+v", same)
	}
	if never := a.do(t, http.MethodPatch, path, `{"expiresAt":null}`).apiKey(t, 200); never.ExpiresAt != "" || never.Description != "Hourly" {
		t.Errorf("without expiry: %+v", never)
	}
	revoked := a.do(t, http.MethodPost, path+"/revoke", "").apiKey(t, 200)
	if revoked.RevokedAt == "" || a.works(t, made.Key) {
		t.Errorf("revoked %+v", revoked)
	}
	if again := a.do(t, http.MethodPost, path+"/revoke", "{}").apiKey(t, 200); !cmp.Equal(again, revoked) {
		t.Errorf("revoked again: %+v", again)
	}
	a.do(t, http.MethodPost, path+"/rotate", "").rejected(t, 409, "api_key_ended")
	for _, body := range []string{`{"expiresAt":null}`, `{"expiresAt":"2999-01-01T00:00:00Z"}`} {
		t.Run(body, func(t *testing.T) {
			a.do(t, http.MethodPatch, path, body).rejected(t, 409, "api_key_ended")
		})
	}
	if named := a.do(t, http.MethodPatch, path, `{"description":"gone"}`).apiKey(t, 200); named.Description != "gone" || named.RevokedAt != revoked.RevokedAt {
		t.Errorf("named %+v", named)
	}
	if strings.Contains(a.log.String(), made.Key) {
		t.Error("the key is in the log")
	}
}

func TestListKeys(t *testing.T) {
	t.Parallel()
	a := newAPI(t)
	a.Key(t, a.Account(t)) // a key of another account
	want := []string{}
	for range 4 {
		want = append([]string{a.do(t, http.MethodPost, "/v1/api-keys", managing).apiKey(t, 201).APIKeyID}, want...)
	}
	var seen []string
	for target, pages := "/v1/api-keys?limit=2", 1; ; pages++ {
		got := a.get(t, target)
		var page struct {
			HasMore bool
			Cursor  string
			APIKeys []apiKey
		}
		got.decode(t, &page)
		for _, k := range page.APIKeys {
			seen = append(seen, k.APIKeyID)
			if k.Key != "" {
				t.Errorf("the list contains a secret key: %s", got.body)
			}
		}
		next, more := strings.CutPrefix(got.header.Get("Link"), "<"+publicURL)
		if more != page.HasMore || more != (page.Cursor != "") || !more && pages != 3 {
			t.Fatalf("page %d: %s %v", pages, got.body, got.header)
		}
		if !more {
			break
		}
		target = strings.TrimSuffix(next, `>; rel="next"`)
	}
	if !slices.Equal(seen[:4], want) || len(seen) != 5 {
		t.Errorf("saw %v, want %v and the account's first", seen, want)
	}
	a.get(t, "/v1/api-keys?cursor=x").rejected(t, 400, "invalid_cursor")
	a.get(t, "/v1/api-keys?orgName=x").rejected(t, 400, "unknown_parameter")
}

// The new key has the scopes of the old one. The old key expires after the overlap.
func TestRotateKey(t *testing.T) {
	t.Parallel()
	a := newAPI(t)
	create := func(t *testing.T, extra string) apiKey {
		return a.do(t, http.MethodPost, "/v1/api-keys", strings.TrimSuffix(managing, "}")+extra+"}").apiKey(t, 201)
	}
	rotate := func(t *testing.T, k apiKey, body string) apiKey {
		return a.do(t, http.MethodPost, "/v1/api-keys/"+k.APIKeyID+"/rotate", body).apiKey(t, 201)
	}
	expiry := func(t *testing.T, k apiKey) time.Time {
		read := a.get(t, "/v1/api-keys/"+k.APIKeyID).apiKey(t, 200)
		at, err := time.Parse(time.RFC3339, read.ExpiresAt)
		if err != nil {
			t.Fatal(err)
		}
		return at
	}
	old := create(t, "")
	for body, overlap := range map[string]time.Duration{"": 24 * time.Hour, "{}": 24 * time.Hour, `{"overlapSeconds":3600}`: time.Hour, `{"overlapSeconds":2592000}`: 30 * 24 * time.Hour} {
		t.Run("body "+body, func(t *testing.T) {
			old := create(t, "")
			made := rotate(t, old, body)
			if made.APIKeyID == old.APIKeyID || made.Description != old.Description || !slices.Equal(made.Scopes, old.Scopes) || made.ExpiresAt != "" {
				t.Errorf("%s: made %+v", body, made)
			}
			if !a.works(t, made.Key) || !a.works(t, old.Key) {
				t.Errorf("%s: the old or the new key does not work", body)
			}
			created, _ := time.Parse(time.RFC3339, made.CreatedAt)
			if got := expiry(t, old).Sub(created); got < overlap || got > overlap+time.Minute {
				t.Errorf("%s: the old key expires after %s", body, got)
			}
		})
	}
	made := rotate(t, old, `{"overlapSeconds":0}`)
	if a.works(t, old.Key) || !a.works(t, made.Key) {
		t.Error("without overlap the old key works, or the new one does not")
	}
	// If the old key expires before the end of the overlap, its expiry does not change.
	// The new key has the lifetime that the old one was created with.
	mortal := create(t, `,"expiresAt":"2099-01-01T00:00:00Z"`)
	a.Exec(t, `UPDATE api_keys SET lifetime = interval '1 hour', expires_at = now() + interval '1 minute' WHERE id = $1`, mortal.APIKeyID)
	before := expiry(t, mortal)
	next := rotate(t, mortal, `{"overlapSeconds":3600}`)
	if after := expiry(t, mortal); !after.Equal(before) {
		t.Errorf("the rotation changed the expiry from %s to %s", before, after)
	}
	created, _ := time.Parse(time.RFC3339, next.CreatedAt)
	if life := expiry(t, next).Sub(created); life != time.Hour {
		t.Errorf("the new key has a lifetime of %s", life)
	}
	// The overlap limits only the replaced key. It does not affect the lifetime of the
	// next key.
	for range 2 {
		if again := rotate(t, made, ""); again.ExpiresAt != "" {
			t.Errorf("rotated again: %+v", again)
		}
	}
}

// A revoked key cannot change or create keys, even if a server still has it in its cache.
func TestCallerKeyIsCheckedAgain(t *testing.T) {
	t.Parallel()
	d := dbtest.New(t)
	a := newAPIWith(t, d, func(c *orgdhttp.Config) {
		c.Auth = apikeys.NewVerifier(apikeys.NewRepository(d.Conns), time.Hour, nil)
	})
	a.Key(t, a.account)
	made := a.do(t, http.MethodPost, "/v1/api-keys", managing).apiKey(t, 201)
	if !a.works(t, made.Key) {
		t.Fatal("the key does not work")
	}
	a.Exec(t, "UPDATE api_keys SET revoked_at = now() WHERE id = $1", made.APIKeyID)
	path := "/v1/api-keys/" + a.do(t, http.MethodPost, "/v1/api-keys", managing).apiKey(t, 201).APIKeyID
	for _, c := range []struct{ method, target, body string }{
		{http.MethodPost, "/v1/api-keys", managing},
		{http.MethodPost, path + "/rotate", ""},
		{http.MethodPost, path + "/revoke", ""},
		{http.MethodPatch, path, `{"expiresAt":"2999-01-01T00:00:00Z"}`},
		{http.MethodPatch, path, `{"description":"mine"}`},
	} {
		t.Run(c.method+" "+c.target, func(t *testing.T) {
			got := a.doAs(t, c.method, c.target, c.body, "Authorization", "Bearer "+made.Key)
			got.rejected(t, 401, "invalid_api_key")
			if challenge := got.header.Get("WWW-Authenticate"); !strings.Contains(challenge, "invalid_token") {
				t.Errorf("%s", challenge)
			}
		})
	}
	var keys int
	if err := a.Pool.QueryRow(context.Background(), "SELECT count(*) FROM api_keys").Scan(&keys); err != nil || keys != 4 {
		t.Errorf("%d keys, %v", keys, err)
	}
}

// A caller cannot give a key a scope that its own key lacks, or manage keys of another
// account.
func TestKeysCannotExceedCallerScopes(t *testing.T) {
	t.Parallel()
	a := newAPI(t)
	all := a.do(t, http.MethodPost, "/v1/api-keys", `{"description":"all","scopes":["orgs:read","orgs:write","members:write","keys:manage","act-as-user"]}`).apiKey(t, 201)
	manager := a.Key(t, a.account, apikeys.KeysManage, apikeys.OrgsRead)
	as := func(t *testing.T, key, method, target, body string) answer {
		return a.doAs(t, method, target, body, "Authorization", "Bearer "+key)
	}
	got := as(t, manager, http.MethodPost, "/v1/api-keys", `{"description":"more","scopes":["orgs:read","orgs:write"]}`)
	got.rejected(t, 403, "insufficient_scope")
	if challenge := got.header.Get("WWW-Authenticate"); !strings.HasSuffix(challenge, `scope="orgs:write"`) {
		t.Errorf("challenge %s", challenge)
	}
	as(t, manager, http.MethodPost, "/v1/api-keys/"+all.APIKeyID+"/rotate", "").rejected(t, 403, "insufficient_scope")
	as(t, manager, http.MethodPatch, "/v1/api-keys/"+all.APIKeyID, `{"expiresAt":"2999-01-01T00:00:00Z"}`).rejected(t, 403, "insufficient_scope")
	if !a.works(t, all.Key) || a.get(t, "/v1/api-keys/"+all.APIKeyID).apiKey(t, 200).ExpiresAt != "" {
		t.Error("a rejected call changed the key")
	}
	stranger := a.Key(t, a.Account(t))
	nothing := "/v1/api-keys/01a20000-0000-7000-8000-000000000000"
	for _, suffix := range []string{"", "/revoke", "/rotate"} {
		t.Run("other account "+suffix, func(t *testing.T) {
			method, body := http.MethodPost, ""
			if suffix == "" {
				method, body = http.MethodPatch, `{"description":"mine"}`
			}
			theirs := as(t, stranger, method, "/v1/api-keys/"+all.APIKeyID+suffix, body)
			none := as(t, stranger, method, nothing+suffix, body)
			theirs.rejected(t, 404, "not_found")
			if diff := cmp.Diff(withoutID(none), withoutID(theirs)); diff != "" {
				t.Errorf("%s: another account's key and an unknown one get different answers:\n%s", suffix, diff)
			}
		})
	}
	as(t, stranger, http.MethodGet, "/v1/api-keys/"+all.APIKeyID, "").rejected(t, 404, "not_found")
	if !a.works(t, all.Key) || a.get(t, "/v1/api-keys/"+all.APIKeyID).apiKey(t, 200).Description != "all" {
		t.Error("another account changed a key")
	}
	for _, id := range []string{strings.ToUpper(all.APIKeyID), strings.ReplaceAll(all.APIKeyID, "-", ""), all.APIKeyID + "0", "x", "..%2fx"} {
		t.Run(id, func(t *testing.T) {
			a.get(t, "/v1/api-keys/"+id).rejected(t, 404, "not_found")
		})
	}
}

// No call raises the number of an account's valid keys above the limit.
func TestKeyLimitPerAccount(t *testing.T) {
	t.Parallel()
	d := dbtest.New(t)
	a := newAPIWith(t, d, func(c *orgdhttp.Config) {
		c.Keys = apikeys.NewRepository(d.Conns).WithLimits(apikeys.Limits{KeysPerAccount: 3})
	})
	a.do(t, http.MethodPost, "/v1/api-keys", managing).apiKey(t, 201)
	last := "/v1/api-keys/" + a.do(t, http.MethodPost, "/v1/api-keys", managing).apiKey(t, 201).APIKeyID
	for _, target := range []string{"/v1/api-keys", last + "/rotate"} {
		t.Run(target, func(t *testing.T) {
			body := ""
			if target == "/v1/api-keys" {
				body = managing
			}
			got := a.do(t, http.MethodPost, target, body, "Idempotency-Key", "again")
			got.rejected(t, 409, "too_many_keys")
			if got.header.Get("X-Should-Retry") != "false" {
				t.Errorf("%s: %v", target, got.header)
			}
		})
	}
	a.do(t, http.MethodPost, last+"/rotate", `{"overlapSeconds":0}`).apiKey(t, 201)
	var page struct{ APIKeys []apiKey }
	a.get(t, "/v1/api-keys").decode(t, &page)
	a.do(t, http.MethodPost, "/v1/api-keys/"+page.APIKeys[0].APIKeyID+"/revoke", "").apiKey(t, 200)
	// The error is not stored under the idempotency key: the same call succeeds after a
	// key is revoked.
	a.do(t, http.MethodPost, "/v1/api-keys", managing, "Idempotency-Key", "again").apiKey(t, 201)
}

// A caller cannot create a key with a higher rate than its own, or extend the life of
// such a key.
func TestKeysCannotExceedCallerRate(t *testing.T) {
	t.Parallel()
	d := dbtest.New(t)
	a := newAPIWith(t, d, func(c *orgdhttp.Config) {
		c.Keys = apikeys.NewRepository(d.Conns).WithLimits(apikeys.Limits{RateLimit: 100})
		c.Limits = orgdhttp.Limits{PerKey: ratelimit.PerSecond(100)}
	})
	slow := a.Key(t, a.account)
	a.Exec(t, "UPDATE api_keys SET rate_limit = 20 WHERE digest = sha256($1::text::bytea)", slow)
	as := func(t *testing.T, method, target, body string) answer {
		return a.doAs(t, method, target, body, "Authorization", "Bearer "+slow)
	}
	fast := "/v1/api-keys/" + a.do(t, http.MethodPost, "/v1/api-keys", managing).apiKey(t, 201).APIKeyID
	for target, body := range map[string]string{"/v1/api-keys": managing, fast + "/rotate": ""} {
		t.Run(target, func(t *testing.T) {
			made := as(t, http.MethodPost, target, body).apiKey(t, 201)
			got := a.call(t, http.MethodGet, "/v1/orgs", "Authorization", "Bearer "+made.Key)
			if policy := got.header.Get("RateLimit-Policy"); !strings.HasPrefix(policy, `"key";q=40;`) {
				t.Errorf("%s: a key with 20 requests per second created one with %s", target, policy)
			}
		})
	}
	fast = "/v1/api-keys/" + a.do(t, http.MethodPost, "/v1/api-keys", strings.TrimSuffix(managing, "}")+`,"expiresAt":"2998-01-01T00:00:00Z"}`).apiKey(t, 201).APIKeyID
	as(t, http.MethodPatch, fast, `{"expiresAt":null}`).rejected(t, 403, "insufficient_rate_limit")
	as(t, http.MethodPatch, fast, `{"expiresAt":"2999-01-01T00:00:00Z"}`).rejected(t, 403, "insufficient_rate_limit")
	as(t, http.MethodPatch, fast, `{"description":"other"}`).apiKey(t, 200)
	a.do(t, http.MethodPatch, fast, `{"expiresAt":null}`).apiKey(t, 200)
}

func withoutID(g answer) string {
	var p map[string]any
	if err := json.Unmarshal(g.body, &p); err != nil {
		return err.Error()
	}
	delete(p, "requestId")
	body, _ := json.Marshal(p)
	return string(body)
}

// At least one valid key with keys:manage is left, even if all such keys are revoked
// concurrently.
func TestLastManagingKeyStays(t *testing.T) {
	t.Parallel()
	a := newAPI(t)
	first := a.get(t, "/v1/api-keys")
	var page struct{ APIKeys []apiKey }
	first.decode(t, &page)
	ids := []string{page.APIKeys[0].APIKeyID}
	a.do(t, http.MethodPost, "/v1/api-keys/"+ids[0]+"/revoke", "").rejected(t, 409, "last_managing_key")
	a.do(t, http.MethodPatch, "/v1/api-keys/"+ids[0], `{"expiresAt":"2999-01-01T00:00:00Z"}`).rejected(t, 409, "last_managing_key")
	a.do(t, http.MethodPatch, "/v1/api-keys/"+ids[0], `{"expiresAt":null,"description":"first"}`).apiKey(t, 200)
	// Expired keys and keys without the scope do not count.
	a.Key(t, a.account, apikeys.OrgsRead)
	expired := a.do(t, http.MethodPost, "/v1/api-keys", managing).apiKey(t, 201)
	a.Exec(t, `UPDATE api_keys SET expires_at = now() WHERE id = $1`, expired.APIKeyID)
	rejected := a.do(t, http.MethodPost, "/v1/api-keys/"+ids[0]+"/revoke", "", "Idempotency-Key", "last")
	rejected.rejected(t, 409, "last_managing_key")
	if rejected.header.Get("X-Should-Retry") != "false" {
		t.Errorf("%v", rejected.header)
	}
	keys := []string{a.key}
	for range 7 {
		made := a.do(t, http.MethodPost, "/v1/api-keys", managing).apiKey(t, 201)
		ids, keys = append(ids, made.APIKeyID), append(keys, made.Key)
	}
	replayed := a.do(t, http.MethodPost, "/v1/api-keys/"+ids[0]+"/revoke", "", "Idempotency-Key", "last")
	if replayed.rejected(t, 409, "last_managing_key"); replayed.header.Get("Idempotency-Replayed") != "true" {
		t.Errorf("%v", replayed.header)
	}
	var all sync.WaitGroup
	var revoked atomic.Int32
	for i, id := range ids {
		all.Go(func() {
			// Each key is revoked by the next one.
			got := a.doAs(t, http.MethodPost, "/v1/api-keys/"+id+"/revoke", "", "Authorization", "Bearer "+keys[(i+1)%len(keys)])
			if got.status == 200 {
				revoked.Add(1)
			}
			if got.status != 200 && got.status != 401 && got.status != 409 {
				t.Errorf("status %d: %s", got.status, got.body)
			}
		})
	}
	all.Wait()
	left := 0
	for _, key := range keys {
		if a.works(t, key) {
			left++
		}
	}
	if n := int(revoked.Load()); left < 1 || n < 1 || n+left != len(keys) {
		t.Errorf("%d of %d keys were revoked, %d valid keys are left", n, len(keys), left)
	}
}

// A repeated call with an idempotency key creates no second key, and its answer omits the
// secret key. The database does not store the secret either.
func TestRepeatedKeyCalls(t *testing.T) {
	t.Parallel()
	a := newAPI(t)
	first := a.do(t, http.MethodPost, "/v1/api-keys", managing, "Idempotency-Key", "k")
	made := first.apiKey(t, 201)
	again := a.do(t, http.MethodPost, "/v1/api-keys", managing, "Idempotency-Key", "k")
	repeated := again.apiKey(t, 201)
	if repeated.APIKeyID != made.APIKeyID || repeated.Key != "" || made.Key == "" || again.header.Get("Idempotency-Replayed") != "true" ||
		again.header.Get("Location") != first.header.Get("Location") {
		t.Errorf("%+v, again %+v %v", made, repeated, again.header)
	}
	a.do(t, http.MethodPost, "/v1/api-keys", `{"description":"x","scopes":["orgs:read"]}`, "Idempotency-Key", "k").rejected(t, 422, "idempotency_key_reused")
	another := a.doAs(t, http.MethodPost, "/v1/api-keys", managing, "Idempotency-Key", "k", "Authorization", "Bearer "+a.Key(t, a.account))
	another.rejected(t, 422, "idempotency_key_reused")
	path := "/v1/api-keys/" + made.APIKeyID
	next := a.do(t, http.MethodPost, path+"/rotate", "", "Idempotency-Key", "k").apiKey(t, 201)
	if repeated := a.do(t, http.MethodPost, path+"/rotate", "", "Idempotency-Key", "k").apiKey(t, 201); repeated.APIKeyID != next.APIKeyID || repeated.Key != "" {
		t.Errorf("rotated %+v, again %+v", next, repeated)
	}
	for _, key := range []string{made.Key, next.Key} {
		if kept := a.holds(t, key[5:35]); kept != "" {
			t.Errorf("the table %s contains a secret key", kept)
		}
	}
}

// holds returns the name of a table with a row that contains the text, or "".
func (a *api) holds(t testing.TB, text string) (table string) {
	t.Helper()
	for _, table := range []string{"api_keys", "idempotency_keys", "events"} {
		var found bool
		query := `SELECT EXISTS (SELECT FROM ` + table + ` AS r WHERE position($1 IN r::text) > 0 OR position(encode($1::bytea, 'hex') IN r::text) > 0)`
		if err := a.Pool.QueryRow(context.Background(), query, text).Scan(&found); err != nil {
			t.Fatal(err)
		}
		if found {
			return table
		}
	}
	return ""
}

func TestBadKeyFields(t *testing.T) {
	t.Parallel()
	a := newAPI(t)
	made := a.do(t, http.MethodPost, "/v1/api-keys", managing).apiKey(t, 201)
	path := "/v1/api-keys/" + made.APIKeyID
	for _, c := range []struct{ method, target, body, want string }{
		{"POST", "", `{}`, "description required, scopes required"},
		{"POST", "", `{"description":" ","scopes":[]}`, "description required, scopes required"},
		{"POST", "", `{"description":"\u200b","scopes":["orgs:read"]}`, "description invalid"},
		{"POST", "", `{"description":"x","scopes":null}`, "scopes wrong_type"},
		{"POST", "", `{"description":"x","scopes":"orgs:read"}`, "scopes wrong_type"},
		{"POST", "", `{"description":"x","scopes":["orgs:read","orgs:read"]}`, "scopes.1 repeated"},
		{"POST", "", `{"description":"x","scopes":["root",null,1]}`, "scopes wrong_type"},
		{"POST", "", `{"description":"x","scopes":["root",null]}`, "scopes.0 invalid, scopes.1 wrong_type"},
		{"POST", "", `{"description":"x\u0000","scopes":["orgs:read"],"key":"orgd_1"}`, "description invalid, key unknown"},
		{"POST", "", `{"description":"` + strings.Repeat("é", 256) + `","scopes":["orgs:read"]}`, "description too_long"},
		{"POST", "", `{"description":"x","scopes":["orgs:read"],"expiresAt":"2020-01-01T00:00:00Z"}`, "expiresAt out_of_range"},
		{"POST", "", `{"description":"x","scopes":["orgs:read"],"expiresAt":"0001-01-01T00:00:00Z"}`, "expiresAt out_of_range"},
		{"POST", "", `{"description":"x","scopes":["orgs:read"],"expiresAt":"9999-12-31T00:00:00Z"}`, "expiresAt out_of_range"},
		{"POST", "", `{"description":"x","scopes":["orgs:read"],"expiresAt":"tomorrow"}`, "expiresAt invalid"},
		{"POST", "", `{"description":"x","scopes":["orgs:read"],"expiresAt":"2999-01-01T00:00:00,5Z"}`, "expiresAt invalid"},
		{"POST", "", `{"description":"x","scopes":["orgs:read"],"expiresAt":null}`, "expiresAt wrong_type"},
		{"PATCH", path, `{"expiresAt":"2020-01-01T00:00:00Z"}`, "expiresAt out_of_range"},
		{"PATCH", path, `{"description":null,"scopes":["orgs:read"]}`, "description wrong_type, scopes unknown"},
		{"POST", path + "/rotate", `{"overlapSeconds":-1}`, "overlapSeconds out_of_range"},
		{"POST", path + "/rotate", `{"overlapSeconds":2592001}`, "overlapSeconds out_of_range"},
		{"POST", path + "/rotate", `{"overlapSeconds":0.5}`, "overlapSeconds out_of_range"},
		{"POST", path + "/rotate", `{"overlapSeconds":1e300}`, "overlapSeconds out_of_range"},
		{"POST", path + "/rotate", `{"overlapSeconds":"60"}`, "overlapSeconds wrong_type"},
		{"POST", path + "/revoke", `{"now":true}`, "now unknown"},
	} {
		t.Run(c.method+" "+c.body, func(t *testing.T) {
			target := c.target
			if target == "" {
				target = "/v1/api-keys"
			}
			p := a.do(t, c.method, target, c.body).rejected(t, 422, "invalid_field")
			var bad []string
			for _, e := range p.Errors {
				bad = append(bad, e.Field+" "+e.Code)
			}
			if got := joined(bad); got != c.want {
				t.Errorf("%s %s: %s, want %s", c.method, c.body, got, c.want)
			}
		})
	}
	if read := a.get(t, path).apiKey(t, 200); read.Description != "Sync" || read.ExpiresAt != "" {
		t.Errorf("a rejected call changed the key: %+v", read)
	}
}
