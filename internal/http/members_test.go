package http_test

import (
	"net/http"
	"strings"
	"testing"
)

func TestMembers(t *testing.T) {
	t.Parallel()
	a := newAPI(t)
	path := a.create(t, "Acme")
	if got := a.get(t, path+"/users"); string(got.body) != `{"hasMore":false,"users":[]}` {
		t.Errorf("members of a new organization: %s", got.body)
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
	for _, body := range []string{`{}`, `{"userId":null}`, `{"userId":""}`, `{"userId":" u"}`, `{"userId":"u\n1"}`, member(strings.Repeat("u", 256)), `{"userId":"` + userOne + `","role":"admin"}`} {
		t.Run(body, func(t *testing.T) {
			a.do(t, http.MethodPost, path+"/users", body).rejected(t, 422, "invalid_field")
			a.do(t, http.MethodDelete, path+"/users", body).rejected(t, 422, "invalid_field")
		})
	}
	a.do(t, http.MethodDelete, path+"/users", "").rejected(t, 400, "invalid_body")
	for query, code := range map[string]string{
		"limit=0": "invalid_parameter", "limit=101": "invalid_parameter", "cursor=x": "invalid_cursor", "cursor=": "invalid_cursor",
		"orgName=a": "unknown_parameter", "limit=1&limit=1": "repeated_parameter",
	} {
		t.Run(query, func(t *testing.T) {
			a.get(t, path+"/users?"+query).rejected(t, 400, code)
		})
	}
	a.get(t, a.create(t, "Other")+"/users?cursor="+first.Cursor).rejected(t, 400, "invalid_cursor")
}

// memberList is the body of a page of members.
type memberList struct {
	HasMore bool
	Cursor  string
	Users   []listedMember
}

type listedMember struct {
	UserID, AddedAt string
	Roles           []string
}

func (g answer) members(t testing.TB) memberList {
	t.Helper()
	if g.status != http.StatusOK {
		t.Fatalf("status %d: %s", g.status, g.body)
	}
	var m memberList
	g.decode(t, &m)
	if next := g.linked(t, "next").Get("cursor"); m.HasMore != (m.Cursor != "") || next != m.Cursor {
		t.Errorf("%s with Link %q", g.body, g.header.Get("Link"))
	}
	return m
}

// A deactivated organization accepts no new members, and the error tells clients not to
// retry.
func TestMembersOfADeactivatedOrganization(t *testing.T) {
	t.Parallel()
	a := newAPI(t)
	path := a.create(t, "Acme")
	a.do(t, http.MethodPost, path+"/users", member(userOne)).ok(t)
	a.do(t, http.MethodPost, path+"/deactivate", "").organization(t, 200)
	got := a.do(t, http.MethodPost, path+"/users", member(userTwo))
	got.rejected(t, 409, "org_inactive")
	if h := got.header.Get("X-Should-Retry"); h != "false" {
		t.Errorf("x-should-retry %q", h)
	}
	a.do(t, http.MethodPost, path+"/users", member(userOne)).ok(t)
	a.do(t, http.MethodDelete, path+"/users", member(userOne)).ok(t)
	if o := a.get(t, path).organization(t, 200); o.UserCount != 0 {
		t.Errorf("userCount %d", o.UserCount)
	}
}
