package http_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"orgd/internal/apikeys"
	"orgd/internal/orgs"
	"orgd/internal/uuid"
)

var methods = []string{
	http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch,
	http.MethodDelete, http.MethodOptions, http.MethodTrace, "FOO",
}

func TestEveryMethodOfEveryPath(t *testing.T) {
	t.Parallel()
	a := newAPI(t)
	served := map[string][]string{}
	for _, r := range a.server.Routes() {
		served[r.Path] = append(served[r.Path], r.Method)
		if r.Method == http.MethodGet {
			served[r.Path] = append(served[r.Path], http.MethodHead)
		}
	}
	for path, allowed := range served {
		key := a.do(t, http.MethodPost, "/v1/api-keys", managing).apiKey(t, 201).APIKeyID
		for _, method := range methods {
			hook := a.webhook(t, `{"url":"http://127.0.0.1:9","description":"x"}`).WebhookID
			made := a.Org(t, a.account, orgs.Org{UserCount: 1})
			a.Member(t, a.account, made, "member")
			org := orgID(made.ID)
			target := strings.NewReplacer(":orgId/users/:userId", org+"/users/member", ":orgId", org, ":userId", "auth0%7C1", ":apiKeyId", key, ":webhookId", hook).Replace(path)
			want := http.StatusMethodNotAllowed
			switch {
			case method == http.MethodGet && slices.Contains(allowed, method), method == http.MethodHead && slices.Contains(allowed, method):
				want = http.StatusOK
			case (strings.HasSuffix(path, "activate") || strings.HasSuffix(path, "/revoke") || slices.Contains([]string{"enable", "disable", "rotate-secret", "test"}, strings.TrimPrefix(path, "/v1/webhooks/:webhookId/"))) && method == http.MethodPost:
				want = http.StatusOK
			case path == "/v1/orgs/:orgId/users/:userId" && method == http.MethodPut:
				want = http.StatusOK
			case slices.Contains([]string{"/v1/orgs/:orgId", "/v1/orgs/:orgId/users/:userId", "/v1/users/:userId", "/v1/webhooks/:webhookId"}, path) && method == http.MethodDelete:
				want = http.StatusNoContent
			case strings.HasSuffix(path, "/rotate") && method == http.MethodPost:
				want = http.StatusCreated
			case slices.Contains(allowed, method):
				want = http.StatusBadRequest // the body is missing
			case method == http.MethodOptions:
				want = http.StatusNoContent
			case method == "FOO":
				want = http.StatusNotImplemented
			}
			got := a.call(t, method, target, "Authorization", "Bearer "+a.key)
			if got.status != want {
				t.Errorf("%s %s: %d, want %d", method, path, got.status, want)
			}
			if got.status != http.StatusMethodNotAllowed && method != http.MethodOptions {
				continue
			}
			listed := strings.Split(got.header.Get("Allow"), ", ")
			for _, allowed := range append(allowed, http.MethodOptions) {
				if !slices.Contains(listed, allowed) {
					t.Errorf("%s %s: Allow %q lacks %s", method, path, listed, allowed)
				}
			}
		}
	}
}

func TestUnknownPaths(t *testing.T) {
	t.Parallel()
	a := newAPI(t)
	for _, path := range []string{"/", "/v1", "/v1/", "/v1/orgs/org_00000000000000000000000000000000/members", "/V1/orgs", "/v1//orgs", "/v2/orgs", "/v1/orgs%2f", "/metrics", "/debug/pprof/"} {
		t.Run(path, func(t *testing.T) {
			a.get(t, path).rejected(t, http.StatusNotFound, "not_found")
			// A client without a key gets the same error.
			a.call(t, http.MethodGet, path).rejected(t, http.StatusNotFound, "not_found")
		})
	}
	a.get(t, "/v1/orgs/").rejected(t, http.StatusNotFound, "not_found")
}

// Every route that requires a key rejects requests without a key, and keys without the
// scope of the route, if it has one.
func TestEveryRouteRequiresAKey(t *testing.T) {
	t.Parallel()
	a := newAPI(t)
	noScope := a.Key(t, a.account, apikeys.ActAsUser)
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
			want := 403
			if r.Scope == "any" {
				want = 200
			}
			if got := a.call(t, method, r.Path, "Authorization", "Bearer "+noScope); got.status != want {
				t.Errorf("%s %s without a scope: %d, want %d", method, r.Path, got.status, want)
			}
		}
	}
	if guarded == 0 {
		t.Error("no route requires a key")
	}
}

// orgRoutes runs call for every route of an organization, with a valid body. The routes
// come from the route table, so the tests include new routes.
func (a *api) orgRoutes(t *testing.T, call func(t *testing.T, method, suffix, body string)) {
	t.Helper()
	bodies := map[string]string{
		"PATCH ": `{"orgName":"Stolen"}`, "POST /users": member(userTwo), "DELETE /users": member(userOne),
		"DELETE ": "", "POST /deactivate": "", "POST /reactivate": "", "PATCH /metadata": `{"plan":"stolen"}`,
		"PATCH /users": `{"remove":["` + userOne + `"]}`, "PUT /users/:userId": "", "DELETE /users/:userId": "",
	}
	called := 0
	for _, r := range a.server.Routes() {
		suffix, ok := strings.CutPrefix(r.Path, "/v1/orgs/:orgId")
		if !ok {
			continue
		}
		body, ok := bodies[r.Method+" "+suffix]
		if !ok && r.Method != http.MethodGet {
			t.Errorf("orgRoutes has no body for %s %s", r.Method, r.Path)
		}
		t.Run(r.Method+" "+r.Path, func(t *testing.T) { call(t, r.Method, suffix, body) })
		called++
		if r.Method == http.MethodGet {
			t.Run("HEAD "+r.Path, func(t *testing.T) { call(t, http.MethodHead, suffix, "") })
		}
	}
	if called < 7 {
		t.Errorf("only %d routes", called)
	}
}

// An organization of another account and a malformed id get the same answer as an unknown
// id, byte for byte.
func TestMissingOrgsGetTheSameAnswer(t *testing.T) {
	t.Parallel()
	a := newAPI(t)
	theirs := a.Org(t, a.Account(t), orgs.Org{Name: "Theirs", IsActive: true})
	mine := strings.TrimPrefix(a.create(t, "Mine"), "/v1/orgs/")
	hexID := strings.TrimPrefix(mine, "org_")
	dashed := hexID[:8] + "-" + hexID[8:12] + "-" + hexID[12:16] + "-" + hexID[16:20] + "-" + hexID[20:]
	a.orgRoutes(t, func(t *testing.T, method, suffix, body string) {
		want := a.do(t, method, "/v1/orgs/"+orgID(uuid.NewV7())+suffix, body, "X-Request-Id", "same")
		if want.status != 404 {
			t.Errorf("%s %s of a random id: %d %s", method, suffix, want.status, want.body)
		}
		for _, id := range []string{
			orgID(theirs.ID), "org_" + strings.ToUpper(hexID), "ORG_" + hexID, "org_" + dashed, dashed, hexID, "usr_" + hexID,
			"org_" + hexID[1:], "org_" + hexID + "0", "org_" + hexID[:31] + "g", "..%2f" + mine, mine + "%20", "%6frg_" + hexID, mine + "%00", "org_", "_", ":orgId",
		} {
			got := a.do(t, method, "/v1/orgs/"+id+suffix, body, "X-Request-Id", "same")
			if got.status != want.status || string(got.body) != string(want.body) || fmt.Sprint(withoutDate(got)) != fmt.Sprint(withoutDate(want)) {
				t.Errorf("%s %s%s: %d %s\nwant %d %s", method, id, suffix, got.status, got.body, want.status, want.body)
			}
		}
		if got := a.do(t, method, "/v1/orgs/"+mine+suffix+"/", body); got.status != 404 {
			t.Errorf("%s %s with a trailing slash: %d %s", method, suffix, got.status, got.body)
		}
	})
	if o := a.get(t, "/v1/orgs/"+mine).organization(t, 200); o.OrgName != "Mine" || o.UserCount != 0 {
		t.Errorf("a rejected call changed the organization: %+v", o)
	}
}

func withoutDate(g answer) http.Header {
	h := g.header.Clone()
	h.Del("Date")
	return h
}

// On every route, a key may do only what its scopes allow.
func TestEveryScopeOnEveryRoute(t *testing.T) {
	t.Parallel()
	a := newAPI(t)
	keys := map[string]string{}
	for _, scope := range apikeys.Scopes {
		keys[string(scope)] = a.Key(t, a.account, scope)
	}
	path := a.create(t, "Acme")
	id := strings.TrimPrefix(path, "/v1/orgs/")
	for _, r := range a.server.Routes() {
		if r.Scope == "" {
			continue
		}
		made := a.do(t, http.MethodPost, "/v1/api-keys", `{"description":"x","scopes":["keys:manage"]}`).apiKey(t, 201)
		target := strings.NewReplacer(":orgId", id, ":apiKeyId", made.APIKeyID, ":userId", "u").Replace(r.Path)
		for scope, key := range keys {
			got := a.doAs(t, r.Method, target, "", "Authorization", "Bearer "+key)
			if allowed := got.status != http.StatusForbidden; allowed != (r.Scope == "any" || scope == r.Scope) {
				t.Errorf("%s %s with %s: %d", r.Method, r.Path, scope, got.status)
			}
			if got.status == http.StatusForbidden && !strings.HasSuffix(got.header.Get("WWW-Authenticate"), `scope="`+r.Scope+`"`) {
				t.Errorf("%s %s with %s: %s", r.Method, r.Path, scope, got.header.Get("WWW-Authenticate"))
			}
		}
	}
}

// Every route rejects unknown query parameters, an invalid acting user, and an Accept
// header that excludes JSON. Routes with a body reject other types and large bodies.
func TestEveryRouteReadsItsRequestStrictly(t *testing.T) {
	t.Parallel()
	a := newAPI(t)
	path := a.create(t, "Acme")
	a.orgRoutes(t, func(t *testing.T, method, suffix, body string) {
		if got := a.do(t, method, path+suffix+"?force=true", body); got.status != 400 || method != http.MethodHead && got.problem(t).Code != "unknown_parameter" {
			t.Errorf("%s %s with a parameter: %d %s", method, suffix, got.status, got.body)
		}
		for _, users := range [][]string{{""}, {userOne, userOne}, {"a%0Ab"}, {"100%"}, {"u%FF"}, {"u%20"}, {"\u00fc"}, {strings.Repeat("u", 256)}} {
			var headers []string
			for _, user := range users {
				headers = append(headers, "Orgd-User", user)
			}
			if got := a.do(t, method, path+suffix, body, headers...); got.status != 400 || method != http.MethodHead && got.problem(t).Code != "invalid_request" {
				t.Errorf("%s %s as %q: %d %s", method, suffix, users, got.status, got.body)
			}
		}
		if got := a.do(t, method, path+suffix, body, "Accept", "text/html, application/json;q=0"); got.status != 406 {
			t.Errorf("%s %s without JSON: %d %s", method, suffix, got.status, got.body)
		}
		if body == "" {
			return
		}
		request := a.request(t, method, path+suffix, strings.NewReader(body), "Authorization", "Bearer "+a.key, "Content-Type", "text/json")
		got := a.send(t, request)
		got.rejected(t, 415, "unsupported_media_type")
		types := "application/json"
		if suffix == "/metadata" {
			types += ", application/merge-patch+json"
		}
		if got.header.Get("Accept") != types || (method == http.MethodPatch) != (got.header.Get("Accept-Patch") == types) {
			t.Errorf("%s %s: %v", method, suffix, got.header)
		}
		large := a.request(t, method, path+suffix, strings.NewReader(`{"orgName":"`+strings.Repeat("x", 1<<20)+`"}`),
			"Authorization", "Bearer "+a.key, "Content-Type", "application/json")
		large.ContentLength = -1 // chunked, so its length is unknown
		a.send(t, large).rejected(t, 413, "body_too_large")
	})
	if o := a.get(t, path); o.header.Get("ETag") != `"1"` {
		t.Errorf("a rejected call changed the organization: %s", o.body)
	}
}

func TestHeadIsGetWithoutABody(t *testing.T) {
	t.Parallel()
	a := newAPI(t)
	a.Org(t, a.account, orgs.Org{})
	get := a.get(t, "/v1/orgs")
	head := a.call(t, http.MethodHead, "/v1/orgs", "Authorization", "Bearer "+a.key)
	if head.status != http.StatusOK || head.header.Get("Content-Length") != fmt.Sprint(len(get.body)) {
		t.Errorf("HEAD: %d, Content-Length %s, want %d", head.status, head.header.Get("Content-Length"), len(get.body))
	}
}

// On every route, an account sees only its own data.
func TestTenantIsolation(t *testing.T) {
	t.Parallel()
	a := newAPI(t)
	theirs := a.Account(t)
	theirKey := a.Key(t, theirs)
	var myOrg, theirOrg orgs.Org
	for range 3 {
		myOrg = a.Org(t, a.account, orgs.Org{Name: "Secret of mine", IsActive: true})
		theirOrg = a.Org(t, theirs, orgs.Org{Name: "Secret of theirs", IsActive: true})
	}
	for _, r := range a.server.Routes() {
		for _, query := range []string{"", "?limit=100", "?orgName=secret", "?orgName=se", "?isActive=true"} {
			mine := a.call(t, r.Method, strings.ReplaceAll(r.Path, ":orgId", orgID(theirOrg.ID))+query, "Authorization", "Bearer "+a.key)
			their := a.call(t, r.Method, strings.ReplaceAll(r.Path, ":orgId", orgID(myOrg.ID))+query, "Authorization", "Bearer "+theirKey)
			if strings.Contains(string(mine.body), "of theirs") || strings.Contains(string(their.body), "of mine") {
				t.Errorf("%s %s%s shows another account's organization", r.Method, r.Path, query)
			}
			if r.Path == "/v1/orgs" && r.Method == http.MethodGet &&
				(!strings.Contains(string(mine.body), "of mine") || !strings.Contains(string(their.body), "of theirs")) {
				t.Errorf("%s %s%s does not list the account's organizations", r.Method, r.Path, query)
			}
		}
	}
}
