package http_test

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"orgd/internal/orgs"
	"orgd/internal/wire"
)

// orderedNames returns the names of the organizations that the query lists, in order.
func (a *api) orderedNames(t testing.TB, query string) []string {
	t.Helper()
	names := []string{}
	for _, o := range a.get(t, "/v1/orgs?"+query).page(t).Organizations {
		names = append(names, o["orgName"].(string))
	}
	return names
}

func TestOrderOfOrganizations(t *testing.T) {
	t.Parallel()
	a := newAPI(t)
	start := time.Date(2026, 3, 1, 9, 30, 0, 0, time.UTC)
	for i, name := range []string{"Bramble", "akerson", "Zürich", "Åkesson", "東京", "apple"} {
		a.Org(t, a.account, orgs.Org{Name: name, IsActive: true, CreatedAt: start.Add(time.Duration(i) * time.Hour)})
	}
	at := func(hours int) string {
		return url.QueryEscape(string(wire.AppendTime(nil, start.Add(time.Duration(hours)*time.Hour))))
	}
	for query, want := range map[string][]string{
		"":                        {"apple", "東京", "Åkesson", "Zürich", "akerson", "Bramble"},
		"order=-createdAt":        {"apple", "東京", "Åkesson", "Zürich", "akerson", "Bramble"},
		"order=createdAt":         {"Bramble", "akerson", "Zürich", "Åkesson", "東京", "apple"},
		"order=orgName&orgName=a": {"akerson", "Åkesson", "apple", "Bramble"},
		"order=-orgName":          {"東京", "Zürich", "Bramble", "apple", "Åkesson", "akerson"},
		"orgNameIs=%C3%A5kesson":  {"Åkesson"},
		"orgNameIs=akess":         {},
		"createdFrom=" + at(1):    {"apple", "東京", "Åkesson", "Zürich", "akerson"},
		"createdTo=" + at(1):      {"Bramble"},
		"createdFrom=" + at(1) + "&createdTo=" + at(3) + "&order=orgName":  {"akerson", "Zürich"},
		"createdFrom=2026-03-01T11%3A30%3A00%2B01%3A00&createdTo=" + at(2): {"akerson"},
		"createdFrom=2026-03-01T09%3A30%3A00.0000001Z":                     {"apple", "東京", "Åkesson", "Zürich", "akerson"},
		"createdTo=2026-03-01T09%3A30%3A00.0000001Z":                       {"Bramble"},
		"createdFrom=" + at(3) + "&createdTo=" + at(1):                     {},
	} {
		t.Run(query, func(t *testing.T) {
			got := a.orderedNames(t, query)
			if !slices.Equal(got, want) {
				t.Errorf("got %q, want %q", got, want)
			}
		})
	}
}

func TestOrderParametersAreChecked(t *testing.T) {
	t.Parallel()
	a := newAPI(t)
	path := a.create(t, "Acme")
	cursor := strings.Repeat("A", 44)
	for target, want := range map[string]string{
		"/v1/orgs?order=":                                 "invalid_parameter order invalid",
		"/v1/orgs?order=updatedAt":                        "invalid_parameter order invalid",
		"/v1/orgs?order=createdAt&order=createdAt":        "repeated_parameter order repeated",
		"/v1/orgs?before=":                                "invalid_cursor before invalid_cursor",
		"/v1/orgs?before=" + cursor + "&cursor=" + cursor: "invalid_parameter before invalid",
		"/v1/orgs?total=1":                                "invalid_parameter total invalid",
		"/v1/orgs?orgNameIs=":                             "invalid_parameter orgNameIs invalid",
		"/v1/orgs?createdFrom=2026-03-01":                 "invalid_parameter createdFrom invalid",
		"/v1/orgs?createdTo=2026-03-01T00:00:00+01:00":    "invalid_parameter createdTo invalid",
		path + "/users?order=createdAt":                   "invalid_parameter order invalid",
		path + "/users?order=-userId":                     "invalid_parameter order invalid",
		path + "/users?total=yes":                         "invalid_parameter total invalid",
	} {
		t.Run(target, func(t *testing.T) {
			p := a.get(t, target).rejected(t, 400, strings.Fields(want)[0])
			if len(p.Errors) != 1 || p.Code+" "+p.Errors[0].Field+" "+p.Errors[0].Code != want {
				t.Errorf("%s %+v, want %s", p.Code, p.Errors, want)
			}
		})
	}
	for _, target := range []string{"/v1/orgs?before=" + cursor, path + "/users?before=" + cursor} {
		t.Run(target, func(t *testing.T) { a.get(t, target).rejected(t, 400, "invalid_cursor") })
	}
}

func TestTotals(t *testing.T) {
	t.Parallel()
	a := newAPI(t)
	path := a.create(t, "Acme 0")
	for i := range 4 {
		a.create(t, fmt.Sprintf("Acme %d", i+1))
	}
	for _, user := range []string{userOne, userTwo} {
		a.do(t, http.MethodPost, path+"/users", member(user)).ok(t)
	}
	for target, want := range map[string]string{
		"/v1/orgs": "",
		"/v1/orgs?total=true&order=createdAt&limit=5": "5",
		"/v1/orgs?total=false":                        "",
		"/v1/orgs?total=true":                         "5",
		"/v1/orgs?total=true&limit=2":                 "5",
		"/v1/orgs?total=true&orgName=acme+3":          "1",
		"/v1/orgs?total=true&orgName=none":            "0",
		path + "/users?total=true":                    "2",
		path + "/users?total=true&role=none":          "0",
		path + "/users?total=true&userId=" + userOne:  "1",
	} {
		t.Run(target, func(t *testing.T) {
			for _, method := range []string{http.MethodGet, http.MethodHead} {
				got := a.call(t, method, target, "Authorization", "Bearer "+a.key)
				if total := got.header.Get("Orgd-Total"); got.status != 200 || total != want {
					t.Errorf("%s: %d with total %q, want %q", method, got.status, total, want)
				}
			}
		})
	}
}

// A client can go to the previous and the first page with the links alone.
func TestLinksInBothDirections(t *testing.T) {
	t.Parallel()
	a := newAPI(t)
	for i := range 5 {
		a.create(t, fmt.Sprintf("Acme %d", i))
	}
	follow := func(from answer, rel string) answer {
		query := from.linked(t, rel)
		if query == nil {
			t.Fatalf("no link %s in %q", rel, from.header.Get("Link"))
		}
		return a.get(t, "/v1/orgs?"+query.Encode())
	}
	names := func(from answer) (names []string) {
		for _, o := range from.page(t).Organizations {
			names = append(names, o["orgName"].(string))
		}
		return names
	}
	one := a.get(t, "/v1/orgs?order=orgName&limit=2&isActive=true")
	two := follow(one, "next")
	three := follow(two, "next")
	if got := slices.Concat(names(one), names(two), names(three)); !slices.Equal(got, []string{"Acme 0", "Acme 1", "Acme 2", "Acme 3", "Acme 4"}) {
		t.Fatalf("the pages have %q", got)
	}
	back := follow(three, "prev")
	for name, pair := range map[string][2]answer{
		"the second page": {two, back}, "the first page": {one, follow(back, "prev")}, "first": {one, follow(three, "first")}, "the third page": {three, follow(back, "next")},
	} {
		t.Run(name, func(t *testing.T) {
			if got, want := names(pair[1]), names(pair[0]); !slices.Equal(got, want) {
				t.Errorf("got %q, want %q", got, want)
			}
		})
	}
	if one.linked(t, "prev") != nil || one.linked(t, "first") != nil || follow(back, "prev").linked(t, "prev") != nil || three.linked(t, "next") != nil {
		t.Error("a link leads out of the list")
	}
}

// A user's organizations are not sorted by name if there are too many. A total above its
// limit is reported as a lower bound.
func TestTooManyToSortByName(t *testing.T) {
	t.Parallel()
	a := newAPI(t)
	a.Exec(t, `
WITH made AS (
	INSERT INTO orgs (account_id, org_id, org_name, org_name_folded, created_at)
	SELECT $1, gen_random_uuid(), 'Org ' || i, 'org ' || i, now() - i * interval '1 second' FROM generate_series(1, 10001) AS i
	RETURNING account_id, org_id, created_at
)
INSERT INTO org_members (account_id, org_id, user_id, org_created_at) SELECT account_id, org_id, $2, created_at FROM made`, a.account, userOne)
	p := a.get(t, "/v1/orgs?order=orgName&userId="+userOne).rejected(t, 400, "invalid_parameter")
	if len(p.Errors) != 1 || p.Errors[0].Field != "order" || p.Errors[0].Code != "too_many" {
		t.Errorf("errors %+v", p.Errors)
	}
	for query, want := range map[string]string{"total=true&limit=1": "10000+", "total=true&limit=1&userId=" + userOne: "2000+"} {
		t.Run(query, func(t *testing.T) {
			if total := a.get(t, "/v1/orgs?"+query).header.Get("Orgd-Total"); total != want {
				t.Errorf("total %q, want %q", total, want)
			}
		})
	}
}

// An empty page beyond the end links to the first page.
func TestEmptyPagesLinkToTheFirst(t *testing.T) {
	t.Parallel()
	a := newAPI(t)
	for i := range 3 {
		a.create(t, fmt.Sprintf("Acme %d", i))
	}
	page := a.get(t, "/v1/orgs?limit=2&order=orgName")
	a.Exec(t, "DELETE FROM orgs WHERE account_id = $1", a.account)
	empty := a.get(t, "/v1/orgs?limit=2&order=orgName&cursor="+page.page(t).Cursor)
	if first := empty.linked(t, "first"); len(empty.page(t).Organizations) != 0 || first == nil || first.Has("cursor") || first.Get("order") != "orgName" {
		t.Errorf("%s with Link %q", empty.body, empty.header.Get("Link"))
	}
}
