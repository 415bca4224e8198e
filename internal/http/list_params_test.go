package http_test

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"orgd/internal/apikeys"
	"orgd/internal/orgs"
)

// nameList returns the names of the organizations that the query lists, sorted.
func (a *api) nameList(t testing.TB, query string) []string {
	t.Helper()
	names := []string{}
	for _, o := range a.get(t, "/v1/orgs?"+query).page(t).Organizations {
		names = append(names, o["orgName"].(string))
	}
	slices.Sort(names)
	return names
}

// filtered returns an account with four organizations that differ in the properties that
// filters select by.
func filtered(t *testing.T) *api {
	t.Helper()
	a := newAPI(t)
	for _, o := range []struct{ body, user, action string }{
		{`{"orgName":"Acme One","metadata":{"region":"eu","plan":"pro"}}`, userOne, ""},
		{`{"orgName":"Acme Two","metadata":{"region":"eu","note":""}}`, userTwo, ""},
		{`{"orgName":"Other One","metadata":{"region":"us","a.b":"x&y=z"}}`, userOne, "/deactivate"},
		{`{"orgName":"Bare"}`, userThree, ""},
	} {
		path := "/v1/orgs/" + a.do(t, http.MethodPost, "/v1/orgs", o.body).organization(t, 201).OrgID
		a.do(t, http.MethodPost, path+"/users", member(o.user)).ok(t)
		if o.action != "" {
			a.do(t, http.MethodPost, path+o.action, "").organization(t, 200)
		}
	}
	return a
}

func TestFiltersCombine(t *testing.T) {
	t.Parallel()
	a := filtered(t)
	for _, c := range []struct {
		query string
		want  []string
	}{
		{"userId=" + userOne, []string{"Acme One", "Other One"}},
		{"userId=" + url.QueryEscape(userThree), []string{"Bare"}},
		{"userId=auth0|0197F3A1", []string{}},
		{"metadata[region]=eu", []string{"Acme One", "Acme Two"}},
		{"metadata%5Bregion%5D=eu", []string{"Acme One", "Acme Two"}},
		{"metadata[region]=EU", []string{}},
		{"metadata[Region]=eu", []string{}},
		{"metadata[note]=", []string{"Acme Two"}},
		{"metadata[region]=eu&metadata[plan]=pro", []string{"Acme One"}},
		{"metadata[region]=eu&metadata[plan]=free", []string{}},
		{"metadata%5Ba%2Eb%5D=x%26y%3Dz", []string{"Other One"}},
		{"metadata[plan]=%7B%22a%22%3A1%7D", []string{}},
		{"orgName=one&isActive=false&userId=" + userOne + "&metadata[region]=us", []string{"Other One"}},
		{"orgName=one&isActive=true&userId=" + userOne + "&metadata[region]=eu", []string{"Acme One"}},
		{"orgName=acme&userId=" + userTwo, []string{"Acme Two"}},
		{"isActive=false&userId=" + userTwo, []string{}},
		{"orgName=o&metadata[region]=eu&userId=" + userOne + "&limit=1.0", []string{"Acme One"}},
		{"orgName=" + url.QueryEscape("me ") + "&metadata[region]=eu&isActive=true&userId=" + userTwo, []string{"Acme Two"}},
	} {
		t.Run(c.query[:min(len(c.query), 60)], func(t *testing.T) {
			if got := a.nameList(t, c.query); !slices.Equal(got, c.want) {
				t.Errorf("%s: %q, want %q", c.query, got, c.want)
			}
		})
	}
}

// A cursor is valid only with the filters of its list, in any order. The Link repeats all
// filters.
func TestFiltersInWalks(t *testing.T) {
	t.Parallel()
	a := newAPI(t)
	for i := range 5 {
		path := "/v1/orgs/" + a.do(t, http.MethodPost, "/v1/orgs", fmt.Sprintf(`{"orgName":"Acme %d","metadata":{"a":"1","b,c":"2 &"}}`, i)).organization(t, 201).OrgID
		a.do(t, http.MethodPost, path+"/users", member(userOne)).ok(t)
	}
	query := "orgName=acme&isActive=true&metadata[a]=1&metadata%5Bb%2Cc%5D=2+%26&userId=" + userOne
	if ids := a.walk(t, "limit=2&"+query); len(ids) != 5 {
		t.Errorf("the walk saw %d organizations, want 5", len(ids))
	}
	first := a.get(t, "/v1/orgs?limit=2&"+query)
	cursor := first.page(t).Cursor
	target := strings.TrimSuffix(strings.TrimPrefix(first.header.Get("Link"), "<"+publicURL), `>; rel="next"`)
	if p := a.get(t, target).page(t); len(p.Organizations) != 2 || p.Organizations[0]["orgName"] != "Acme 2" {
		t.Errorf("the link %s leads to %+v", target, p)
	}
	a.get(t, "/v1/orgs?userId="+userOne+"&metadata%5Bb%2Cc%5D=2%20%26&metadata[a]=1&isActive=true&orgName=acme&cursor="+cursor).page(t)
	for _, other := range []string{
		"orgName=acme&isActive=true&metadata[a]=1&metadata%5Bb%2Cc%5D=2+%26&userId=" + userTwo,
		"orgName=acme&isActive=true&metadata[a]=1&metadata%5Bb%2Cc%5D=2+%26",
		"orgName=acme&isActive=true&metadata[a]=1&userId=" + userOne,
		"orgName=acme&isActive=true&metadata[a]=2&metadata%5Bb%2Cc%5D=2+%26&userId=" + userOne,
		"",
	} {
		t.Run(other, func(t *testing.T) {
			a.get(t, "/v1/orgs?cursor="+cursor+"&"+other).rejected(t, 400, "invalid_cursor")
		})
	}
}

func TestInvalidFilters(t *testing.T) {
	t.Parallel()
	a := newAPI(t)
	var many []string
	for i := range 51 {
		many = append(many, fmt.Sprintf("metadata[k%02d]=v", i))
	}
	for _, c := range []struct{ query, want string }{
		{"userId=", "invalid_parameter userId required"},
		{"userId=+u", "invalid_parameter userId invalid"},
		{"userId=u%00", "invalid_parameter userId invalid"},
		{"userId=u%FF", "invalid_parameter userId invalid"},
		{"userId=" + strings.Repeat("u", 256), "invalid_parameter userId too_long"},
		{"userId=" + userOne + "&userId=" + userOne, "repeated_parameter userId repeated"},
		{"metadata=x", "unknown_parameter metadata unknown"},
		{"metadata[=x", "unknown_parameter metadata[ unknown"},
		{"metadata[a=x", "unknown_parameter metadata[a unknown"},
		{"metadata.a=x", "unknown_parameter metadata.a unknown"},
		{"metadata[a]b=x", "unknown_parameter metadata[a]b unknown"},
		{"Metadata[a]=x", "unknown_parameter Metadata[a] unknown"},
		{"metadata[]=x", "invalid_parameter metadata[] invalid"},
		{"metadata[a][]=x", "unknown_parameter metadata[a][] unknown"},
		{"metadata[a][]=x&metadata[a][]=y", "unknown_parameter metadata[a][] unknown"},
		{"metadata[a][ne]=x", "unknown_parameter metadata[a][ne] unknown"},
		{"metadata%5Ba%5D%5Bne%5D=x", "unknown_parameter metadata[a][ne] unknown"},
		{"metadata[[a]]=x", "unknown_parameter metadata[[a]] unknown"},
		{"metadata[a]b]=x", "unknown_parameter metadata[a]b] unknown"},
		{"metadata[a]=x&metadata[a]=x", "repeated_parameter metadata[a] repeated"},
		{"metadata[a]=x&metadata%5Ba%5D=y", "repeated_parameter metadata[a] repeated"},
		{"metadata[a%00]=x", "invalid_parameter metadata[a\x00] invalid"},
		{"metadata[a]=%00", "invalid_parameter metadata[a] invalid"},
		{"metadata[a]=%ff", "invalid_parameter metadata[a] invalid"},
		{"metadata[a]=" + strings.Repeat("x", 1001), "invalid_parameter metadata[a] too_long"},
		{"metadata[" + strings.Repeat("x", 101) + "]=", "invalid_parameter metadata[" + strings.Repeat("x", 90) + "… too_long"},
		{strings.Join(many, "&"), "invalid_parameter metadata[k50] too_many"},
	} {
		t.Run(c.query[:min(len(c.query), 60)], func(t *testing.T) {
			p := a.get(t, "/v1/orgs?"+c.query).rejected(t, 400, strings.Fields(c.want)[0])
			if len(p.Errors) != 1 {
				t.Errorf("%s: errors %+v", c.query, p.Errors)
				return
			}
			if nested := strings.Count(p.Errors[0].Field, "]") > 1; nested != strings.Contains(p.Detail, "Filtering by a key that contains a bracket is not supported.") {
				t.Errorf("%s: %s", c.query, p.Detail)
			}
			if got := p.Code + " " + p.Errors[0].Field + " " + p.Errors[0].Code; got != c.want {
				t.Errorf("%s: %s, want %s", c.query, got, c.want)
			}
		})
	}
	a.get(t, "/v1/orgs?"+strings.Join(many[:50], "&")+"&metadata%5B"+"%5D=").rejected(t, 400, "invalid_parameter")
	a.get(t, "/v1/orgs?"+strings.Join(many[:50], "&")).page(t)
}

func TestNamesAreFoundAsPeopleTypeThem(t *testing.T) {
	t.Parallel()
	a := newAPI(t)
	for _, c := range []struct {
		name  string
		typed []string
		other []string // do not find the name
	}{
		{"Åkesson  &\u00a0Søn", []string{"akesson & son", "  ÅKESSON ", "ø"}, []string{"aakesson"}},
		{"O’Neill – Co\u00adop “Nord”", []string{"o'neill - coop", `"nord"`, "O’NEILL", "—"}, []string{"oneill"}},
		{"ООО «Семён и Йод»", []string{`"семен`, "йод"}, []string{"иод"}},
		{"מפעלי שָׁלוֹם בע״מ", []string{"שלום", `בע"מ`}, nil},
		{"مؤسسة الكتاب", []string{"موسسه", "الکتاب"}, nil},
		{"각시 ㈜", []string{"각", "(주)"}, []string{"가"}},
		{"ガス株式会社", []string{"ｶﾞｽ", "ガ"}, []string{"カス"}},
		{"हिन्दी", []string{"हिन्दी"}, []string{"हन्द"}},
	} {
		body, err := json.Marshal(map[string]string{"orgName": c.name})
		if err != nil {
			t.Fatal(err)
		}
		a.do(t, http.MethodPost, "/v1/orgs", string(body)).organization(t, 201)
		for _, typed := range c.typed {
			if p := a.get(t, "/v1/orgs?orgName="+url.QueryEscape(typed)).page(t); len(p.Organizations) == 0 || p.Organizations[0]["orgName"] != c.name {
				t.Errorf("%q does not find %q: %+v", typed, c.name, p)
			}
		}
		for _, typed := range c.other {
			if p := a.get(t, "/v1/orgs?orgName="+url.QueryEscape(typed)).page(t); len(p.Organizations) != 0 {
				t.Errorf("%q finds %q", typed, p.Organizations[0]["orgName"])
			}
		}
	}
}

// Each filter finds the account's own organizations, and none of another account with the
// same organizations and members.
func TestFiltersKeepTenantsApart(t *testing.T) {
	t.Parallel()
	a := newAPI(t)
	other := &api{DB: a.DB, url: a.url, account: a.Account(t), log: a.log}
	other.key = a.Key(t, other.account)
	accounts := []*api{a, other}
	acme, bare := map[*api]string{}, map[*api]string{}
	for _, account := range accounts {
		acme[account] = account.do(t, http.MethodPost, "/v1/orgs", `{"orgName":"Acme","metadata":{"region":"eu"},"externalId":"crm/1"}`).organization(t, 201).OrgID
		account.do(t, http.MethodPost, "/v1/orgs/"+acme[account]+"/users", member(userOne)).ok(t)
		account.do(t, http.MethodPost, "/v1/orgs/"+acme[account]+"/deactivate", "").organization(t, 200)
		bare[account] = account.do(t, http.MethodPost, "/v1/orgs", `{"orgName":"Bare"}`).organization(t, 201).OrgID
	}
	both := "orgId=" + acme[a] + "&orgId=" + acme[other]
	for _, c := range []struct {
		query string
		want  map[*api]string
	}{
		{both, acme},
		{both + "&userId=" + userOne, acme},
		{"orgName=ac", acme},
		{"isActive=false", acme},
		{"isActive=true", bare},
		{"userId=" + userOne, acme},
		{"userId=" + userOne + "&isActive=false", acme},
		{"userId=" + userOne + "&orgName=ac", acme},
		{"metadata[region]=eu", acme},
		{"externalId=crm/1", acme},
		{"externalId=crm/1&userId=" + userOne, acme},
		{"orgName=acme&metadata[region]=eu&isActive=false&userId=" + userOne, acme},
	} {
		t.Run(c.query[:min(len(c.query), 60)], func(t *testing.T) {
			for _, account := range accounts {
				got := account.get(t, "/v1/orgs?"+c.query)
				if p := got.page(t); len(p.Organizations) != 1 || p.Organizations[0]["orgId"] != c.want[account] {
					t.Errorf("%s: %s, want only %s", c.query, got.body, c.want[account])
				}
			}
		})
	}
}

func TestLimit(t *testing.T) {
	t.Parallel()
	a := newAPI(t)
	for range 3 {
		a.Org(t, a.account, orgs.Org{})
	}
	for _, good := range []string{"1", "20", "20.0", "100", "100.000"} {
		if got := a.get(t, "/v1/orgs?limit="+good); got.status != http.StatusOK {
			t.Errorf("limit=%s: %d %s", good, got.status, got.body)
		}
	}
	for _, bad := range []string{"0", "101", "-1", "20.5", "1e1", "abc", "", "%2B20", "+20", "020", "20.", ".5", "1_0", "0x10", "99999999999999999999", "١", "20,0", "NaN"} {
		t.Run("limit="+bad, func(t *testing.T) {
			p := a.get(t, "/v1/orgs?limit="+bad).rejected(t, http.StatusBadRequest, "invalid_parameter")
			if len(p.Errors) != 1 || p.Errors[0].Field != "limit" {
				t.Errorf("limit=%s: errors %+v", bad, p.Errors)
			}
		})
	}
	p := a.get(t, "/v1/orgs?limit=1&limit=1").rejected(t, http.StatusBadRequest, "repeated_parameter")
	if len(p.Errors) != 1 || p.Errors[0].Field != "limit" {
		t.Errorf("repeated: errors %+v", p.Errors)
	}
}

func TestInvalidListParametersAreRejected(t *testing.T) {
	t.Parallel()
	a := newAPI(t)
	for query, code := range map[string]string{
		"isActive=TRUE":                       "invalid_parameter",
		"isActive=1":                          "invalid_parameter",
		"isActive=":                           "invalid_parameter",
		"orgName=":                            "invalid_parameter",
		"orgName=%CC%81":                      "invalid_parameter",
		"orgName=%20":                         "invalid_parameter",
		"orgName=%C2%AD":                      "invalid_parameter", // a soft hyphen
		"orgName=%00":                         "invalid_parameter",
		"orgName=%ff":                         "invalid_parameter",
		"orgName=" + strings.Repeat("a", 256): "invalid_parameter",
		"orgname=acme":                        "unknown_parameter",
		"is_active=true":                      "unknown_parameter",
		"api_key=orgd_x":                      "unknown_parameter",
		"limit=1&offset=3":                    "unknown_parameter",
		"orgName=a&orgName=b":                 "repeated_parameter",
		"cursor=":                             "invalid_cursor",
		"limit=%zz":                           "invalid_request",
		"limit=1;isActive=true":               "invalid_request",
	} {
		t.Run(query, func(t *testing.T) {
			a.get(t, "/v1/orgs?"+query).rejected(t, http.StatusBadRequest, code)
		})
	}
	for _, good := range []string{"orgName=" + strings.Repeat("%C3%A9", 255), "isActive=false", "orgName=%25", "orgName=a%20b", "orgName=a+b"} {
		if got := a.get(t, "/v1/orgs?"+good); got.status != http.StatusOK {
			t.Errorf("%s: %d %s", good, got.status, got.body)
		}
	}
	all := a.get(t, "/v1/orgs?limit=0&isActive=x&zzz=1").problem(t)
	var fields []string
	for _, e := range all.Errors {
		fields = append(fields, e.Field)
	}
	if !slices.Equal(fields, []string{"isActive", "limit", "zzz"}) {
		t.Errorf("errors for the fields %v, want one for each wrong parameter", fields)
	}
}

func TestForeignCursors(t *testing.T) {
	t.Parallel()
	a := newAPI(t)
	for range 3 {
		a.Org(t, a.account, orgs.Org{Name: "Acme", IsActive: true})
	}
	cursor := a.get(t, "/v1/orgs?limit=1").page(t).Cursor
	if again := a.get(t, "/v1/orgs?limit=2&cursor="+cursor).page(t); len(again.Organizations) != 2 {
		t.Errorf("with another limit, the next page has %d organizations, want 2", len(again.Organizations))
	}
	rejected := []string{"x", cursor[1:], cursor[:len(cursor)-1], cursor + "A", cursor + "%3D", cursor + "%0A", "%ff", "%00", strings.Repeat("A", 44), strings.Repeat("A", 8000)}
	raw, err := base64.RawURLEncoding.DecodeString(cursor)
	if err != nil {
		t.Fatal(err)
	}
	for bit := range len(raw) * 8 {
		altered := slices.Clone(raw)
		altered[bit/8] ^= 1 << (bit % 8)
		rejected = append(rejected, base64.RawURLEncoding.EncodeToString(altered))
	}
	for _, c := range rejected {
		t.Run(c[:min(len(c), 60)], func(t *testing.T) {
			a.get(t, "/v1/orgs?limit=1&cursor="+c).rejected(t, http.StatusBadRequest, "invalid_cursor")
		})
	}
	for _, filter := range []string{"isActive=true", "orgName=acme"} {
		t.Run(filter, func(t *testing.T) {
			a.get(t, "/v1/orgs?"+filter+"&cursor="+cursor).rejected(t, http.StatusBadRequest, "invalid_cursor")
		})
	}
	other := a.Key(t, a.Account(t))
	a.call(t, http.MethodGet, "/v1/orgs?cursor="+cursor, "Authorization", "Bearer "+other).
		rejected(t, http.StatusBadRequest, "invalid_cursor")
	another := a.Key(t, a.account, apikeys.OrgsRead)
	if got := a.call(t, http.MethodGet, "/v1/orgs?cursor="+cursor, "Authorization", "Bearer "+another); got.status != http.StatusOK {
		t.Errorf("with another key of the account: %d %s", got.status, got.body)
	}
}
