package http_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"orgd/internal/apikeys"
	"orgd/internal/orgs"
	"orgd/internal/uuid"
)

// do sends a body, "" for none, with the account's key and the headers.
func (a *api) do(t testing.TB, method, target, body string, headers ...string) answer {
	t.Helper()
	headers = append([]string{"Authorization", "Bearer " + a.key}, headers...)
	return a.doAs(t, method, target, body, headers...)
}

func (a *api) doAs(t testing.TB, method, target, body string, headers ...string) answer {
	t.Helper()
	if body == "" {
		return a.send(t, a.request(t, method, target, nil, headers...))
	}
	headers = append(headers, "Content-Type", "application/json")
	return a.send(t, a.request(t, method, target, strings.NewReader(body), headers...))
}

// organization is the body of an answer that has one.
type organization struct {
	CreatedAt         string            `json:"createdAt"`
	IsActive          bool              `json:"isActive"`
	OrgID             string            `json:"orgId"`
	OrgName           string            `json:"orgName"`
	UpdatedAt         string            `json:"updatedAt"`
	UserCount         int               `json:"userCount"`
	CreatedByAPIKeyID string            `json:"createdByApiKeyId"`
	CreatedByUserID   string            `json:"createdByUserId"`
	Metadata          map[string]string `json:"metadata"`
}

// organization wants an answer of this status with an organization.
func (g answer) organization(t testing.TB, status int) organization {
	t.Helper()
	return read[organization](t, g, status)
}

// create makes an organization over HTTP and returns its path.
func (a *api) create(t testing.TB, name string) string {
	t.Helper()
	body, err := json.Marshal(map[string]string{"orgName": name})
	if err != nil {
		t.Fatal(err)
	}
	return "/v1/orgs/" + a.do(t, http.MethodPost, "/v1/orgs", string(body)).organization(t, http.StatusCreated).OrgID
}

// ok wants the success object.
func (g answer) ok(t testing.TB) {
	t.Helper()
	if g.status != http.StatusOK || string(g.body) != `{"success":true}` {
		t.Fatalf("%d %s", g.status, g.body)
	}
}

const (
	userOne = "usr_00000000000000000000000000000001"
	userTwo = "usr_00000000000000000000000000000002"
)

func member(user string) string { return `{"userId":"` + user + `"}` }

func TestCreate(t *testing.T) {
	t.Parallel()
	a := newAPI(t)
	got := a.do(t, http.MethodPost, "/v1/orgs", `{"orgName":"  Zürich \"AG\" ","metadata":{"plan":"pro","empty":""}}`, "Orgd-User", userOne)
	made := got.organization(t, http.StatusCreated)
	if location := got.header.Get("Location"); location != publicURL+"/v1/orgs/"+made.OrgID {
		t.Errorf("Location %q", location)
	}
	if tag := got.header.Get("ETag"); tag != `"1"` {
		t.Errorf("ETag %q", tag)
	}
	want := organization{
		CreatedAt: made.CreatedAt, IsActive: true, OrgID: made.OrgID, OrgName: `Zürich "AG"`, UpdatedAt: made.CreatedAt,
		CreatedByAPIKeyID: made.CreatedByAPIKeyID, CreatedByUserID: userOne, Metadata: map[string]string{"plan": "pro", "empty": ""},
	}
	if diff := cmp.Diff(want, made); diff != "" || made.CreatedByAPIKeyID == "" {
		t.Errorf("made (-want +got):\n%s", diff)
	}
	read := a.get(t, "/v1/orgs/"+made.OrgID)
	if string(read.body) != string(got.body) {
		t.Errorf("read:\n%s\nmade:\n%s", read.body, got.body)
	}
	if page := a.get(t, "/v1/orgs?orgName=zurich").page(t); len(page.Organizations) != 1 {
		t.Errorf("listed %v", page.Organizations)
	}
	bare := a.do(t, http.MethodPost, "/v1/orgs", `{"orgName":"Bare"}`)
	if strings.Contains(string(bare.body), "metadata") || strings.Contains(string(bare.body), "createdByUserId") {
		t.Errorf("bare: %s", bare.body)
	}
}

func TestCreateInvalid(t *testing.T) {
	t.Parallel()
	a := newAPI(t)
	for body, want := range map[string]struct {
		status int
		code   string
		fields string
	}{
		``:                                   {400, "invalid_body", ""},
		`{`:                                  {400, "invalid_body", ""},
		`[]`:                                 {400, "invalid_body", ""},
		`{"orgName":"A"}{}`:                  {400, "invalid_body", ""},
		`{"orgName":"A","orgName":"B"}`:      {400, "invalid_body", ""},
		`{"orgName":"\ud800"}`:               {400, "invalid_body", ""},
		"{\"orgName\":\"\xff\"}":             {400, "invalid_body", ""},
		`{}`:                                 {422, "invalid_field", "orgName required"},
		`{"OrgName":"A"}`:                    {422, "invalid_field", "OrgName unknown, orgName required"},
		`{"orgName":" \t "}`:                 {422, "invalid_field", "orgName required"},
		`{"orgName":null}`:                   {422, "invalid_field", "orgName wrong_type"},
		`{"orgName":7}`:                      {422, "invalid_field", "orgName wrong_type"},
		`{"orgName":"a\u0000b"}`:             {422, "invalid_field", "orgName invalid"},
		`{"orgName":"a\u009fb"}`:             {422, "invalid_field", "orgName invalid"},
		`{"orgName":"` + runes(256) + `"}`:   {422, "invalid_field", "orgName too_long"},
		`{"orgName":"A","metadata":null}`:    {422, "invalid_field", "metadata wrong_type"},
		`{"orgName":"A","metadata":{"a":1}}`: {422, "invalid_field", "metadata.a wrong_type"},
		`{"orgName":"A","orgId":"x","version":1}`: {422, "invalid_field", "orgId unknown, version unknown"},
		`{"orgName":"","metadata":{"a":"\u0000","":"x"},"isActive":false}`: {
			422, "invalid_field", "isActive unknown, metadata. invalid, metadata.a invalid, orgName required",
		},
	} {
		t.Run(body[:min(len(body), 60)], func(t *testing.T) {
			p := a.do(t, http.MethodPost, "/v1/orgs", body).refused(t, want.status, want.code)
			var fields []string
			for _, e := range p.Errors {
				fields = append(fields, e.Field+" "+e.Code)
			}
			if got := joined(fields); got != want.fields {
				t.Errorf("%s: %s, want %s", body, got, want.fields)
			}
		})
	}
	a.do(t, http.MethodPost, "/v1/orgs", `{"orgName":"`+runes(255)+`"}`).organization(t, 201)
	if page := a.get(t, "/v1/orgs").page(t); len(page.Organizations) != 1 {
		t.Errorf("a rejected creation made an organization: %v", page.Organizations)
	}
}

// runes returns n code points of four bytes and two UTF-16 units each.
func runes(n int) string { return strings.Repeat("😀", n) }

func TestUpdate(t *testing.T) {
	t.Parallel()
	a := newAPI(t)
	path := a.create(t, "Acme")
	for i, step := range []struct {
		body, name string
		metadata   map[string]string
		tag        string
	}{
		{`{}`, "Acme", nil, `"1"`},
		{`{"orgName":"Acme 2"}`, "Acme 2", nil, `"2"`},
		{`{"orgName":" Acme 2 "}`, "Acme 2", nil, `"2"`},
		{`{"metadata":{"a":"b","c":"d"}}`, "Acme 2", map[string]string{"a": "b", "c": "d"}, `"3"`},
		{`{"metadata":{"c":"e"}}`, "Acme 2", map[string]string{"c": "e"}, `"4"`},
		{`{"orgName":"Acme 3"}`, "Acme 3", map[string]string{"c": "e"}, `"5"`},
		{`{"metadata":null}`, "Acme 3", nil, `"6"`},
		{`{"metadata":{"c":"e"},"orgName":"Acme 4"}`, "Acme 4", map[string]string{"c": "e"}, `"7"`},
		{`{"metadata":{}}`, "Acme 4", nil, `"8"`},
	} {
		t.Run(strconv.Itoa(i)+" "+step.body, func(t *testing.T) {
			before := a.get(t, path).organization(t, 200)
			got := a.do(t, http.MethodPatch, path, step.body)
			o := got.organization(t, 200)
			want := before
			want.OrgName, want.Metadata, want.UpdatedAt = step.name, step.metadata, o.UpdatedAt
			if diff := cmp.Diff(want, o); diff != "" || got.header.Get("ETag") != step.tag {
				t.Errorf("step %d: ETag %s (-want +got):\n%s", i, got.header.Get("ETag"), diff)
			}
			if read := a.get(t, path); string(read.body) != string(got.body) || read.header.Get("ETag") != step.tag {
				t.Errorf("step %d: read %s %s", i, read.header.Get("ETag"), read.body)
			}
		})
	}
	for _, body := range []string{`{"orgName":null}`, `{"orgName":""}`, `{"metadata":[]}`, `{"userCount":3}`, `{"createdAt":"2026-01-01T00:00:00Z"}`} {
		t.Run(body, func(t *testing.T) {
			a.do(t, http.MethodPatch, path, body).refused(t, 422, "invalid_field")
		})
	}
	a.do(t, http.MethodPatch, path, "").refused(t, 400, "invalid_body")
	if tag := a.get(t, path).header.Get("ETag"); tag != `"8"` {
		t.Errorf("a rejected change made %s of the version", tag)
	}
}

func TestDeactivateAndReactivate(t *testing.T) {
	t.Parallel()
	a := newAPI(t)
	path := a.create(t, "Acme")
	for i, step := range []struct {
		action, body string
		active       bool
		tag          string
	}{
		{"/reactivate", "", true, `"1"`},
		{"/deactivate", "", false, `"2"`},
		{"/deactivate", "{}", false, `"2"`},
		{"/reactivate", " {} ", true, `"3"`},
	} {
		t.Run(strconv.Itoa(i)+" "+step.action, func(t *testing.T) {
			got := a.do(t, http.MethodPost, path+step.action, step.body)
			if o := got.organization(t, 200); o.IsActive != step.active || got.header.Get("ETag") != step.tag {
				t.Errorf("step %d: %s %s", i, got.header.Get("ETag"), got.body)
			}
		})
	}
	p := a.do(t, http.MethodPost, path+"/deactivate", `{"reason":"x"}`).refused(t, 422, "invalid_field")
	if len(p.Errors) != 1 || p.Errors[0].Code != "unknown" {
		t.Errorf("errors %+v", p.Errors)
	}
	if !a.get(t, path).organization(t, 200).IsActive {
		t.Error("a rejected call deactivated it")
	}
}

func TestMembers(t *testing.T) {
	t.Parallel()
	a := newAPI(t)
	path := a.create(t, "Acme")
	if got := a.get(t, path+"/users"); string(got.body) != `{"hasMore":false,"users":[]}` {
		t.Errorf("members of nobody: %s", got.body)
	}
	for _, user := range []string{userOne, userTwo, userOne} {
		a.do(t, http.MethodPost, path+"/users", member(user)).ok(t)
	}
	if o := a.get(t, path).organization(t, 200); o.UserCount != 2 || o.UpdatedAt == o.CreatedAt {
		t.Errorf("%+v", o)
	}
	first := a.get(t, path+"/users?limit=1.0").members(t)
	if !first.HasMore || len(first.Users) != 1 || first.Users[0].UserID != userTwo {
		t.Fatalf("first page %+v", first)
	}
	next := a.get(t, path+"/users?limit=1&cursor="+first.Cursor).members(t)
	if next.HasMore || len(next.Users) != 1 || next.Users[0].UserID != userOne {
		t.Errorf("next page %+v", next)
	}
	for range 2 {
		a.do(t, http.MethodDelete, path+"/users", member(userOne)).ok(t)
	}
	if o := a.get(t, path).organization(t, 200); o.UserCount != 1 {
		t.Errorf("userCount %d", o.UserCount)
	}
	for _, body := range []string{`{}`, `{"userId":null}`, `{"userId":"usr_1"}`, `{"userId":"USR_00000000000000000000000000000001"}`, member("usr_0000000000000000000000000000000A"), `{"userId":"` + userOne + `","role":"admin"}`} {
		t.Run(body, func(t *testing.T) {
			a.do(t, http.MethodPost, path+"/users", body).refused(t, 422, "invalid_field")
			a.do(t, http.MethodDelete, path+"/users", body).refused(t, 422, "invalid_field")
		})
	}
	a.do(t, http.MethodDelete, path+"/users", "").refused(t, 400, "invalid_body")
	for query, code := range map[string]string{
		"limit=0": "invalid_parameter", "limit=101": "invalid_parameter", "cursor=x": "invalid_cursor", "cursor=": "invalid_cursor",
		"orgName=a": "unknown_parameter", "limit=1&limit=1": "repeated_parameter",
	} {
		t.Run(query, func(t *testing.T) {
			a.get(t, path+"/users?"+query).refused(t, 400, code)
		})
	}
	a.get(t, a.create(t, "Other")+"/users?cursor="+first.Cursor).refused(t, 400, "invalid_cursor")
}

// memberList is the body of a list of members.
type memberList struct {
	HasMore bool
	Cursor  string
	Users   []struct{ UserID, AddedAt string }
}

func (g answer) members(t testing.TB) memberList {
	t.Helper()
	if g.status != http.StatusOK {
		t.Fatalf("status %d: %s", g.status, g.body)
	}
	var m memberList
	g.decode(t, &m)
	if link := g.header.Get("Link"); m.HasMore != (m.Cursor != "") || m.HasMore != (link != "") || m.HasMore && !strings.Contains(link, m.Cursor) {
		t.Errorf("%s with Link %q", g.body, link)
	}
	return m
}

// A deactivated organization takes no new member, and tells clients not to retry.
func TestMembersOfADeactivatedOrganization(t *testing.T) {
	t.Parallel()
	a := newAPI(t)
	path := a.create(t, "Acme")
	a.do(t, http.MethodPost, path+"/users", member(userOne)).ok(t)
	a.do(t, http.MethodPost, path+"/deactivate", "").organization(t, 200)
	got := a.do(t, http.MethodPost, path+"/users", member(userTwo))
	got.refused(t, 409, "org_inactive")
	if h := got.header.Get("X-Should-Retry"); h != "false" {
		t.Errorf("x-should-retry %q", h)
	}
	a.do(t, http.MethodPost, path+"/users", member(userOne)).ok(t)
	a.do(t, http.MethodDelete, path+"/users", member(userOne)).ok(t)
	if o := a.get(t, path).organization(t, 200); o.UserCount != 0 {
		t.Errorf("userCount %d", o.UserCount)
	}
}

// orgRoutes runs call for every route of one organization, with a valid body. The
// routes come from the route table, so that the tests below cover new ones.
func (a *api) orgRoutes(t *testing.T, call func(t *testing.T, method, suffix, body string)) {
	t.Helper()
	bodies := map[string]string{
		"PATCH ": `{"orgName":"Stolen"}`, "POST /users": member(userTwo), "DELETE /users": member(userOne),
		"POST /deactivate": "", "POST /reactivate": "",
	}
	called := 0
	for _, r := range a.server.Routes() {
		suffix, ok := strings.CutPrefix(r.Path, "/v1/orgs/:orgId")
		if !ok {
			continue
		}
		body, ok := bodies[r.Method+" "+suffix]
		if !ok && r.Method != http.MethodGet {
			t.Errorf("%s %s has no body here", r.Method, r.Path)
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

// Another account's organization and a malformed id get the same answer as an unknown
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
			t.Errorf("%s %s with a slash behind it: %d %s", method, suffix, got.status, got.body)
		}
	})
	if o := a.get(t, "/v1/orgs/"+mine).organization(t, 200); o.OrgName != "Mine" || o.UserCount != 0 {
		t.Errorf("mine: %+v", o)
	}
}

func orgID(id uuid.UUID) string { return "org_" + strings.ReplaceAll(id.String(), "-", "") }

func withoutDate(g answer) http.Header {
	h := g.header.Clone()
	h.Del("Date")
	return h
}

// A key may do only what its scopes allow, on every route.
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
		target := strings.NewReplacer(":orgId", id, ":apiKeyId", made.APIKeyID).Replace(r.Path)
		for scope, key := range keys {
			got := a.doAs(t, r.Method, target, "", "Authorization", "Bearer "+key)
			if allowed := got.status != http.StatusForbidden; allowed != (scope == r.Scope) {
				t.Errorf("%s %s with %s: %d", r.Method, r.Path, scope, got.status)
			}
			if got.status == http.StatusForbidden && !strings.HasSuffix(got.header.Get("WWW-Authenticate"), `scope="`+r.Scope+`"`) {
				t.Errorf("%s %s with %s: %s", r.Method, r.Path, scope, got.header.Get("WWW-Authenticate"))
			}
		}
	}
}

// Every route rejects query parameters that it does not take, an invalid acting user,
// and an Accept that excludes JSON.
func TestEveryRouteReadsItsRequestStrictly(t *testing.T) {
	t.Parallel()
	a := newAPI(t)
	path := a.create(t, "Acme")
	a.orgRoutes(t, func(t *testing.T, method, suffix, body string) {
		if got := a.do(t, method, path+suffix+"?force=true", body); got.status != 400 || method != http.MethodHead && got.problem(t).Code != "unknown_parameter" {
			t.Errorf("%s %s with a parameter: %d %s", method, suffix, got.status, got.body)
		}
		for _, users := range [][]string{{"usr_1"}, {""}, {userOne, userOne}, {"usr_00000000000000000000000000000000"}, {strings.ToUpper(userOne)}} {
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
		got.refused(t, 415, "unsupported_media_type")
		if got.header.Get("Accept") != "application/json" || (method == http.MethodPatch) != (got.header.Get("Accept-Patch") == "application/json") {
			t.Errorf("%s %s: %v", method, suffix, got.header)
		}
		large := a.request(t, method, path+suffix, strings.NewReader(`{"orgName":"`+strings.Repeat("x", 1<<20)+`"}`),
			"Authorization", "Bearer "+a.key, "Content-Type", "application/json")
		large.ContentLength = -1 // chunked, so its length is unknown
		a.send(t, large).refused(t, 413, "body_too_large")
	})
	if o := a.get(t, path); o.header.Get("ETag") != `"1"` {
		t.Errorf("a rejected call changed it: %s", o.body)
	}
}
