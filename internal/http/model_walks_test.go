package http_test

import (
	"cmp"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"orgd/internal/orgs"
	"orgd/internal/uuid"
	"orgd/internal/wire"
)

// walk is a walk through the pages of a list. While others write, a walk guarantees
// (docs/api.md):
//  1. no entry appears twice;
//  2. an entry that exists before the first page, is not deleted and
//     keeps matching appears exactly once;
//  3. the order is strict;
//  4. no entry of another account appears.
//
// Every call is complete before the next one, so the model can predict each page exactly.
// The four guarantees are also checked separately.
type walk struct {
	account *modelAccount
	path    string
	query   url.Values
	listed  func(testing.TB) []entry // returns what the list has according to the model
	read    func(testing.TB, answer) ([]entry, string)
	learn   func(served []entry) // if not nil, records the values that the server chose

	order    string // the parameter order; empty for the default
	backward bool   // the walk goes to the beginning of the list

	begun, done bool
	cursor      string
	last        *entry
	seen, owed  map[position]bool

	previous string // the cursor in the link to the previous page, from the last page that was read
	first    *entry // the first entry of the last page that was read
}

// entry is an organization or a member in a list.
type entry struct {
	position
	org   organization // zero for a member
	roles []string     // of a member
}

// position is the place of an entry in its list. at is a time in microseconds, and name is
// the name in the orders by name. A member who is removed and added again is a new entry.
// In the orders by name, so is an organization with a new name.
type position struct {
	at   int64
	name string
	id   string
}

// precedes reports whether p comes before q in the list.
func (w *walk) precedes(p, q position) bool {
	order, ascending := strings.CutPrefix(w.order, "-")
	ascending = !ascending && order != ""
	c := cmp.Compare(p.at, q.at)
	switch order {
	case "orgName":
		c = strings.Compare(p.name, q.name)
	case "userId":
		c = 0
	}
	c = cmp.Or(c, strings.Compare(p.id, q.id))
	return c < 0 == ascending && c != 0
}

// reaches reports whether the walk reaches q after p.
func (w *walk) reaches(p, q position) bool {
	if w.backward {
		return w.precedes(q, p)
	}
	return w.precedes(p, q)
}

func (w *walk) byName() bool { return strings.HasSuffix(w.order, "orgName") }

// listFilter is a set of filters for the list of organizations.
type listFilter struct {
	name     string
	active   *bool
	user     string
	metadata map[string]string
	external string
	ids      []string
	nameIs   string
	from, to string // createdFrom and createdTo
	order    string
}

func (a *modelAccount) drawFilter(t *rapid.T) listFilter {
	var ids []string
	for _, o := range a.orgs {
		if rapid.Bool().Draw(t, "pick") {
			ids = append(ids, o.OrgID)
		}
	}
	ids = append(ids, orgID(uuid.NewV7())) // unknown
	bounds := []string{"", "", "", "2020-01-01T00:00:00Z", "2200-01-01T00:00:00Z"}
	for _, o := range a.orgs {
		bounds = append(bounds, o.CreatedAt)
	}
	return listFilter{
		nameIs:   rapid.SampledFrom([]string{"", "", "", "ACME", "zürich"}).Draw(t, "orgNameIs"),
		from:     rapid.SampledFrom(bounds).Draw(t, "createdFrom"),
		to:       rapid.SampledFrom(bounds).Draw(t, "createdTo"),
		order:    rapid.SampledFrom([]string{"", "", "-createdAt", "createdAt", "orgName", "-orgName"}).Draw(t, "order"),
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
	for name, value := range map[string]string{"orgNameIs": f.nameIs, "createdFrom": f.from, "createdTo": f.to, "order": f.order} {
		if value != "" {
			query.Set(name, value)
		}
	}
	return query
}

func (f listFilter) matches(t testing.TB, o *modelOrg) bool {
	createdAt := readTime(t, o.CreatedAt)
	if f.from != "" && createdAt.Before(readTime(t, f.from)) || f.to != "" && !createdAt.Before(readTime(t, f.to)) ||
		f.nameIs != "" && orgs.Fold(f.nameIs) != orgs.Fold(o.OrgName) {
		return false
	}
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
	w := &walk{account: a, path: "/v1/orgs", query: f.query(), order: f.order}
	w.read = func(t testing.TB, got answer) ([]entry, string) {
		entries, cursor := readOrgs(t, got)
		for i := range entries {
			entries[i] = w.entry(t, entries[i].org)
		}
		return entries, cursor
	}
	w.listed = func(t testing.TB) []entry {
		var listed []entry
		for _, o := range a.orgs {
			if f.matches(t, o) {
				e := w.entry(t, o.organization)
				if f.user != "" {
					e.org.Membership = &membership{Roles: o.roles[f.user], AddedAt: string(wire.AppendTime(nil, o.members[f.user]))}
				}
				listed = append(listed, e)
			}
		}
		return w.sorted(listed)
	}
	return w
}

// memberWalk returns a new walk through the organization's members. It filters by role
// and by user id unless these are empty.
func (o *modelOrg) memberWalk(role string, users []string, order string) *walk {
	query := url.Values{}
	if order != "" {
		query.Set("order", order)
	}
	if role != "" {
		query.Set("role", role)
	}
	if users != nil {
		query["userId"] = users
	}
	w := &walk{account: o.account, path: o.path() + "/users", query: query, read: readMembers, order: order}
	w.listed = func(testing.TB) []entry {
		var listed []entry
		for user, at := range o.members {
			if (role == "" || slices.Contains(o.roles[user], role)) && (users == nil || slices.Contains(users, user)) {
				listed = append(listed, entry{position: positionOf(at, user), roles: o.roles[user]})
			}
		}
		return w.sorted(listed)
	}
	return w
}

func (w *walk) entry(t testing.TB, o organization) entry {
	e := entry{position: positionOf(readTime(t, o.CreatedAt), o.OrgID), org: o}
	if w.byName() {
		e.name = orgs.Fold(o.OrgName)
	}
	return e
}

func positionOf(at time.Time, id string) position { return position{at: at.UnixMicro(), id: id} }

func (w *walk) sorted(entries []entry) []entry {
	slices.SortFunc(entries, func(a, b entry) int {
		if w.precedes(a.position, b.position) {
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
		entries = append(entries, (&walk{}).entry(t, o))
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
	switch {
	case w.backward:
		query.Set("before", w.cursor)
	case w.cursor != "":
		query.Set("cursor", w.cursor)
	}
	return query
}

// page reads the next page, and checks it against the model and the guarantees.
func (w *walk) page(m *model, by *modelClient, limit int) {
	answer := m.as(by, w.path+"?"+w.pageQuery(limit).Encode())
	got, cursor := w.read(m.t, answer)
	next, previous := answer.linked(m.t, "next").Get("cursor"), answer.linked(m.t, "prev").Get("before")
	if next != cursor {
		m.t.Fatalf("the link to the next page has the cursor %q, want %q", next, cursor)
	}
	if w.learn != nil {
		w.learn(got)
	}
	want := w.listed(m.t)
	if !w.begun {
		w.begin(want)
	}
	want = slices.DeleteFunc(want, func(e entry) bool { return w.last != nil && !w.reaches(w.last.position, e.position) })
	follows, precedes := len(want) > limit, w.cursor != "" && len(want) > 0
	if w.backward {
		follows, precedes = len(want) > 0, follows
		want = want[max(0, len(want)-limit):]
	} else {
		want = want[:min(len(want), limit)]
	}
	if diff := gocmp.Diff(want, got, gocmp.AllowUnexported(entry{}, position{}), cmpopts.EquateEmpty()); diff != "" || follows != (cursor != "") || precedes != (previous != "") {
		m.t.Fatalf("%s?%s, cursor %q, previous %q (-want +got):\n%s", w.path, w.query.Encode(), cursor, previous, diff)
	}
	w.previous, w.cursor = previous, cursor
	if len(got) > 0 {
		w.first = &got[0]
	}
	if w.backward {
		w.cursor = previous
		got = slices.Clone(got)
		slices.Reverse(got)
	}
	for _, e := range got {
		w.pass(m.t, e)
	}
	w.done = w.cursor == ""
	if w.done && len(w.owed) > 0 {
		m.t.Fatalf("the walk of %s?%s ended without %v", w.path, w.query.Encode(), w.owed)
	}
}

// begin records the entries that the walk must return.
func (w *walk) begin(listed []entry) {
	w.begun, w.seen, w.owed = true, map[position]bool{}, map[position]bool{}
	for _, e := range listed {
		if w.last == nil || w.reaches(w.last.position, e.position) {
			w.owed[e.position] = true
		}
	}
}

// back returns a new walk from the last page that was read to the beginning of the list.
func (w *walk) back() *walk {
	back := *w
	back.backward, back.begun, back.done, back.learn = true, false, false, nil
	back.cursor, back.last = w.previous, w.first
	return &back
}

func (w *walk) pass(t testing.TB, e entry) {
	if w.seen[e.position] || w.last != nil && !w.reaches(w.last.position, e.position) {
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
