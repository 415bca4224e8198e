package http_test

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"
)

// Expiry times of keys, as values of expiresAt in JSON. In a creation, never means that
// the field is omitted.
const (
	never   = "null"
	sooner  = `"2090-01-01T00:00:00Z"`
	own     = `"2100-01-01T00:00:00Z"` // the caller's key expires then, unless it never expires
	later   = `"2110-01-01T00:00:00Z"`
	shortly = `"2080-01-01T00:00:00Z"`
)

// made creates a key that expires at end, with the account's first key, which never
// expires.
func (a *api) made(t testing.TB, end string) apiKey {
	t.Helper()
	return a.createWith(t, a.key, end).apiKey(t, 201)
}

func (a *api) createWith(t testing.TB, key, end string) answer {
	t.Helper()
	body := `{"description":"x","scopes":["keys:manage","orgs:read"]`
	if end != never {
		body += `,"expiresAt":` + end
	}
	return a.doAs(t, http.MethodPost, "/v1/api-keys", body+"}", "Authorization", "Bearer "+key)
}

func (a *api) moveEndWith(t testing.TB, key, id, end string) answer {
	t.Helper()
	return a.doAs(t, http.MethodPatch, "/v1/api-keys/"+id, `{"expiresAt":`+end+`}`, "Authorization", "Bearer "+key)
}

func (a *api) rotateWith(t testing.TB, key, id string) answer {
	t.Helper()
	return a.doAs(t, http.MethodPost, "/v1/api-keys/"+id+"/rotate", "", "Authorization", "Bearer "+key)
}

// endOf returns the expiry of a key as a JSON value, like the constants above.
func (k apiKey) endOf() string {
	if k.ExpiresAt == "" {
		return never
	}
	return `"` + k.ExpiresAt + `"`
}

// wantEnd checks the answer to a call that sets the expiry of a key: either the key
// expires at end, or the call was rejected because the key would outlive the caller's.
func wantEnd(t *testing.T, got answer, status int, rejected bool, end string) {
	t.Helper()
	if rejected {
		got.rejected(t, 403, "insufficient_lifetime")
		return
	}
	if k := got.apiKey(t, status); k.endOf() != end {
		t.Errorf("the key expires at %s, want %s", k.endOf(), end)
	}
}

// A key cannot create a key that outlives it, and cannot extend any key, itself included,
// beyond its own expiry.
func TestKeysCannotExceedCallerExpiry(t *testing.T) {
	t.Parallel()
	a := newAPI(t)
	for _, caller := range []string{never, own} {
		for _, end := range []string{never, sooner, own, later} {
			exceeds := caller == own && (end == never || end == later)
			name := "caller expires " + caller + ", wanted " + end
			t.Run("create, "+name, func(t *testing.T) {
				t.Parallel()
				wantEnd(t, a.createWith(t, a.made(t, caller).Key, end), 201, exceeds, end)
			})
			for _, before := range []string{never, shortly, later} {
				t.Run("extend another that expires "+before+", "+name, func(t *testing.T) {
					t.Parallel()
					other := a.made(t, before)
					// Setting the same expiry again changes nothing, so it is not
					// rejected.
					rejected := exceeds && before != end
					wantEnd(t, a.moveEndWith(t, a.made(t, caller).Key, other.APIKeyID, end), 200, rejected, end)
					if rejected {
						wantEnd(t, a.get(t, "/v1/api-keys/"+other.APIKeyID), 200, false, before)
					}
				})
			}
			t.Run("extend itself, "+name, func(t *testing.T) {
				t.Parallel()
				self := a.made(t, caller)
				wantEnd(t, a.moveEndWith(t, self.Key, self.APIKeyID, end), 200, exceeds, end)
			})
		}
	}
}

// The new key of a rotation has the lifetime that the old key was created with, but does
// not outlive the caller's key.
func TestRotationsCannotExceedCallerExpiry(t *testing.T) {
	t.Parallel()
	a := newAPI(t)
	end := func(t *testing.T, k apiKey) time.Time {
		t.Helper()
		at, err := time.Parse(time.RFC3339, k.ExpiresAt)
		if err != nil {
			t.Fatal(err)
		}
		return at
	}
	// lived creates a key with a lifetime of 50 years, of which 40 are left.
	lived := func(t *testing.T) apiKey {
		t.Helper()
		k := a.made(t, own)
		a.Exec(t, "UPDATE api_keys SET lifetime = interval '50 years', expires_at = now() + interval '40 years' WHERE id = $1", k.APIKeyID)
		return a.get(t, "/v1/api-keys/"+k.APIKeyID).apiKey(t, 200).with(k.Key)
	}
	t.Run("itself, with a lifetime", func(t *testing.T) {
		t.Parallel()
		k := lived(t)
		next := a.rotateWith(t, k.Key, k.APIKeyID).apiKey(t, 201)
		if !end(t, next).Equal(end(t, k)) {
			t.Errorf("the rotation extended the expiry from %s to %s", k.ExpiresAt, next.ExpiresAt)
		}
		// The replaced key expires after the overlap. It can no longer create a key that
		// outlives it.
		replaced := a.get(t, "/v1/api-keys/"+k.APIKeyID).apiKey(t, 200)
		again := a.rotateWith(t, k.Key, k.APIKeyID).apiKey(t, 201)
		if end(t, again).After(end(t, replaced)) {
			t.Errorf("the replaced key expires at %s, but created a key that expires at %s", replaced.ExpiresAt, again.ExpiresAt)
		}
		a.createWith(t, k.Key, k.endOf()).rejected(t, 403, "insufficient_lifetime")
	})
	t.Run("itself, without an expiry", func(t *testing.T) {
		t.Parallel()
		k := a.made(t, never)
		wantEnd(t, a.rotateWith(t, k.Key, k.APIKeyID), 201, false, never)
	})
	t.Run("itself, after an operator removed its expiry", func(t *testing.T) {
		t.Parallel()
		k := lived(t)
		a.Exec(t, "UPDATE api_keys SET expires_at = NULL WHERE id = $1", k.APIKeyID)
		next := a.rotateWith(t, k.Key, k.APIKeyID).apiKey(t, 201)
		created, _ := time.Parse(time.RFC3339, next.CreatedAt)
		if !end(t, next).Equal(created.AddDate(50, 0, 0)) {
			t.Errorf("created at %s, expires at %s, want 50 years", next.CreatedAt, next.ExpiresAt)
		}
	})
	for _, caller := range []string{never, own} {
		for _, target := range []string{never, sooner, later} {
			t.Run("another that expires "+target+", by a key that expires "+caller, func(t *testing.T) {
				t.Parallel()
				by, other := a.made(t, caller), a.made(t, target)
				got := a.rotateWith(t, by.Key, other.APIKeyID)
				if caller == own && target != sooner {
					got.rejected(t, 403, "insufficient_lifetime")
					wantEnd(t, a.get(t, "/v1/api-keys/"+other.APIKeyID), 200, false, target)
					return
				}
				next := got.apiKey(t, 201)
				if (next.ExpiresAt == "") != (target == never) || next.CreatedByAPIKeyID != by.APIKeyID {
					t.Errorf("the new key is %+v", next)
				}
			})
		}
	}
}

func (k apiKey) with(key string) apiKey {
	k.Key = key
	return k
}

// After a rotation, the expiry of the replaced key cannot be changed.
func TestExpiryOfARotatedKeyStays(t *testing.T) {
	t.Parallel()
	a := newAPI(t)
	old := a.made(t, never)
	next := a.rotateWith(t, a.key, old.APIKeyID).apiKey(t, 201)
	path := "/v1/api-keys/" + old.APIKeyID
	end := a.get(t, path).apiKey(t, 200).endOf()
	for name, key := range map[string]string{"the account's first": a.key, "itself": old.Key, "its replacement": next.Key} {
		for _, wanted := range []string{never, later, `"` + time.Now().Add(time.Hour).UTC().Format(time.RFC3339) + `"`} {
			t.Run("by "+name+" to "+wanted, func(t *testing.T) {
				got := a.moveEndWith(t, key, old.APIKeyID, wanted)
				got.rejected(t, 409, "api_key_rotated")
				if got.header.Get("X-Should-Retry") != "false" {
					t.Errorf("%v", got.header)
				}
			})
		}
		t.Run("by "+name+" to the same expiry", func(t *testing.T) {
			wantEnd(t, a.moveEndWith(t, key, old.APIKeyID, end), 200, false, end)
		})
	}
	rejected := func() answer {
		return a.do(t, http.MethodPatch, path, `{"expiresAt":null}`, "Idempotency-Key", "k")
	}
	rejected().rejected(t, 409, "api_key_rotated")
	if again := rejected(); again.header.Get("Idempotency-Replayed") != "true" {
		t.Errorf("the repeat has the headers %v", again.header)
	}
	if named := a.do(t, http.MethodPatch, path, `{"description":"old"}`).apiKey(t, 200); named.Description != "old" || named.endOf() != end {
		t.Errorf("after the change of the description: %+v", named)
	}
	// Another rotation cannot make the replaced key expire later.
	a.do(t, http.MethodPost, path+"/rotate", `{"overlapSeconds":2592000}`).apiKey(t, 201)
	wantEnd(t, a.get(t, path), 200, false, end)
	a.do(t, http.MethodPost, path+"/revoke", "").apiKey(t, 200)
	a.moveEndWith(t, a.key, old.APIKeyID, never).rejected(t, 409, "api_key_ended")
}

// keyEvent is an event about a key in the audit trail.
type keyEvent struct {
	Type, Before, After string
	Actor               *string
	User                *string
	RequestID           string
}

func (a *api) keyEvents(t *testing.T, id string) []keyEvent {
	t.Helper()
	rows, err := a.Pool.Query(context.Background(), `
SELECT type, before::text, after::text, actor_api_key_id::text, actor_user_id, request_id
FROM events WHERE account_id = $1 AND api_key_id = $2 AND org_id IS NULL AND user_id IS NULL ORDER BY id`, a.account, id)
	if err != nil {
		t.Fatal(err)
	}
	found, err := pgx.CollectRows(rows, pgx.RowToStructByPos[keyEvent])
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// Each change of a key writes one event with the actor. A call that changes nothing
// writes none.
func TestEachChangeOfAKeyIsAudited(t *testing.T) {
	t.Parallel()
	a := newAPI(t)
	self := a.made(t, never)
	user := "auth0|1"
	var requests []string
	change := func(method, target, body string, status int) apiKey {
		t.Helper()
		got := a.doAs(t, method, target, body, "Authorization", "Bearer "+a.actor(t, self), "Orgd-User", user)
		requests = append(requests, got.header.Get("X-Request-Id"))
		return got.apiKey(t, status)
	}
	made := change("POST", "/v1/api-keys", `{"description":"CI","scopes":["orgs:read"],"expiresAt":`+own+`}`, 201)
	path := "/v1/api-keys/" + made.APIKeyID
	change("PATCH", path, `{"description":"CI"}`, 200)
	change("PATCH", path, `{}`, 200)
	change("PATCH", path, `{"expiresAt":`+own+`}`, 200)
	change("PATCH", path, `{"description":"Nightly","expiresAt":null}`, 200)
	next := change("POST", path+"/rotate", `{"overlapSeconds":60}`, 201)
	ending := a.get(t, path).apiKey(t, 200)
	revoked := change("POST", path+"/revoke", "", 200)
	change("POST", path+"/revoke", "", 200)
	// Rejected and repeated calls write no event.
	a.do(t, "PATCH", path, `{"expiresAt":null}`).rejected(t, 409, "api_key_ended")
	for range 2 {
		a.do(t, "PATCH", path, `{"description":"Gone"}`, "Idempotency-Key", "k").apiKey(t, 200)
	}
	if made.CreatedByAPIKeyID != self.APIKeyID || next.CreatedByAPIKeyID != self.APIKeyID || revoked.CreatedByAPIKeyID != self.APIKeyID {
		t.Errorf("the keys were created by %s and %s, want %s", made.CreatedByAPIKeyID, next.CreatedByAPIKeyID, self.APIKeyID)
	}
	by := func(request int, kind, before, after string) keyEvent {
		return keyEvent{kind, before, after, &self.APIKeyID, &user, requests[request]}
	}
	got := a.keyEvents(t, made.APIKeyID)
	first := a.keyEvents(t, self.APIKeyID)[0].Actor // the id of the account's first key
	want := []keyEvent{
		by(0, "api_key.created", `{}`, `{"hint": "`+made.Hint+`", "scopes": ["orgs:read"], "expiresAt": `+own+`, "description": "CI"}`),
		by(4, "api_key.updated", `{"expiresAt": `+own+`, "description": "CI"}`, `{"expiresAt": null, "description": "Nightly"}`),
		by(5, "api_key.rotated", `{"expiresAt": null}`, `{"expiresAt": "`+ending.ExpiresAt+`"}`),
		by(6, "api_key.revoked", `{"revokedAt": null}`, `{"revokedAt": "`+revoked.RevokedAt+`"}`),
		{"api_key.updated", `{"description": "Nightly"}`, `{"description": "Gone"}`, first, nil, ""},
	}
	got[len(got)-1].RequestID = ""
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("events (-want +got):\n%s", diff)
	}
	replacement := []keyEvent{by(5, "api_key.created", `{}`, `{"hint": "`+next.Hint+`", "scopes": ["orgs:read"], "description": "Nightly"}`)}
	if diff := cmp.Diff(replacement, a.keyEvents(t, next.APIKeyID)); diff != "" {
		t.Errorf("events of the replacement (-want +got):\n%s", diff)
	}
	// An operator created the account's first key.
	operators := a.keyEvents(t, *first)
	if len(operators) != 1 || operators[0].Actor != nil || operators[0].User != nil || !strings.HasPrefix(operators[0].RequestID, "operator-") {
		t.Errorf("events of the first key: %+v", operators)
	}
	if found := a.get(t, "/v1/api-keys/"+*first).apiKey(t, 200); found.CreatedByAPIKeyID != "" {
		t.Errorf("the first key is %+v, want no creator", found)
	}
	// Using a key writes no event.
	a.works(t, self.Key)
	if events := a.keyEvents(t, self.APIKeyID); len(events) != 1 {
		t.Errorf("after the use of a key, the events are %+v", events)
	}
}

// actor gives a key the scopes that these tests need and returns the key.
func (a *api) actor(t *testing.T, k apiKey) string {
	t.Helper()
	a.Exec(t, "UPDATE api_keys SET scopes = '{keys:manage,orgs:read,act-as-user}' WHERE id = $1", k.APIKeyID)
	return k.Key
}
