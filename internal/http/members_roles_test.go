package http_test

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// User ids from identity providers arrive unchanged in the path, the query, the header and
// the body.
func TestUserIDsEverywhere(t *testing.T) {
	t.Parallel()
	a := newAPI(t)
	path := a.create(t, "Acme")
	for name, id := range map[string]string{
		"orgd":            "usr_00000000000000000000000000000001",
		"Clerk":           "user_2NNEqL2nrIRdJ194ndJqAHwEfxC",
		"Auth0":           "auth0|0197f3a1",
		"Firebase":        "piAFo4E5x6RWXeHFTnmJyMjgKhJ2",
		"Zitadel":         "163840776835432705",
		"a UUID":          "0B6A6B58-6F3C-4F0E-9D2A-54D3C3B6A1E7",
		"an address":      "a+b@example.com",
		"a slash":         "a/b/users/c",
		"a percent sign":  "100%25%",
		"a question mark": "a?b=c&d#e",
		"dots":            "a..b",
		"commas":          "a,b;c",
		"emoji":           "👩‍👩‍👧 é",
		"the longest":     strings.Repeat("😀", 255),
	} {
		t.Run(name, func(t *testing.T) {
			one := path + "/users/" + url.PathEscape(id)
			acting := strings.ReplaceAll(url.QueryEscape(id), "+", "%20")
			if made := read[listedMember](t, a.do(t, http.MethodPut, one, `{"roles":["x"]}`, "Orgd-User", acting), 201); made.UserID != id {
				t.Errorf("put %q", made.UserID)
			}
			if got := read[listedMember](t, a.get(t, one), 200); got.UserID != id || got.AddedAt == "" || !slices.Equal(got.Roles, []string{"x"}) {
				t.Errorf("got %+v", got)
			}
			if listed := a.get(t, path+"/users?userId="+url.QueryEscape(id)).members(t).Users; len(listed) != 1 || listed[0].UserID != id {
				t.Errorf("listed %+v", listed)
			}
			if p := a.get(t, "/v1/orgs?userId="+url.QueryEscape(id)).page(t); len(p.Organizations) != 1 {
				t.Errorf("organizations %+v", p)
			}
			a.do(t, http.MethodPost, path+"/users", string(encodingJSON(t, map[string]string{"userId": id}))).ok(t)
			if got := a.do(t, http.MethodDelete, one, ""); got.status != 204 || len(got.body) != 0 {
				t.Errorf("delete: %d %s", got.status, got.body)
			}
			a.do(t, http.MethodDelete, one, "").rejected(t, 404, "not_found")
			a.get(t, one).rejected(t, 404, "not_found")
		})
	}
	for name, segment := range map[string]string{"a space at the end": "u%20", "a line break": "a%0Ab", "not UTF-8": "%FF", "too long": strings.Repeat("u", 256)} {
		t.Run(name, func(t *testing.T) {
			for _, method := range []string{http.MethodGet, http.MethodPut, http.MethodDelete} {
				a.do(t, method, path+"/users/"+segment, "").rejected(t, 422, "invalid_field")
			}
		})
	}
	a.get(t, path+"/users/a/b").rejected(t, 404, "not_found")
	a.do(t, http.MethodPut, path+"/users/", "").rejected(t, 404, "not_found")
	if log := a.log.String(); strings.Contains(log, "piAFo4E5x6RWXeHFTnmJyMjgKhJ2") {
		t.Error("a user id is in the log")
	}
}

func TestPutMember(t *testing.T) {
	t.Parallel()
	a := newAPI(t)
	path := a.create(t, "Acme")
	one := path + "/users/" + url.PathEscape(userOne)
	for i, step := range []struct {
		body    string
		status  int
		roles   string
		version int
	}{
		{"", 201, "", 2},
		{"", 200, "", 2},
		{`{}`, 200, "", 2},
		{`{"roles":["owner","billing:read"]}`, 200, "billing:read owner", 3},
		{`{"roles":["billing:read","owner"]}`, 200, "billing:read owner", 3},
		{`{}`, 200, "billing:read owner", 3},
		{`{"roles":["A.b_c-d"]}`, 200, "A.b_c-d", 4},
		{`{"roles":[]}`, 200, "", 5},
	} {
		got := a.do(t, http.MethodPut, one, step.body)
		m := read[listedMember](t, got, step.status)
		if strings.Join(m.Roles, " ") != step.roles || strings.Contains(string(got.body), `"roles":[]`) {
			t.Errorf("step %d: %s", i, got.body)
		}
		if tag := a.get(t, path).header.Get("ETag"); tag != fmt.Sprintf(`"%d"`, step.version) {
			t.Errorf("step %d: ETag %s, want %d", i, tag, step.version)
		}
	}
	many := `["a","b","c","d","e","f","g","h","i","j","k"]`
	for body, field := range map[string]string{
		`{"roles":null}`:                                "roles wrong_type",
		`{"roles":"owner"}`:                             "roles wrong_type",
		`{"roles":` + many + `}`:                        "roles too_many",
		`{"roles":["owner","owner"]}`:                   "roles.1 repeated",
		`{"roles":["owner",null]}`:                      "roles.1 wrong_type",
		`{"roles":[""]}`:                                "roles.0 invalid",
		`{"roles":["a b"]}`:                             "roles.0 invalid",
		`{"roles":["é"]}`:                               "roles.0 invalid",
		`{"roles":["a,b"]}`:                             "roles.0 invalid",
		`{"roles":["` + strings.Repeat("r", 65) + `"]}`: "roles.0 invalid",
		`{"role":"owner"}`:                              "role unknown",
	} {
		t.Run(body, func(t *testing.T) {
			p := a.do(t, http.MethodPut, one, body).rejected(t, 422, "invalid_field")
			if got := p.Errors[0].Field + " " + p.Errors[0].Code; got != field {
				t.Errorf("%s, want %s", got, field)
			}
		})
	}
	a.do(t, http.MethodPost, path+"/deactivate", "").organization(t, 200)
	read[listedMember](t, a.do(t, http.MethodPut, one, `{"roles":["guest"]}`), 200)
	a.do(t, http.MethodPut, path+"/users/other", "").rejected(t, 409, "org_inactive")
}

func TestChangeMembers(t *testing.T) {
	t.Parallel()
	a := newAPI(t)
	path := a.create(t, "Acme")
	change := func(body string, headers ...string) answer {
		t.Helper()
		return a.do(t, http.MethodPatch, path+"/users", body, headers...)
	}
	for i, step := range []struct {
		body string
		want membersDone
	}{
		{`{}`, membersDone{}},
		{`{"add":[],"remove":[]}`, membersDone{}},
		{`{"add":[{"userId":"a"},{"userId":"b","roles":["owner"]},{"userId":"c","roles":["x"]}],"remove":["d"]}`, membersDone{Added: 3, Unchanged: 1, UserCount: 3}},
		{`{"add":[{"userId":"a","roles":[]},{"userId":"b"},{"userId":"d"},{"userId":"c","roles":["y","x"]}]}`, membersDone{Added: 1, Updated: 1, Unchanged: 2, UserCount: 4}},
		{`{"remove":["a","b","nobody"],"add":[{"userId":"e"}]}`, membersDone{Added: 1, Removed: 2, Unchanged: 1, UserCount: 3}},
	} {
		if diff := cmp.Diff(step.want, read[membersDone](t, change(step.body), 200)); diff != "" {
			t.Errorf("step %d (-want +got):\n%s", i, diff)
		}
	}
	var got []string
	for _, m := range a.get(t, path+"/users").members(t).Users {
		got = append(got, m.UserID+" "+strings.Join(m.Roles, ","))
	}
	if diff := cmp.Diff([]string{"e ", "d ", "c x,y"}, got); diff != "" {
		t.Errorf("members (-want +got):\n%s", diff)
	}
	hundred := strings.Repeat(`{"userId":"u"},`, 100)
	for body, field := range map[string]string{
		`{"add":[{"userId":"a"},{"userId":"a"}]}`:                                   "add.1 repeated",
		`{"remove":["a","a"]}`:                                                      "remove.1 repeated",
		`{"remove":["a"],"add":[{"userId":"a"}]}`:                                   "remove.0 repeated",
		`{"add":[` + strings.TrimSuffix(hundred, ",") + `],"remove":["v"]}`:         "add.1 repeated",
		`{"add":[` + hundred + `{"userId":"v"}]}`:                                   "add too_many",
		`{"remove":[` + strings.TrimSuffix(strings.Repeat(`"u",`, 101), ",") + `]}`: "remove too_many",
		`{"add":[{}]}`:              "add.0.userId required",
		`{"add":["a"]}`:             "add.0 wrong_type",
		`{"add":[null]}`:            "add.0 wrong_type",
		`{"add":{}}`:                "add wrong_type",
		`{"add":null}`:              "add wrong_type",
		`{"add":[{"userId":" a"}]}`: "add.0.userId invalid",
		`{"add":[{"userId":"a","roles":["a b"]}]}`: "add.0.roles.0 invalid",
		`{"add":[{"userId":"a","role":"b"}]}`:      "add.0.role unknown",
		`{"remove":[{"userId":"a"}]}`:              "remove.0 wrong_type",
		`{"remove":[""]}`:                          "remove.0 required",
		`{"userId":"a"}`:                           "userId unknown",
	} {
		t.Run(body[:min(len(body), 60)], func(t *testing.T) {
			p := change(body).rejected(t, 422, "invalid_field")
			if got := p.Errors[0].Field + " " + p.Errors[0].Code; got != field {
				t.Errorf("%s, want %s", got, field)
			}
		})
	}
	// A rejected change has no effect, not even a partial one.
	change(`{"add":[{"userId":"z"}]}`, "If-Match", `"1"`).rejected(t, 412, "precondition_failed")
	a.do(t, http.MethodPost, path+"/deactivate", "").organization(t, 200)
	change(`{"add":[{"userId":"z"}],"remove":["c"]}`).rejected(t, 409, "org_inactive")
	if o := a.get(t, path).organization(t, 200); o.UserCount != 3 {
		t.Errorf("userCount %d", o.UserCount)
	}
	first := change(`{"remove":["c"]}`, "Idempotency-Key", "k")
	again := change(`{"remove":["c"]}`, "Idempotency-Key", "k")
	if string(again.body) != string(first.body) || again.header.Get("Idempotency-Replayed") != "true" {
		t.Errorf("first %s, again %s", first.body, again.body)
	}
	change(`{"remove":["d"]}`, "Idempotency-Key", "k").rejected(t, 422, "idempotency_key_reused")
}

// A caller can make sure that an organization keeps an owner: if two owners demote each
// other with the same tag in If-Match, one of the calls gets 412.
func TestOwnersDemoteEachOther(t *testing.T) {
	t.Parallel()
	a := newAPI(t)
	for round := range 10 {
		path := a.create(t, fmt.Sprint("Acme ", round))
		a.do(t, http.MethodPatch, path+"/users", `{"add":[{"userId":"one","roles":["owner"]},{"userId":"two","roles":["owner"]}]}`)
		tag := a.get(t, path).header.Get("ETag")
		demote := []func() answer{
			func() answer { return a.do(t, http.MethodPut, path+"/users/one", `{"roles":[]}`, "If-Match", tag) },
			func() answer {
				return a.do(t, http.MethodPatch, path+"/users", `{"add":[{"userId":"two","roles":[]}]}`, "If-Match", tag)
			},
		}
		statuses := make([]int, 2)
		var both sync.WaitGroup
		for i := range demote {
			both.Go(func() { statuses[i] = demote[i]().status })
		}
		both.Wait()
		if slices.Sort(statuses); !slices.Equal(statuses, []int{200, 412}) {
			t.Errorf("statuses %v", statuses)
		}
		if owners := a.get(t, path+"/users?role=owner").members(t).Users; len(owners) != 1 {
			t.Errorf("%d owners", len(owners))
		}
	}
}

// One call shows whether a user is a member of an active organization, and with which
// roles.
func TestMayActIn(t *testing.T) {
	t.Parallel()
	a := newAPI(t)
	path := a.create(t, "Acme")
	id := strings.TrimPrefix(path, "/v1/orgs/")
	query := "/v1/orgs?orgId=" + id + "&userId=u&isActive=true"
	may := func(want string) {
		t.Helper()
		var got []string
		for _, o := range read[struct{ Organizations []organization }](t, a.get(t, query), 200).Organizations {
			got = append(got, o.OrgID, strings.Join(o.Membership.Roles, " "))
			if m := read[listedMember](t, a.get(t, path+"/users/u"), 200); o.Membership.AddedAt != m.AddedAt {
				t.Errorf("addedAt %s, want %s", o.Membership.AddedAt, m.AddedAt)
			}
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%v, want %q", got, want)
		}
	}
	may("")
	a.do(t, http.MethodPut, path+"/users/u", "")
	may(id + " ")
	a.do(t, http.MethodPut, path+"/users/u", `{"roles":["owner","editor"]}`)
	may(id + " editor owner")
	a.do(t, http.MethodPost, path+"/deactivate", "")
	may("")
	a.do(t, http.MethodPost, path+"/reactivate", "")
	may(id + " editor owner")
	a.do(t, http.MethodDelete, path+"/users/u", "")
	may("")
}

// orgId selects organizations. It does not change their order.
func TestOrgsByID(t *testing.T) {
	t.Parallel()
	a := newAPI(t)
	other := a.Key(t, a.Account(t))
	var ids []string
	for i := range 5 {
		ids = append(ids, strings.TrimPrefix(a.create(t, fmt.Sprint("Acme ", i)), "/v1/orgs/"))
	}
	list := func(key, query string) (found []string, cursor string) {
		t.Helper()
		p := a.call(t, http.MethodGet, "/v1/orgs?"+query, "Authorization", "Bearer "+key).page(t)
		for _, o := range p.Organizations {
			if o["membership"] != nil {
				t.Errorf("membership without a user: %v", o)
			}
			found = append(found, o["orgId"].(string))
		}
		return found, p.Cursor
	}
	unknown := "org_" + strings.Repeat("0", 32)
	picked := url.Values{"orgId": {ids[1], unknown, ids[4], ids[1], ids[3]}}.Encode()
	if got, _ := list(a.key, picked); !slices.Equal(got, []string{ids[4], ids[3], ids[1]}) {
		t.Errorf("listed %v of %v", got, ids)
	}
	if got, _ := list(other, picked); len(got) != 0 {
		t.Errorf("another account sees %v", got)
	}
	if got, _ := list(a.key, picked+"&orgName=acme+3"); !slices.Equal(got, ids[3:4]) {
		t.Errorf("with a name: %v", got)
	}
	first, cursor := list(a.key, picked+"&limit=2")
	rest, _ := list(a.key, url.Values{"orgId": {ids[3], ids[1], ids[4], unknown}, "cursor": {cursor}}.Encode())
	if got := slices.Concat(first, rest); !slices.Equal(got, []string{ids[4], ids[3], ids[1]}) {
		t.Errorf("in pages: %v", got)
	}
	for name, query := range map[string]string{
		"without the ids":   "limit=2",
		"with other ids":    "orgId=" + ids[1],
		"with more filters": picked + "&isActive=true",
	} {
		t.Run(name, func(t *testing.T) {
			a.get(t, "/v1/orgs?"+query+"&cursor="+cursor).rejected(t, 400, "invalid_cursor")
		})
	}
	for name, query := range map[string]string{
		"empty": "orgId=", "uppercase": "orgId=" + strings.ToUpper(ids[0]), "one of several invalid": picked + "&orgId=x",
		"too many": strings.Repeat("orgId="+unknown+"&", 101),
	} {
		t.Run(name, func(t *testing.T) {
			a.get(t, "/v1/orgs?"+strings.TrimSuffix(query, "&")).rejected(t, 400, "invalid_parameter")
		})
	}
	list(a.key, strings.TrimSuffix(strings.Repeat("orgId="+unknown+"&", 100), "&"))
}

// Without a limit, a page has room for all ids that are asked for.
func TestLimitOfListedIDs(t *testing.T) {
	t.Parallel()
	a := newAPI(t)
	org := a.create(t, "Acme")
	orgs, users, body := url.Values{}, url.Values{}, ""
	for i := range 30 {
		orgs.Add("orgId", strings.TrimPrefix(a.create(t, fmt.Sprint("Acme ", i)), "/v1/orgs/"))
		users.Add("userId", fmt.Sprint("u", i))
		body += fmt.Sprintf(`,{"userId":"u%d"}`, i)
	}
	a.do(t, http.MethodPatch, org+"/users", `{"add":[`+body[1:]+`]}`)
	for path, want := range map[string]int{
		"/v1/orgs?" + orgs.Encode():                    30,
		"/v1/orgs?" + orgs.Encode() + "&limit=20":      20,
		"/v1/orgs?orgId=" + orgs.Get("orgId"):          1,
		"/v1/orgs":                                     20,
		org + "/users?" + users.Encode():               30,
		org + "/users?" + users.Encode() + "&limit=29": 29,
		org + "/users":                                 20,
	} {
		t.Run(path, func(t *testing.T) {
			p := a.get(t, path).page(t)
			if got := len(p.Organizations) + len(p.Users); got != want {
				t.Errorf("%d entries, want %d", got, want)
			}
		})
	}
}

func TestListMembersByRoleAndID(t *testing.T) {
	t.Parallel()
	a := newAPI(t)
	path := a.create(t, "Acme")
	a.do(t, http.MethodPatch, path+"/users", `{"add":[{"userId":"a","roles":["owner"]},{"userId":"b","roles":["owner","x"]},{"userId":"c"}]}`)
	for query, want := range map[string]string{
		"role=owner":                             "b a",
		"role=x":                                 "b",
		"role=nobody":                            "",
		"userId=a&userId=c&userId=a&userId=none": "c a",
		"role=owner&userId=a&userId=c":           "a",
		"userId=a,c":                             "", // a comma is part of an id
	} {
		t.Run(query, func(t *testing.T) {
			var got []string
			cursor := ""
			for {
				p := a.get(t, path+"/users?limit=1&"+query+cursor).members(t)
				for _, m := range p.Users {
					got = append(got, m.UserID)
				}
				if !p.HasMore {
					break
				}
				a.get(t, path+"/users?cursor="+p.Cursor).rejected(t, 400, "invalid_cursor")
				cursor = "&cursor=" + p.Cursor
			}
			if strings.Join(got, " ") != want {
				t.Errorf("%v, want %s", got, want)
			}
		})
	}
	for query, code := range map[string]string{
		"role=": "invalid_parameter", "role=a+b": "invalid_parameter", "userId=": "invalid_parameter", "userId=%FF": "invalid_parameter",
		"role=a&role=b": "repeated_parameter", strings.TrimSuffix(strings.Repeat("userId=u&", 101), "&"): "invalid_parameter",
	} {
		t.Run(query[:min(len(query), 40)], func(t *testing.T) {
			a.get(t, path+"/users?"+query).rejected(t, 400, code)
		})
	}
}
