package http_test

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
)

// Every POST and PATCH with an idempotency key runs once. A repeat gets the first answer,
// byte for byte.
func TestKeyedCallsAreReplayed(t *testing.T) {
	t.Parallel()
	a := newAPI(t)
	path := a.create(t, "Acme")
	for _, call := range []struct {
		method, target, body string
		status               int
	}{
		{http.MethodPost, "/v1/orgs", `{"orgName":"New"}`, 201},
		{http.MethodPatch, path, `{"orgName":"Acme 2"}`, 200},
		{http.MethodPost, path + "/users", member(userOne), 200},
		{http.MethodPost, path + "/deactivate", "", 200},
		{http.MethodPost, path + "/users", member(userTwo), 409},
		{http.MethodPost, path + "/reactivate", "{}", 200},
		{http.MethodPatch, "/v1/orgs/org_00000000000000000000000000000000", `{}`, 404},
	} {
		t.Run(call.method+" "+call.target+" "+call.body, func(t *testing.T) {
			key := "key-" + call.target + call.body
			key = strings.Map(func(r rune) rune {
				if r == '"' {
					return '\''
				}
				return r
			}, key)
			first := a.do(t, call.method, call.target, call.body, "Idempotency-Key", `"`+key+`"`, "X-Request-Id", "same")
			if first.status != call.status || first.header.Get("Idempotency-Replayed") != "" {
				t.Errorf("%s %s: %d %s", call.method, call.target, first.status, first.body)
			}
			a.do(t, http.MethodPatch, path, `{"metadata":{"meanwhile":"`+first.header.Get("Date")+call.method+`"}}`)
			// A key is the same with and without quotes.
			for _, spelling := range []string{`"` + key + `"`, key} {
				if strings.Contains(key, " ") && spelling == key {
					continue
				}
				again := a.do(t, call.method, call.target, call.body, "Idempotency-Key", spelling, "X-Request-Id", "same")
				if again.status != first.status || string(again.body) != string(first.body) {
					t.Errorf("%s %s again: %d %s\nfirst: %d %s", call.method, call.target, again.status, again.body, first.status, first.body)
				}
				if replayed := again.header.Get("Idempotency-Replayed"); replayed != "true" {
					t.Errorf("%s %s again: Idempotency-Replayed %q", call.method, call.target, replayed)
				}
				for _, name := range []string{"ETag", "Location", "Content-Type", "X-Should-Retry"} {
					if again.header.Get(name) != first.header.Get(name) {
						t.Errorf("%s %s again: %s %q, first %q", call.method, call.target, name, again.header.Get(name), first.header.Get(name))
					}
				}
			}
		})
	}
	if page := a.get(t, "/v1/orgs").page(t); len(page.Organizations) != 2 {
		t.Errorf("%d organizations", len(page.Organizations))
	}
}

func TestKeyReusedForAnotherCall(t *testing.T) {
	t.Parallel()
	a := newAPI(t)
	one, two := a.create(t, "One"), a.create(t, "Two")
	key := []string{"Idempotency-Key", "k"}
	a.do(t, http.MethodPatch, one, `{"orgName":"One 2"}`, key...).organization(t, 200)
	a.do(t, http.MethodPatch, one, `{"orgName":"One 3"}`, key...).rejected(t, 422, "idempotency_key_reused")
	a.do(t, http.MethodPatch, two, `{"orgName":"One 2"}`, key...).rejected(t, 422, "idempotency_key_reused")
	a.do(t, http.MethodPatch, one, `{"orgName":"One 2"}`, append(key, "Orgd-User", userOne)...).rejected(t, 422, "idempotency_key_reused")
	// The same call, written differently.
	again := a.do(t, http.MethodPatch, one, ` { "orgName" : "\u004fne 2" } `, key...)
	if again.organization(t, 200); again.header.Get("Idempotency-Replayed") != "true" {
		t.Error("the same call with other white space is not a repeat")
	}
	// Each route has its own keys, so the same text on another route is a new key.
	if got := a.do(t, http.MethodPost, "/v1/orgs", `{"orgName":"New"}`, key...); got.status != 201 || got.header.Get("Idempotency-Replayed") != "" {
		t.Errorf("on another route: %d %s", got.status, got.body)
	}
}

// A call that is rejected before it runs stores no result, so its key can still be used.
func TestKeyOfARejectedCallStaysFree(t *testing.T) {
	t.Parallel()
	a := newAPI(t)
	a.do(t, http.MethodPost, "/v1/orgs", `{"orgName":""}`, "Idempotency-Key", "k").rejected(t, 422, "invalid_field")
	a.do(t, http.MethodPost, "/v1/orgs", `{`, "Idempotency-Key", "k").rejected(t, 400, "invalid_body")
	a.do(t, http.MethodPost, "/v1/orgs", `{"orgName":"A"}`, "Idempotency-Key", "k").organization(t, 201)
}

func TestMalformedKeys(t *testing.T) {
	t.Parallel()
	a := newAPI(t)
	for _, keys := range [][]string{{""}, {`""`}, {`"a`}, {`a b`}, {`a"b`}, {`"a";p=1`}, {`"a\b"`}, {"é"}, {strings.Repeat("k", 256)}, {`"` + strings.Repeat("k", 256) + `"`}, {"a", "a"}, {"a\tb"}} {
		t.Run(fmt.Sprintf("%.60q", keys), func(t *testing.T) {
			var headers []string
			for _, key := range keys {
				headers = append(headers, "Idempotency-Key", key)
			}
			a.do(t, http.MethodPost, "/v1/orgs", `{"orgName":"A"}`, headers...).rejected(t, 400, "invalid_request")
		})
	}
	if page := a.get(t, "/v1/orgs").page(t); len(page.Organizations) != 0 {
		t.Errorf("%d organizations were created, want none", len(page.Organizations))
	}
	for _, key := range []string{strings.Repeat("k", 255), `"` + strings.Repeat("k", 255) + `"`, `"a \" b \\ c"`, "stainless-node-retry-1b9d6bcd-bbfd-4b2d-9b5d-ab8dfbbd4bed"} {
		t.Run(fmt.Sprintf("%.60q", key), func(t *testing.T) {
			a.do(t, http.MethodPost, "/v1/orgs", `{"orgName":"A"}`, "Idempotency-Key", key)
		})
	}
	if page := a.get(t, "/v1/orgs").page(t); len(page.Organizations) != 3 { // the first two keys are the same
		t.Errorf("%d organizations", len(page.Organizations))
	}
	// DELETE is idempotent without a key, so the header is ignored.
	a.do(t, http.MethodDelete, a.create(t, "B")+"/users", member(userOne), "Idempotency-Key", "").ok(t)
}

func TestParallelCallsWithOneKey(t *testing.T) {
	t.Parallel()
	a := newAPI(t)
	var mu sync.Mutex
	fresh, made := 0, map[string]bool{}
	var calls sync.WaitGroup
	for range 50 {
		calls.Go(func() {
			got := a.do(t, http.MethodPost, "/v1/orgs", `{"orgName":"Acme"}`, "Idempotency-Key", "k")
			mu.Lock()
			defer mu.Unlock()
			if got.status == 409 {
				if p := got.problem(t); p.Code != "idempotency_in_progress" || got.header.Get("Retry-After") == "" || got.header.Get("X-Should-Retry") != "" {
					t.Errorf("%v %s", got.header, got.body)
				}
				return
			}
			made[got.organization(t, 201).OrgID] = true
			if got.header.Get("Idempotency-Replayed") == "" {
				fresh++
			}
		})
	}
	calls.Wait()
	if page := a.get(t, "/v1/orgs").page(t); fresh != 1 || len(made) != 1 || len(page.Organizations) != 1 {
		t.Errorf("%d calls created an organization, the answers have %d organizations, the list has %d", fresh, len(made), len(page.Organizations))
	}
}
