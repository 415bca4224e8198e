package orgs_test

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"orgd/internal/orgs"
	"orgd/internal/uuid"
)

// A walk makes these promises (docs/api.md) while others write, in either direction:
//  1. no organization is returned twice;
//  2. every organization that was committed before the first page, was not deleted and
//     kept matching is returned exactly once;
//  3. the order is strict;
//  4. no organization of another account is returned.
//
// In an order by name, the first two hold only for organizations that keep their names.
//
// The model keeps all organizations in memory and, for each walk, those that it must still
// return.

type model struct {
	bundle
	other uuid.UUID
	rows  map[uuid.UUID]orgs.Org
	users map[uuid.UUID][]string // the members of each organization
	walks []*walk
}

type walk struct {
	params   orgs.ListParams
	backward bool // towards the beginning of the list
	begun    bool
	done     bool
	owed     map[uuid.UUID]bool // must still be returned, by promise 2
	last     *orgs.Org
}

func (w *walk) byName() bool {
	return w.params.Order == orgs.ByName || w.params.Order == orgs.ByNameDescending
}

// follows reports whether the walk reaches b after a.
func (w *walk) follows(a, b orgs.Org) bool {
	if w.backward {
		a, b = b, a
	}
	return precedesIn(w.params.Order, a, b)
}

func (m *model) matches(w *walk, o orgs.Org) bool { return matches(w.params, o, m.users[o.ID]) }

var (
	// The long names are equal in the part that decides the order.
	modelNames    = []string{"Acme", "acme two", "Zürich AG", "Zurich", "a", "100%", "x_y", strings.Repeat("東", 50) + "1", strings.Repeat("東", 50) + "0"}
	modelFilters  = []string{"", "", "acme", "ZUR", "a", "%", "_", "ac"}
	modelMetadata = []orgs.Metadata{"{}", `{"plan": "pro"}`, `{"plan": "pro", "region": "eu"}`, `{"plan": ""}`}
	modelPairs    = []map[string]string{nil, nil, {"plan": "pro"}, {"plan": ""}, {"plan": "pro", "region": "eu"}}
	modelUsers    = []string{userN(1), userN(2)}
)

func (m *model) create(t *rapid.T) {
	o := orgs.Org{
		ID:       uuid.UUID(rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "id")),
		Name:     rapid.SampledFrom(modelNames).Draw(t, "name"),
		IsActive: rapid.Bool().Draw(t, "active"),
		Metadata: rapid.SampledFrom(modelMetadata).Draw(t, "metadata"),
		// There are few distinct times, so ties are common, and new rows appear both before
		// and after the position of a walk.
		CreatedAt: modelTime(t),
	}
	if _, taken := m.rows[o.ID]; taken {
		return
	}
	account := m.account
	if rapid.IntRange(0, 4).Draw(t, "account") == 0 {
		account = m.other
	}
	m.exec(t, `INSERT INTO orgs (account_id, org_id, org_name, org_name_folded, is_active, metadata, created_at) VALUES ($1, $2, $3, $4, $5, $6, $7)`,
		account, o.ID, o.Name, orgs.Fold(o.Name), o.IsActive, string(o.Metadata), o.CreatedAt)
	if account == m.account {
		m.rows[o.ID] = o
	}
}

func modelTime(t *rapid.T) time.Time {
	return time.UnixMicro(1_767_225_600_000_000 + rapid.Int64Range(0, 5).Draw(t, "micros")).UTC()
}

func (m *model) rename(t *rapid.T) {
	o, ok := m.pick(t)
	if !ok {
		return
	}
	o.Name = rapid.SampledFrom(modelNames).Draw(t, "name")
	for _, w := range m.walks {
		if w.byName() && orgs.Fold(o.Name) != orgs.Fold(m.rows[o.ID].Name) {
			delete(w.owed, o.ID)
		}
	}
	m.exec(t, `UPDATE orgs SET org_name = $3, org_name_folded = $4, updated_at = now() WHERE account_id = $1 AND org_id = $2`,
		m.account, o.ID, o.Name, orgs.Fold(o.Name))
	m.changed(o)
}

func (m *model) toggle(t *rapid.T) {
	o, ok := m.pick(t)
	if !ok {
		return
	}
	o.IsActive = !o.IsActive
	m.exec(t, `
WITH toggled AS (UPDATE orgs SET is_active = $3, updated_at = now() WHERE account_id = $1 AND org_id = $2)
UPDATE org_members SET org_activity = $4 WHERE account_id = $1 AND org_id = $2 AND org_activity <> -1`, m.account, o.ID, o.IsActive, orgs.ActivityOfMembers(1, o.IsActive))
	m.changed(o)
}

func (m *model) describe(t *rapid.T) {
	o, ok := m.pick(t)
	if !ok {
		return
	}
	o.Metadata = rapid.SampledFrom(modelMetadata).Draw(t, "metadata")
	m.exec(t, `UPDATE orgs SET metadata = $3, updated_at = now() WHERE account_id = $1 AND org_id = $2`, m.account, o.ID, string(o.Metadata))
	m.changed(o)
}

// join makes a user a member, or ends the membership.
func (m *model) join(t *rapid.T) {
	o, ok := m.pick(t)
	if !ok {
		return
	}
	user := rapid.SampledFrom(modelUsers).Draw(t, "user")
	if at := slices.Index(m.users[o.ID], user); at >= 0 {
		m.exec(t, `DELETE FROM org_members WHERE account_id = $1 AND org_id = $2 AND user_id = $3`, m.account, o.ID, user)
		m.users[o.ID] = slices.Delete(m.users[o.ID], at, at+1)
	} else {
		// -1 is the value in a large organization. Otherwise the row has the activity.
		activity := int16(-1)
		if rapid.Bool().Draw(t, "activity") {
			activity = orgs.ActivityOfMembers(1, o.IsActive)
		}
		m.exec(t, `INSERT INTO org_members (account_id, org_id, user_id, org_created_at, org_activity) VALUES ($1, $2, $3, $4, $5)`,
			m.account, o.ID, user, o.CreatedAt, activity)
		m.users[o.ID] = append(m.users[o.ID], user)
	}
	m.changed(o)
}

func (m *model) remove(t *rapid.T) {
	o, ok := m.pick(t)
	if !ok {
		return
	}
	m.exec(t, `DELETE FROM orgs WHERE account_id = $1 AND org_id = $2`, m.account, o.ID)
	delete(m.rows, o.ID)
	delete(m.users, o.ID)
	for _, w := range m.walks {
		delete(w.owed, o.ID)
	}
}

// changed records a change of an organization. A walk need not return an organization
// that no longer matches.
func (m *model) changed(o orgs.Org) {
	m.rows[o.ID] = o
	for _, w := range m.walks {
		if !m.matches(w, o) {
			delete(w.owed, o.ID)
		}
	}
}

func (m *model) begin(t *rapid.T) {
	w := &walk{params: orgs.ListParams{
		Limit:    rapid.IntRange(1, 4).Draw(t, "limit"),
		Name:     rapid.SampledFrom(modelFilters).Draw(t, "filter"),
		NameIs:   rapid.SampledFrom([]string{"", "", "", "ACME", modelNames[7]}).Draw(t, "nameIs"),
		Metadata: rapid.SampledFrom(modelPairs).Draw(t, "pairs"),
		Order:    rapid.SampledFrom([]orgs.Order{orgs.NewestFirst, orgs.OldestFirst, orgs.ByName, orgs.ByNameDescending}).Draw(t, "order"),
	}}
	for _, bound := range []**time.Time{&w.params.CreatedFrom, &w.params.CreatedTo} {
		if rapid.IntRange(0, 3).Draw(t, "bounded") == 0 {
			*bound = ptr(modelTime(t))
		}
	}
	if rapid.Bool().Draw(t, "byUser") {
		w.params.UserID = ptr(rapid.SampledFrom(modelUsers).Draw(t, "user"))
	}
	if rapid.Bool().Draw(t, "byActivity") {
		active := rapid.Bool().Draw(t, "wanted")
		w.params.IsActive = &active
	}
	m.walks = append(m.walks, w)
}

func (m *model) page(t *rapid.T) {
	if len(m.walks) == 0 {
		return
	}
	w := rapid.SampledFrom(m.walks).Draw(t, "walk")
	if w.done {
		return
	}
	if !w.begun {
		w.begin(t, m)
	}
	page := m.list(t, w.params)
	if w.backward {
		slices.Reverse(page.Orgs)
	}
	for _, o := range page.Orgs {
		want, ours := m.rows[o.ID]
		switch {
		case !ours:
			t.Fatalf("the page has %s, which is not in this account", o.ID)
		case !m.matches(w, o) || o.Name != want.Name || o.IsActive != want.IsActive || o.Metadata != want.Metadata:
			t.Fatalf("the page has %+v, stored is %+v, the list is %+v", o, want, w.params)
		case w.last != nil && !w.follows(*w.last, o):
			t.Fatalf("%s at %s came after %s at %s", o.ID, o.CreatedAt, w.last.ID, w.last.CreatedAt)
		}
		delete(w.owed, o.ID)
		w.last = &o
	}
	next := &w.params.Cursor
	if w.backward {
		next, page.Cursor = &w.params.Before, page.Before
	}
	*next = page.Cursor
	if page.Cursor != "" {
		w.params.Limit = rapid.IntRange(1, 4).Draw(t, "limit")
		return
	}
	w.done = true
	if len(w.owed) > 0 {
		t.Fatalf("the walk %+v ended without %d organizations", w.params, len(w.owed))
	}
}

// begin decides what the walk owes. A walk backward begins at the place of an organization.
func (w *walk) begin(t *rapid.T, m *model) {
	w.begun, w.owed = true, map[uuid.UUID]bool{}
	from, found := m.pick(t)
	if w.byName() && w.params.NameIs != "" { // the cursors have this name
		from.Name = w.params.NameIs
	}
	if w.backward = found && rapid.Bool().Draw(t, "backward"); w.backward {
		w.params.Before = w.params.TokenAt(m.account, from)
		w.last = &from
	}
	for id, o := range m.rows {
		if m.matches(w, o) && (w.last == nil || w.follows(*w.last, o)) {
			w.owed[id] = true
		}
	}
}

func (m *model) pick(t *rapid.T) (orgs.Org, bool) {
	if len(m.rows) == 0 {
		return orgs.Org{}, false
	}
	ids := make([]uuid.UUID, 0, len(m.rows))
	for id := range m.rows {
		ids = append(ids, id)
	}
	slices.SortFunc(ids, func(a, b uuid.UUID) int { return slices.Compare(a[:], b[:]) })
	return m.rows[rapid.SampledFrom(ids).Draw(t, "org")], true
}

func (m *model) exec(t *rapid.T, sql string, args ...any) {
	if _, err := m.Pool.Exec(context.Background(), sql, args...); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
}

func TestWalkKeepsItsPromises(t *testing.T) {
	t.Parallel()
	b := setup(t)
	rapid.Check(t, func(rt *rapid.T) {
		m := &model{bundle: b, other: b.Account(t), rows: map[uuid.UUID]orgs.Org{}, users: map[uuid.UUID][]string{}}
		m.account = b.Account(t)
		m.repository = m.repository.WithNearby(rapid.SampledFrom([]int{1, 3, 10_000}).Draw(rt, "nearby")).
			WithPageBytes(rapid.SampledFrom([]int{1, 800, 1200, orgs.MaxPageBytes}).Draw(rt, "page"))
		rt.Repeat(map[string]func(*rapid.T){
			"create": m.create, "create more": m.create, "rename": m.rename, "toggle": m.toggle, "remove": m.remove,
			"describe": m.describe, "join": m.join, "join more": m.join,
			"begin": m.begin, "page": m.page, "page more": m.page,
		})
	})
}

// The promises also apply during concurrent writes: every walk returns each unchanged row
// exactly once.
func TestWalkDuringConcurrentWrites(t *testing.T) {
	t.Parallel()
	b := setup(t)
	const stable = 300
	user := userN(1)
	b.Exec(t, `
WITH made AS (
	INSERT INTO orgs (account_id, org_id, org_name, org_name_folded, metadata, created_at)
	SELECT $1, gen_random_uuid(), 'stable', 'stable', '{"kind": "stable"}', now() - (i / 3) * interval '1 millisecond' FROM generate_series(1, $2) AS i
	RETURNING account_id, org_id, created_at
)
INSERT INTO org_members (account_id, org_id, user_id, org_created_at) SELECT account_id, org_id, $3, created_at FROM made`, b.account, stable, user)

	ctx, cancel := context.WithCancel(context.Background())
	var writers sync.WaitGroup
	for w := range 3 {
		writers.Go(func() {
			for i := 0; ctx.Err() == nil; i++ {
				if err := b.churn(ctx, fmt.Sprintf("restless %d %d", w, i)); err != nil && ctx.Err() == nil {
					t.Errorf("writer: %v", err)
					return
				}
			}
		})
	}
	yes, kind := true, map[string]string{"kind": "stable"}
	lists := []orgs.ListParams{
		{}, {Name: "stable"}, {Name: "st"}, {Metadata: kind}, {UserID: &user}, {UserID: &user, IsActive: &yes}, {UserID: &user, Name: "stable", Metadata: kind},
	}
	for _, order := range orders {
		lists = append(lists, orgs.ListParams{Order: order}, orgs.ListParams{Order: order, NameIs: "STABLE"}, orgs.ListParams{Order: order, IsActive: &yes, Metadata: kind}, orgs.ListParams{Order: order, UserID: &user})
	}
	for n := range 3 * len(lists) {
		p := lists[n%len(lists)]
		p.Limit = 2 + n%11*3
		// The nearby limit varies from 1 to just above the number of unchanged rows, so
		// concurrent writes move rows across it.
		reader := bundle{DB: b.DB, repository: b.repository.WithNearby(1 + n%5*75), account: b.account}
		there, back := reader.walk(t, p), reader.walkBack(t, p)
		for direction, found := range map[string][]orgs.Org{"there": there, "back": back} {
			seen := map[uuid.UUID]bool{}
			unmoved := 0
			var last *orgs.Org
			for _, o := range found {
				if o.Name != "stable" {
					continue // renamed ones may move
				}
				if seen[o.ID] || last != nil && !precedesIn(p.Order, *last, o) {
					t.Fatalf("walk %d %s, %+v: %s is repeated or out of order", n, direction, p, o.ID)
				}
				seen[o.ID], last = true, &o
				unmoved++
			}
			if unmoved != stable {
				t.Fatalf("walk %d %s, %+v: saw %d of %d unchanged organizations", n, direction, p, unmoved, stable)
			}
		}
	}
	cancel()
	writers.Wait()
}

// walkBack walks from the end of the list to the beginning. It returns the organizations
// in the order of the list.
func (b bundle) walkBack(t fataler, p orgs.ListParams) []orgs.Org {
	t.Helper()
	end := orgs.Org{Name: strings.Repeat("\U0010FFFF", 30), CreatedAt: time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC), ID: uuid.UUID(bytes.Repeat([]byte{0xff}, 16))}
	if p.Order == orgs.NewestFirst || p.Order == orgs.ByNameDescending {
		end = orgs.Org{CreatedAt: time.Date(1, 1, 1, 0, 0, 0, 0, time.UTC)}
	}
	end.Name = cmp.Or(p.NameIs, end.Name)
	p.Before = p.TokenAt(b.account, end)
	var seen []orgs.Org
	for p.Before != "" {
		page := b.list(t, p)
		seen = append(page.Orgs, seen...)
		p.Before = page.Before
	}
	return seen
}

// churn adds an organization among the others, changes and renames it and deletes it.
func (b bundle) churn(ctx context.Context, name string) error {
	id := uuid.NewV7()
	for _, step := range []struct {
		sql  string
		args []any
	}{
		{`INSERT INTO orgs (account_id, org_id, org_name, org_name_folded, created_at)
		  VALUES ($1, $2, $3, $3, now() - random() * interval '100 milliseconds')`, []any{b.account, id, name}},
		{`UPDATE orgs SET is_active = false, updated_at = now() WHERE account_id = $1 AND org_id = $2`, []any{b.account, id}},
		{`UPDATE orgs SET org_name = 'a ' || org_name, org_name_folded = 'a ' || org_name WHERE account_id = $1 AND org_id = $2`, []any{b.account, id}},
		{`DELETE FROM orgs WHERE account_id = $1 AND org_id = $2`, []any{b.account, id}},
	} {
		if _, err := b.Pool.Exec(ctx, step.sql, step.args...); err != nil {
			return err
		}
	}
	return nil
}
