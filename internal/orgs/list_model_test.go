package orgs_test

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"orgd/internal/orgs"
	"orgd/internal/uuid"
)

// A walk makes these promises (docs/api.md) while others write:
//  1. no organization is returned twice;
//  2. every organization that was committed before the first page, was not deleted and
//     kept matching is returned exactly once;
//  3. the order is strict;
//  4. no organization of another account is returned.
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
	params orgs.ListParams
	begun  bool
	done   bool
	owed   map[uuid.UUID]bool // must still be returned, by promise 2
	last   *orgs.Org
}

func (m *model) matches(w *walk, o orgs.Org) bool { return matches(w.params, o, m.users[o.ID]) }

var (
	modelNames    = []string{"Acme", "acme two", "Zürich AG", "Zurich", "a", "100%", "x_y"}
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
		CreatedAt: time.UnixMicro(1_767_225_600_000_000 + rapid.Int64Range(0, 5).Draw(t, "micros")).UTC(),
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

func (m *model) rename(t *rapid.T) {
	o, ok := m.pick(t)
	if !ok {
		return
	}
	o.Name = rapid.SampledFrom(modelNames).Draw(t, "name")
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
	m.exec(t, `UPDATE orgs SET is_active = $3, updated_at = now() WHERE account_id = $1 AND org_id = $2`, m.account, o.ID, o.IsActive)
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
		m.exec(t, `INSERT INTO org_members (account_id, org_id, user_id, org_created_at) VALUES ($1, $2, $3, $4)`, m.account, o.ID, user, o.CreatedAt)
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
		Metadata: rapid.SampledFrom(modelPairs).Draw(t, "pairs"),
	}}
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
		w.begun, w.owed = true, map[uuid.UUID]bool{}
		for id, o := range m.rows {
			if m.matches(w, o) {
				w.owed[id] = true
			}
		}
	}
	page := m.list(t, w.params)
	for _, o := range page.Orgs {
		want, ours := m.rows[o.ID]
		switch {
		case !ours:
			t.Fatalf("the page has %s, which is not in this account", o.ID)
		case !m.matches(w, o) || o.Name != want.Name || o.IsActive != want.IsActive || o.Metadata != want.Metadata:
			t.Fatalf("the page has %+v, stored is %+v, the list is %+v", o, want, w.params)
		case w.last != nil && !precedes(*w.last, o):
			t.Fatalf("%s at %s came after %s at %s", o.ID, o.CreatedAt, w.last.ID, w.last.CreatedAt)
		}
		delete(w.owed, o.ID)
		w.last = &o
	}
	w.params.Cursor = page.Cursor
	if page.Cursor != "" {
		w.params.Limit = rapid.IntRange(1, 4).Draw(t, "limit")
		return
	}
	w.done = true
	if len(w.owed) > 0 {
		t.Fatalf("the walk %+v ended without %d organizations", w.params, len(w.owed))
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
	for n := range 6 * len(lists) {
		p := lists[n%len(lists)]
		p.Limit = 1 + n%11*3
		// The limit varies from 1 to the number of unchanged rows, so concurrent writes move
		// rows across it.
		reader := bundle{DB: b.DB, repository: b.repository.WithNearby(1 + n%5*75), account: b.account}
		seen := map[uuid.UUID]bool{}
		unmoved := 0
		var last *orgs.Org
		for _, o := range reader.walk(t, p) {
			if seen[o.ID] || last != nil && !precedes(*last, o) {
				t.Fatalf("walk %d: %s is repeated or out of order", n, o.ID)
			}
			seen[o.ID], last = true, &o
			if o.Name == "stable" {
				unmoved++
			}
		}
		if unmoved != stable {
			t.Fatalf("walk %d: saw %d of %d unchanged organizations", n, unmoved, stable)
		}
	}
	cancel()
	writers.Wait()
}

// churn adds an organization among the others, changes it and deletes it.
func (b bundle) churn(ctx context.Context, name string) error {
	id := uuid.NewV7()
	for _, step := range []struct {
		sql  string
		args []any
	}{
		{`INSERT INTO orgs (account_id, org_id, org_name, org_name_folded, created_at)
		  VALUES ($1, $2, $3, $3, now() - random() * interval '100 milliseconds')`, []any{b.account, id, name}},
		{`UPDATE orgs SET is_active = false, updated_at = now() WHERE account_id = $1 AND org_id = $2`, []any{b.account, id}},
		{`DELETE FROM orgs WHERE account_id = $1 AND org_id = $2`, []any{b.account, id}},
	} {
		if _, err := b.Pool.Exec(ctx, step.sql, step.args...); err != nil {
			return err
		}
	}
	return nil
}
