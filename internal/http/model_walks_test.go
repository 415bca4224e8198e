package http_test

import (
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"orgd/internal/orgs"
	"orgd/internal/uuid"
	"orgd/internal/wire"
)

// walk is a walk through the pages of a list. While others write, a walk promises
// (docs/api.md):
//  1. no entry appears twice;
//  2. an entry that exists before the first page, is not deleted and
//     keeps matching appears exactly once;
//  3. the order is strict;
//  4. no entry of another account appears.
//
// Over HTTP a new entry is always the newest one, so the model can predict each page
// exactly. The four promises are also checked separately.
type walk struct {
	account *modelAccount
	path    string
	query   url.Values
	listed  func(testing.TB) []entry // returns what the list has according to the model
	read    func(testing.TB, answer) ([]entry, string)
	learn   func(served []entry) // if not nil, takes over the values that the server chose

	begun, done bool
	cursor      string
	last        *entry
	seen, owed  map[position]bool
}

// entry is an organization or a member in a list.
type entry struct {
	position
	org   organization // zero for a member
	roles []string     // of a member
}

// position is the place of an entry in its list. at is a time in microseconds. A member
// who is removed and added again is a new entry.
type position struct {
	at int64
	id string
}

// precedes reports whether p comes before q in the list.
func (p position) precedes(q position) bool { return p.at > q.at || p.at == q.at && p.id > q.id }

// listFilter is a set of filters for the list of organizations.
type listFilter struct {
	name     string
	active   *bool
	user     string
	metadata map[string]string
	external string
	ids      []string
}

func (a *modelAccount) drawFilter(t *rapid.T) listFilter {
	var ids []string
	for _, o := range a.orgs {
		if rapid.Bool().Draw(t, "pick") {
			ids = append(ids, o.OrgID)
		}
	}
	ids = append(ids, orgID(uuid.NewV7())) // unknown
	return listFilter{
		name:     rapid.SampledFrom([]string{"", "", "acme", "ZUR", "a", "%", "_"}).Draw(t, "orgName"),
		active:   rapid.Ptr(rapid.Bool(), true).Draw(t, "isActive"),
		user:     rapid.SampledFrom([]string{"", "", userOne, userTwo}).Draw(t, "userId"),
		external: rapid.SampledFrom([]string{"", "", "", modelExternals[0], modelExternals[1]}).Draw(t, "externalId"),
		ids:      rapid.SampledFrom([][]string{nil, nil, nil, ids}).Draw(t, "orgId"),
		metadata: rapid.SampledFrom([]map[string]string{
			nil, nil, {"plan": "pro"}, {"region": "eu"}, {"plan": "free", "region": "eu"}, {"plan": "pro", "region": "eu"}, {"Ключ": ""},
		}).Draw(t, "metadata"),
	}
}

func (f listFilter) query() url.Values {
	query := url.Values{}
	if f.name != "" {
		query.Set("orgName", f.name)
	}
	if f.active != nil {
		query.Set("isActive", strconv.FormatBool(*f.active))
	}
	if f.user != "" {
		query.Set("userId", f.user)
	}
	if f.external != "" {
		query.Set("externalId", f.external)
	}
	if f.ids != nil {
		query["orgId"] = f.ids
	}
	for key, value := range f.metadata {
		query.Set("metadata["+key+"]", value)
	}
	return query
}

func (f listFilter) matches(o *modelOrg) bool {
	for key, value := range f.metadata {
		if got, ok := o.Metadata[key]; !ok || got != value {
			return false
		}
	}
	if f.ids != nil && !slices.Contains(f.ids, o.OrgID) {
		return false
	}
	if _, isMember := o.members[f.user]; f.user != "" && !isMember {
		return false
	}
	return strings.Contains(orgs.Fold(o.OrgName), orgs.Fold(f.name)) && (f.external == "" || f.external == o.ExternalID) &&
		(f.active == nil || *f.active == o.IsActive)
}

// walk returns a new walk through the account's organizations.
func (a *modelAccount) walk(f listFilter) *walk {
	return &walk{account: a, path: "/v1/orgs", query: f.query(), read: readOrgs, listed: func(t testing.TB) []entry {
		var listed []entry
		for _, o := range a.orgs {
			if f.matches(o) {
				e := o.entry(t)
				if f.user != "" {
					e.org.Membership = &membership{Roles: o.roles[f.user], AddedAt: string(wire.AppendTime(nil, o.members[f.user]))}
				}
				listed = append(listed, e)
			}
		}
		return sorted(listed)
	}}
}

// memberWalk returns a new walk through the organization's members. It filters by role
// and by user id unless these are empty.
func (o *modelOrg) memberWalk(role string, users []string) *walk {
	query := url.Values{}
	if role != "" {
		query.Set("role", role)
	}
	if users != nil {
		query["userId"] = users
	}
	return &walk{account: o.account, path: o.path() + "/users", query: query, read: readMembers, listed: func(testing.TB) []entry {
		var listed []entry
		for user, at := range o.members {
			if (role == "" || slices.Contains(o.roles[user], role)) && (users == nil || slices.Contains(users, user)) {
				listed = append(listed, entry{position: positionOf(at, user), roles: o.roles[user]})
			}
		}
		return sorted(listed)
	}}
}

func (o *modelOrg) entry(t testing.TB) entry {
	return entry{position: positionOf(readTime(t, o.CreatedAt), o.OrgID), org: o.organization}
}

func positionOf(at time.Time, id string) position { return position{at: at.UnixMicro(), id: id} }

func sorted(entries []entry) []entry {
	slices.SortFunc(entries, func(a, b entry) int {
		if a.precedes(b.position) {
			return -1
		}
		return 1
	})
	return entries
}

func readOrgs(t testing.TB, got answer) ([]entry, string) {
	var page struct {
		HasMore       bool
		Cursor        string
		Organizations []organization
	}
	if got.status != 200 {
		t.Fatalf("status %d: %s", got.status, got.body)
	}
	got.decode(t, &page)
	if page.HasMore != (page.Cursor != "") {
		t.Fatalf("hasMore %v, cursor %q", page.HasMore, page.Cursor)
	}
	var entries []entry
	for _, o := range page.Organizations {
		entries = append(entries, entry{position: positionOf(readTime(t, o.CreatedAt), o.OrgID), org: o})
	}
	return entries, page.Cursor
}

func readMembers(t testing.TB, got answer) ([]entry, string) {
	page := got.members(t)
	var entries []entry
	for _, user := range page.Users {
		entries = append(entries, entry{position: positionOf(readTime(t, user.AddedAt), user.UserID), roles: user.Roles})
	}
	return entries, page.Cursor
}

func (w *walk) pageQuery(limit int) url.Values {
	query := url.Values{"limit": {fmt.Sprint(limit)}}
	for name, values := range w.query {
		query[name] = values
	}
	if w.cursor != "" {
		query.Set("cursor", w.cursor)
	}
	return query
}

// page reads the next page, and checks it against the model and the promises.
func (w *walk) page(m *model, by *modelClient, limit int) {
	answer := m.as(by, w.path+"?"+w.pageQuery(limit).Encode())
	got, cursor := w.read(m.t, answer)
	if link := answer.header.Get("Link"); (link != "") != (cursor != "") || !strings.Contains(link, cursor) {
		m.t.Fatalf("Link %q, cursor %q", link, cursor)
	}
	if w.learn != nil {
		w.learn(got)
	}
	want := w.listed(m.t)
	if !w.begun {
		w.begun, w.seen, w.owed = true, map[position]bool{}, map[position]bool{}
		for _, e := range want {
			w.owed[e.position] = true
		}
	}
	want = slices.DeleteFunc(want, func(e entry) bool { return w.last != nil && !w.last.precedes(e.position) })
	more := len(want) > limit
	want = want[:min(len(want), limit)]
	for _, e := range got {
		w.pass(m.t, e)
	}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(entry{}, position{}), cmpopts.EquateEmpty()); diff != "" || more != (cursor != "") {
		m.t.Fatalf("%s?%s, cursor %q (-want +got):\n%s", w.path, w.query.Encode(), cursor, diff)
	}
	w.cursor, w.done = cursor, cursor == ""
	if w.done && len(w.owed) > 0 {
		m.t.Fatalf("the walk of %s?%s ended and never saw %v", w.path, w.query.Encode(), w.owed)
	}
}

func (w *walk) pass(t testing.TB, e entry) {
	if w.seen[e.position] || w.last != nil && !w.last.precedes(e.position) {
		t.Fatalf("%v came twice or out of order, after %v", e.position, w.last.position)
	}
	delete(w.owed, e.position)
	w.seen[e.position], w.last = true, &e
}

// forgive removes the entries that no longer match from those that the walk must still
// return.
func (w *walk) forgive(t testing.TB) {
	listed := map[position]bool{}
	for _, e := range w.listed(t) {
		listed[e.position] = true
	}
	for p := range w.owed {
		if !listed[p] {
			delete(w.owed, p)
		}
	}
}

// walkAll reads all pages of a walk.
func (m *model) walkAll(w *walk) {
	for !w.done {
		w.page(m, w.account.clients[0], 100)
	}
}
