package http_test

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"orgd/internal/apikeys"
)

func TestDeleteOrg(t *testing.T) {
	t.Parallel()
	a := newAPI(t)
	path := a.create(t, "Acme")
	active := a.do(t, http.MethodDelete, path, "")
	active.rejected(t, 409, "org_active")
	if h := active.header.Get("X-Should-Retry"); h != "false" {
		t.Errorf("x-should-retry %q", h)
	}
	a.do(t, http.MethodPost, path+"/deactivate", "")
	for name, c := range map[string]struct {
		query, match string
		status       int
		code         string
	}{
		"another version":    {"", `"1"`, 412, "precondition_failed"},
		"another revision":   {"?revision=1", "", 412, "precondition_failed"},
		"revision 0":         {"?revision=0", "", 400, "invalid_parameter"},
		"a signed revision":  {"?revision=%2B2", "", 400, "invalid_parameter"},
		"two revisions":      {"?revision=2&revision=2", "", 400, "repeated_parameter"},
		"another parameter":  {"?force=true", "", 400, "unknown_parameter"},
		"a malformed header": {"", "2", 400, "invalid_request"},
	} {
		t.Run(name, func(t *testing.T) {
			var headers []string
			if c.match != "" {
				headers = []string{"If-Match", c.match}
			}
			got := a.do(t, http.MethodDelete, path+c.query, "", headers...)
			got.rejected(t, c.status, c.code)
			if c.status == 412 && got.header.Get("ETag") != `"2"` {
				t.Errorf("ETag %q", got.header.Get("ETag"))
			}
		})
	}
	a.do(t, http.MethodDelete, path, `{"orgName":"x"}`).rejected(t, 422, "invalid_field")
	if got := a.do(t, http.MethodDelete, path+"?revision=2", "{}", "If-Match", `"2"`); got.status != 204 || len(got.body) > 0 {
		t.Fatalf("%d %s", got.status, got.body)
	}
	a.do(t, http.MethodDelete, path, "").rejected(t, 404, "not_found")
	a.get(t, path).rejected(t, 404, "not_found")
}

// Stored results of calls about an organization are not returned after its deletion.
func TestRepeatsAfterADeletion(t *testing.T) {
	t.Parallel()
	a := newAPI(t)
	create := func() string {
		return "/v1/orgs/" + a.do(t, http.MethodPost, "/v1/orgs", `{"orgName":"Acme"}`, "Idempotency-Key", "create").organization(t, 201).OrgID
	}
	patch := func(path string) answer {
		return a.do(t, http.MethodPatch, path, `{"orgName":"Secret"}`, "Idempotency-Key", "patch")
	}
	first := create()
	patch(first).organization(t, 200)
	a.do(t, http.MethodPost, first+"/deactivate", "", "Idempotency-Key", "deactivate").organization(t, 200)
	if got := a.do(t, http.MethodDelete, first, ""); got.status != 204 {
		t.Fatalf("%d %s", got.status, got.body)
	}
	patch(first).rejected(t, 404, "not_found")
	if again := create(); again == first {
		t.Error("the deleted organization was returned")
	}
}

// A repeat does not return the id of a deleted organization that had the external id. The
// idempotency key can be used for another call, because the first call had no effect.
func TestTakenExternalIDAfterADeletion(t *testing.T) {
	t.Parallel()
	a := newAPI(t)
	holder := a.do(t, http.MethodPut, externalPath("crm/1"), `{"orgName":"Holder"}`).organization(t, 201)
	other := a.create(t, "Other")
	calls := map[string]func() answer{
		"create": func() answer {
			return a.do(t, http.MethodPost, "/v1/orgs", named(t, "Acme", "crm/1"), "Idempotency-Key", "k")
		},
		"update": func() answer {
			return a.do(t, http.MethodPatch, other, `{"externalId":"crm/1"}`, "Idempotency-Key", "k")
		},
	}
	for name, call := range calls {
		for range 2 {
			got := call()
			if p := got.rejected(t, 409, "external_id_taken"); p.OrgID != holder.OrgID || got.header.Get("Idempotency-Replayed") != "" {
				t.Errorf("%s: %v %s", name, got.header, got.body)
			}
		}
	}
	a.do(t, http.MethodPost, "/v1/orgs/"+holder.OrgID+"/deactivate", "")
	if got := a.do(t, http.MethodDelete, "/v1/orgs/"+holder.OrgID, ""); got.status != 204 {
		t.Fatalf("%d %s", got.status, got.body)
	}
	if o := calls["update"]().organization(t, 200); "/v1/orgs/"+o.OrgID != other || o.ExternalID != "crm/1" {
		t.Errorf("%+v", o)
	}
	if p := calls["create"]().rejected(t, 409, "external_id_taken"); "/v1/orgs/"+p.OrgID != other {
		t.Errorf("the error names %s, but %s has the external id", p.OrgID, other)
	}
	a.do(t, http.MethodPost, "/v1/orgs", named(t, "Acme", "crm/2"), "Idempotency-Key", "k").organization(t, 201)
}

// No route finds a deleted organization, except the one for its events, even before its
// members are erased.
func TestNoRouteFindsADeletedOrganization(t *testing.T) {
	t.Parallel()
	a := newAPI(t)
	path := a.create(t, "Acme")
	for _, user := range []string{userOne, userTwo} {
		a.do(t, http.MethodPost, path+"/users", member(user)).ok(t)
	}
	a.do(t, http.MethodPost, path+"/deactivate", "")
	if got := a.do(t, http.MethodDelete, path, ""); got.status != 204 {
		t.Fatalf("%d %s", got.status, got.body)
	}
	a.orgRoutes(t, func(t *testing.T, method, suffix, body string) {
		want := 404
		if suffix == "/events" {
			want = 200
		}
		if got := a.do(t, method, path+suffix, body); got.status != want {
			t.Errorf("%d %s", got.status, got.body)
		}
	})
	for _, query := range []string{"", "?userId=" + url.QueryEscape(userOne), "?isActive=false&userId=" + url.QueryEscape(userOne), "?orgName=acme&userId=" + url.QueryEscape(userTwo)} {
		if page := a.get(t, "/v1/orgs"+query).page(t); len(page.Organizations) > 0 || page.HasMore {
			t.Errorf("%s lists %v", query, page.Organizations)
		}
	}
}

// The user is erased in the background. The status of a repeated call shows whether the
// erasure is complete. The path can contain any id that an identity provider issues.
func TestEraseUser(t *testing.T) {
	t.Parallel()
	for name, user := range map[string]string{
		"plain":          "user_2NNEqL2nrIRdJ194ndJqAHwEfxC",
		"pipe":           "auth0|0197f3a1",
		"slash":          "https://idp.example.com/users/7",
		"percent":        "100%25",
		"plus and space": "a+b c@example.com",
		"dots":           "..",
		"emoji":          "👩‍🚀",
		"255 × 4 bytes":  strings.Repeat("𝄞", 255),
		"question mark":  "a?b#c",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := newAPI(t)
			a.do(t, http.MethodPost, "/v1/orgs", `{"orgName":"Other"}`)
			created := a.do(t, http.MethodPost, "/v1/orgs", `{"orgName":"Acme"}`, "Orgd-User", url.PathEscape(user)).organization(t, 201)
			path := "/v1/orgs/" + created.OrgID
			a.do(t, http.MethodPost, path+"/users", member(user)).ok(t)
			target := "/v1/users/" + strings.ReplaceAll(url.PathEscape(user), ".", "%2E")
			for range 2 {
				if got := a.do(t, http.MethodDelete, target, ""); got.status != 202 || got.header.Get("Retry-After") != "1" || len(got.body) > 0 {
					t.Fatalf("%d, Retry-After %q, %s", got.status, got.header.Get("Retry-After"), got.body)
				}
			}
			if _, err := a.orgs.Erase(context.Background()); err != nil {
				t.Fatal(err)
			}
			for range 2 {
				if got := a.do(t, http.MethodDelete, target, ""); got.status != 204 || got.header.Get("Retry-After") != "" {
					t.Fatalf("%d %s", got.status, got.body)
				}
			}
			got := a.get(t, path)
			if o := got.organization(t, 200); o.CreatedByUserID != "" || o.UserCount != 0 || got.header.Get("ETag") != `"3"` {
				t.Errorf("ETag %s: %+v", got.header.Get("ETag"), o)
			}
			if strings.Contains(a.log.String(), user) {
				t.Errorf("the id of the user is in the log: %s", a.log.String())
			}
		})
	}
}

func TestEraseUserIsStrict(t *testing.T) {
	t.Parallel()
	a := newAPI(t)
	for name, c := range map[string]struct {
		target, body string
		status       int
		code         string
	}{
		"white space at the end": {"/v1/users/a%20", "", 422, "invalid_field"},
		"a control character":    {"/v1/users/a%0Ab", "", 422, "invalid_field"},
		"not UTF-8":              {"/v1/users/%FF", "", 422, "invalid_field"},
		"too long":               {"/v1/users/" + strings.Repeat("a", 256), "", 422, "invalid_field"},
		"a parameter":            {"/v1/users/a?force=true", "", 400, "unknown_parameter"},
		"a field":                {"/v1/users/a", `{"userId":"a"}`, 422, "invalid_field"},
		"no id":                  {"/v1/users/", "", 404, "not_found"},
	} {
		t.Run(name, func(t *testing.T) {
			a.do(t, http.MethodDelete, c.target, c.body).rejected(t, c.status, c.code)
		})
	}
	key := a.Key(t, a.account, apikeys.OrgsDelete, apikeys.MembersWrite)
	a.doAs(t, http.MethodDelete, "/v1/users/a", "", "Authorization", "Bearer "+key).rejected(t, 403, "insufficient_scope")
}
