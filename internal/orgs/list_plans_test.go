package orgs_test

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"orgd/internal/cursor"
	"orgd/internal/dbtest"
	"orgd/internal/orgs"
	"orgd/internal/uuid"
)

// The cost of a page does not depend on its depth: the plan starts at the cursor's
// position in the index. The test explains the generic plan, which a busy connection
// uses.
func TestPlansSeekAtAnyDepth(t *testing.T) {
	t.Parallel()
	d, account, _ := explainable(t)
	conn := connWithPlans(t, d, "force_generic_plan")
	yes := true
	for _, depth := range []int{0, 1, 1000, 19_900} {
		for _, active := range []*bool{nil, &yes} {
			t.Run(fmt.Sprintf("depth %d, by activity %v", depth, active != nil), func(t *testing.T) {
				sql, args := orgs.ListStatement(account, orgs.ListParams{Limit: 100, IsActive: active}, positionAt(t, d, account, depth))
				plan := explain(t, conn, sql, args)
				index := "orgs_by_created"
				if active != nil {
					index = "orgs_by_active"
				}
				if !strings.Contains(plan.text, index) || strings.Contains(plan.text, "Seq Scan") || strings.Contains(plan.text, `"Sort"`) {
					t.Errorf("not a walk of %s:\n%s", index, plan.text)
				}
				if depth > 0 && !strings.Contains(plan.indexCond, "ROW(created_at, org_id) < ROW(") {
					t.Errorf("the index condition %q does not seek", plan.indexCond)
				}
				// 101 rows are on at most 101 pages of the table, plus a few pages of the index.
				if plan.buffers > 120 {
					t.Errorf("read %d buffers", plan.buffers)
				}
			})
		}
	}
}

// In every order and direction, and within a range of times, a page costs the same at any
// depth.
func TestPlansOfEveryOrderSeek(t *testing.T) {
	t.Parallel()
	d, account, user := explainable(t)
	b := bundle{DB: d, repository: orgs.NewRepository(d.Conns), account: account}
	end := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	from, to := end.Add(-18_000*time.Second), end.Add(-2_000*time.Second) // 16,000 organizations
	conns := map[string]*pgx.Conn{}
	for _, mode := range planModes {
		conns[mode] = connWithPlans(t, d, mode)
	}
	for name, order := range orders {
		for filter, c := range map[string]struct {
			params  orgs.ListParams
			index   string
			buffers int
		}{
			"all":        {orgs.ListParams{}, "orgs_by_created", 120},
			"active":     {orgs.ListParams{IsActive: ptr(true)}, "orgs_by_", 120}, // nearly all are active, so orgs_by_created is as good
			"in a range": {orgs.ListParams{CreatedFrom: &from, CreatedTo: &to}, "orgs_by_created", 120},
			// A lookup reads three or four pages, and reading the membership takes another one.
			"of a user": {orgs.ListParams{UserID: &user, CreatedFrom: &from, CreatedTo: &to}, "org_members_by_user", 101 * 6},
		} {
			statement := orgs.ListStatement
			byName := order == orgs.ByName || order == orgs.ByNameDescending
			if byName {
				if c.params.UserID != nil {
					continue // sorted
				}
				// Each of about 101 organizations is on a different page of the table.
				c.index, c.buffers = "orgs_by_name", 160
				if filter != "all" {
					statement = orgs.NearbyStatement
				}
			}
			c.params.Order, c.params.Limit = order, 100
			for depth, pages := range map[int]orgs.ListParams{0: c.params, 1000: c.params, 7500: c.params} {
				lists := []orgs.ListParams{pages}
				if depth > 0 {
					token := pages.TokenAt(account, b.at(t, pages, depth))
					there, back := pages, pages
					there.Cursor, back.Before = token, token
					lists = []orgs.ListParams{there, back}
				}
				for _, p := range lists {
					for mode, conn := range conns {
						t.Run(fmt.Sprintf("%s, %s, %s, depth %d, backward %v", mode, name, filter, depth, p.Before != ""), func(t *testing.T) {
							sql, args := statement(account, p, nil)
							plan := explain(t, conn, sql, args)
							if !strings.Contains(plan.text, `"`+c.index) || strings.Contains(plan.text, "Seq Scan") || strings.Contains(plan.text, `"Sort"`) {
								t.Errorf("not a walk of %s:\n%s", c.index, plan.text)
							}
							if depth > 0 && !strings.Contains(plan.indexCond, "ROW(") {
								t.Errorf("the index condition %q does not seek", plan.indexCond)
							}
							if c.params.CreatedFrom != nil && !byName && (!strings.Contains(plan.indexCond, "created_at >= ") || !strings.Contains(plan.indexCond, "created_at < ")) {
								t.Errorf("the index condition %q lacks the range", plan.indexCond)
							}
							if plan.buffers > c.buffers {
								t.Errorf("read %d buffers", plan.buffers)
							}
						})
					}
				}
			}
		}
	}
}

// at returns the organization at a depth of the list.
func (b bundle) at(t testing.TB, p orgs.ListParams, depth int) orgs.Org {
	t.Helper()
	seen := 0
	for {
		page := b.list(t, p)
		if seen += len(page.Orgs); seen >= depth || page.Cursor == "" {
			return page.Orgs[len(page.Orgs)-1]
		}
		p.Cursor = page.Cursor
	}
}

// A whole name is looked up in orgs_by_name.
func TestPlansByWholeName(t *testing.T) {
	t.Parallel()
	d, account, user := explainable(t)
	for _, mode := range planModes {
		conn := connWithPlans(t, d, mode)
		for name, p := range map[string]orgs.ListParams{
			"alone":             {},
			"active, of a user": {UserID: &user, IsActive: ptr(true)},
			"metadata":          {Metadata: map[string]string{"plan": "pro"}},
		} {
			for _, order := range []orgs.Order{orgs.NewestFirst, orgs.OldestFirst} {
				t.Run(fmt.Sprintf("%s, %s, order %d", mode, name, order), func(t *testing.T) {
					p := p
					p.Limit, p.Order, p.NameIs = 20, order, "ORG 19777"
					sql, args := orgs.IndexedStatement(account, p, nil)
					plan := explain(t, conn, sql, args)
					if !strings.Contains(plan.text, `"orgs_by_name"`) || slices.Contains(plan.seqScans, "orgs") {
						t.Errorf("not looked up in orgs_by_name:\n%s", plan.text)
					}
					if p.UserID == nil && plan.buffers > 20 {
						t.Errorf("read %d buffers", plan.buffers)
					}
				})
			}
		}
	}
}

// A page of members by user id is a range of the primary key.
func TestPlansOfMembersByUserID(t *testing.T) {
	t.Parallel()
	d := dbtest.New(t)
	account := d.Account(t)
	large := d.Org(t, account, orgs.Org{}).ID
	for _, id := range []uuid.UUID{large, uuid.NewV7(), uuid.NewV7()} {
		d.Exec(t, `
INSERT INTO org_members (account_id, org_id, user_id, added_at, org_created_at)
SELECT $1, $2, 'user_' || i, '2026-01-01'::timestamptz + i * interval '1 microsecond', now() FROM generate_series(1, 20000) AS i`, account, id)
	}
	d.Vacuum(t, "ANALYZE orgs, org_members")
	for _, mode := range planModes {
		conn := connWithPlans(t, d, mode)
		for _, order := range []orgs.MemberOrder{orgs.ByUserID, orgs.EarliestFirst} {
			for _, depth := range []string{"", "cursor", "before"} {
				t.Run(fmt.Sprintf("%s, order %d, %s", mode, order, depth), func(t *testing.T) {
					p := orgs.MemberListParams{OrgID: large, Limit: 100, Order: order}
					token := p.TokenAt(account, orgs.Member{UserID: "user_15000", AddedAt: time.Date(2026, 1, 1, 0, 0, 0, 15_000_000, time.UTC)})
					switch depth {
					case "cursor":
						p.Cursor = token
					case "before":
						p.Before = token
					}
					sql, args := orgs.MemberListStatement(account, p, nil)
					plan := explain(t, conn, sql, args)
					index := map[orgs.MemberOrder]string{orgs.ByUserID: "org_members_pkey", orgs.EarliestFirst: "org_members_by_added"}[order]
					if !strings.Contains(plan.text, `"`+index+`"`) || slices.Contains(plan.seqScans, "org_members") || plan.buffers > 130 {
						t.Errorf("not a walk of %s, %d buffers:\n%s", index, plan.buffers, plan.text)
					}
				})
			}
		}
	}
}

// A user's organizations are read in the list's order too. The number of lookups depends
// on the page, not on its depth.
func TestPlansOfAUserSeekAtAnyDepth(t *testing.T) {
	t.Parallel()
	d, account, user := explainable(t)
	for _, mode := range planModes {
		conn := connWithPlans(t, d, mode)
		for _, depth := range []int{0, 2, 1000, 19_500} {
			after := positionAt(t, d, account, depth)
			for name, statement := range map[string]func() (string, []any){
				"all": func() (string, []any) {
					return orgs.ListStatement(account, orgs.ListParams{Limit: 100, UserID: &user}, after)
				},
				"named, nearby": func() (string, []any) {
					return orgs.NearbyStatement(account, orgs.ListParams{Limit: 100, UserID: &user, Name: "org", Metadata: map[string]string{"plan": "pro"}}, after)
				},
			} {
				t.Run(fmt.Sprintf("%s, %s at depth %d", mode, name, depth), func(t *testing.T) {
					sql, args := statement()
					plan := explain(t, conn, sql, args)
					if !strings.Contains(plan.text, "org_members_by_user") || strings.Contains(plan.text, "Seq Scan") || strings.Contains(plan.text, `"Sort"`) {
						t.Errorf("not a walk of org_members_by_user:\n%s", plan.text)
					}
					if depth > 0 && !strings.Contains(plan.indexCond, "ROW(org_created_at, org_id) < ROW(") {
						t.Errorf("the index condition %q does not seek", plan.indexCond)
					}
					// A lookup reads three or four pages, and two out of three organizations match.
					if plan.buffers > 101*3/2*5 {
						t.Errorf("read %d buffers", plan.buffers)
					}
				})
			}
		}
	}
}

// The cost of a page of a user's active or deactivated organizations depends only on the
// page, not on the number of the user's organizations or of the matches.
func TestPlansOfAUsersActivitySeekAtAnyDepth(t *testing.T) {
	t.Parallel()
	d, account, user := explainable(t)
	for _, mode := range planModes {
		conn := connWithPlans(t, d, mode)
		for _, depth := range []int{0, 2, 1000, 19_500} {
			after := positionAt(t, d, account, depth)
			for _, active := range []bool{true, false} {
				t.Run(fmt.Sprintf("%s, active %v at depth %d", mode, active, depth), func(t *testing.T) {
					sql, args := orgs.ByActivityStatement(account, orgs.ListParams{Limit: 100, UserID: &user, IsActive: &active}, after)
					plan := explain(t, conn, sql, args)
					if strings.Count(plan.text, `"org_members_by_activity"`) != 2 || strings.Contains(plan.text, "Seq Scan") {
						t.Errorf("not two ranges of org_members_by_activity:\n%s", plan.text)
					}
					if depth > 0 && strings.Count(plan.text, "ROW(org_created_at, org_id) < ROW(") != 2 {
						t.Errorf("the ranges do not seek:\n%s", plan.text)
					}
					// If the planner knows the user and expects fewer matches than a page needs, it reads
					// and sorts all memberships of a user who has very many.
					if mode == "force_custom_plan" && depth <= 1000 && active && plan.estimate < 101 {
						t.Errorf("the planner expects %d rows:\n%s", plan.estimate, plan.text)
					}
					// A lookup reads three or four pages. There are 101 lookups for the matches,
					// and 10 for members whose rows do not have the activity.
					if plan.buffers > (101+10)*5 {
						t.Errorf("read %d buffers", plan.buffers)
					}
				})
			}
		}
	}
}

// With a further filter, a page of a user's active or deactivated organizations reads only
// as many memberships of each range as fill it, and at most the nearby limit.
func TestPlansOfAUsersActivityWithFilters(t *testing.T) {
	t.Parallel()
	d, account, user := explainable(t)
	// Both ranges are longer than the nearby limit. The second range has the rare value in 1
	// of 100 organizations, and the first range does not have it.
	d.Exec(t, `
UPDATE org_members SET org_activity = -1
FROM orgs
WHERE orgs.account_id = org_members.account_id AND orgs.org_id = org_members.org_id AND (metadata ->> 'n')::integer % 4 = 0`)
	d.Exec(t, `UPDATE orgs SET metadata = metadata || '{"rare": "yes"}' WHERE (metadata ->> 'n')::integer % 400 = 0`)
	d.Vacuum(t, "ANALYZE orgs, org_members")
	yes := true
	after := positionAt(t, d, account, 1000)
	for _, mode := range planModes {
		conn := connWithPlans(t, d, mode)
		for _, order := range []orgs.Order{orgs.NewestFirst, orgs.OldestFirst} {
			for _, c := range []struct {
				key, value string
				after      *cursor.Position
				buffers    int
			}{
				// A lookup reads three or four pages. Each range has 21 matches among its first 32.
				{"plan", "pro", nil, 2 * 32 * 6},
				{"plan", "pro", after, 2 * 32 * 6},
				// Each of 250 memberships is looked up once. If its range does not fill the page,
				// the membership is read once more.
				{"plan", "absent", nil, 2 * 250 * 6},
				{"rare", "yes", after, 2 * 250 * 6},
			} {
				t.Run(fmt.Sprintf("%s, order %d, %s %s, first page %v", mode, order, c.key, c.value, c.after == nil), func(t *testing.T) {
					p := orgs.ListParams{Limit: 20, Order: order, UserID: &user, IsActive: &yes, Metadata: map[string]string{c.key: c.value}}
					sql, args := orgs.ByActivityNearbyStatement(account, p, c.after)
					plan := explain(t, conn, sql, args)
					if strings.Count(plan.text, `"org_members_by_activity"`) != 4 || strings.Contains(plan.text, "Seq Scan") || strings.Contains(plan.text, "orgs_by_filter") {
						t.Errorf("not the ranges of org_members_by_activity:\n%s", plan.text)
					}
					if plan.buffers > c.buffers {
						t.Errorf("read %d buffers, want at most %d:\n%s", plan.buffers, c.buffers, plan.text)
					}
				})
			}
		}
	}
}

// The nearby statement reads organizations in the list's order, and stops when the page
// is full.
func TestNearbyPlansWalkInOrder(t *testing.T) {
	t.Parallel()
	d, account, user := explainable(t)
	no := false
	for _, mode := range planModes {
		conn := connWithPlans(t, d, mode)
		for _, c := range []struct {
			name   string
			params orgs.ListParams
			full   bool
		}{
			{"name", orgs.ListParams{Name: "org"}, true},
			{"short name, inactive", orgs.ListParams{Name: "rg", IsActive: &no}, true},
			{"metadata", orgs.ListParams{Metadata: map[string]string{"plan": "pro"}}, true},
			{"user, metadata", orgs.ListParams{UserID: &user, Metadata: map[string]string{"plan": "pro"}}, true},
			{"absent name", orgs.ListParams{Name: "absent"}, false},
			{"user, absent name", orgs.ListParams{UserID: &user, Name: "absent"}, false},
			{"absent metadata", orgs.ListParams{Metadata: map[string]string{"plan": "absent"}}, false},
		} {
			t.Run(mode+", "+c.name, func(t *testing.T) {
				c.params.Limit = 20
				sql, args := orgs.NearbyStatement(account, c.params, nil)
				plan := explain(t, conn, sql, args)
				if strings.Contains(plan.text, "Seq Scan") || strings.Contains(plan.text, `"Sort"`) || strings.Contains(plan.text, "orgs_by_filter") {
					t.Errorf("not a walk in order:\n%s", plan.text)
				}
				if c.full && (plan.buffers > 500 || !strings.Contains(plan.text, `"Actual Loops": 0`)) {
					t.Errorf("continued after a full page, %d buffers:\n%s", plan.buffers, plan.text)
				}
			})
		}
	}
}

// Rare matches are looked up in orgs_by_filter, the one index for all filters.
func TestIndexedPlansUseTheFilterIndex(t *testing.T) {
	t.Parallel()
	d, account, user := explainable(t)
	no := false
	const trigrams, pairs, metadata, activity = "org_name_folded ~~", "string_to_array(org_name_folded, NULL::text)", "metadata @>", "(is_active)::integer ="
	for _, mode := range planModes {
		conn := connWithPlans(t, d, mode)
		for _, c := range []struct {
			name       string
			params     orgs.ListParams
			conditions []string
		}{
			{"name", orgs.ListParams{Name: "19777"}, []string{trigrams}},
			{"two letters", orgs.ListParams{Name: "zx"}, []string{pairs}},
			{"one letter", orgs.ListParams{Name: "q"}, []string{pairs}},
			{"name beyond ASCII", orgs.ListParams{Name: "東京ガス"}, []string{pairs}},
			{"metadata", orgs.ListParams{Metadata: map[string]string{"n": "19777"}}, []string{metadata}},
			{"two pairs", orgs.ListParams{Metadata: map[string]string{"n": "19777", "plan": "pro"}}, []string{metadata}},
			{"name, metadata", orgs.ListParams{Name: "19777", Metadata: map[string]string{"plan": "pro"}}, []string{trigrams, metadata}},
			{"two letters, metadata, inactive", orgs.ListParams{Name: "zx", Metadata: map[string]string{"plan": "pro"}, IsActive: &no}, []string{pairs, metadata, activity}},
			{"name, user", orgs.ListParams{Name: "19777", UserID: &user}, []string{trigrams}},
			{"metadata, user", orgs.ListParams{Metadata: map[string]string{"n": "19778"}, UserID: &user}, []string{metadata}},
			{"all filters", orgs.ListParams{Name: "zx", Metadata: map[string]string{"plan": "pro"}, UserID: &user, IsActive: &no}, []string{pairs, metadata, activity}},
		} {
			c.params.Limit = 20
			for _, after := range []*cursor.Position{nil, positionAt(t, d, account, 1000)} {
				t.Run(fmt.Sprintf("%s, %s, first page %v", mode, c.name, after == nil), func(t *testing.T) {
					sql, args := orgs.IndexedStatement(account, c.params, after)
					plan := explain(t, conn, sql, args)
					// The members may be read with any plan.
					if !strings.Contains(plan.text, "orgs_by_filter") || slices.Contains(plan.seqScans, "orgs") {
						t.Errorf("not looked up in orgs_by_filter:\n%s", plan.text)
					}
					for _, condition := range c.conditions {
						if !strings.Contains(plan.indexCond, condition) {
							t.Errorf("the index condition %q lacks %q", plan.indexCond, condition)
						}
					}
					// The limit includes reading all the user's memberships. Depending on its estimate,
					// the planner reads about 300 pages of their index and of the table, or all 600
					// pages of the table.
					if plan.buffers > 700 {
						t.Errorf("read %d buffers", plan.buffers)
					}
				})
			}
		}
	}
}

// A filter by external id costs one lookup in its index, whatever other filters there
// are.
func TestPlansByExternalID(t *testing.T) {
	t.Parallel()
	d, account, user := explainable(t)
	yes := true
	for _, mode := range planModes {
		conn := connWithPlans(t, d, mode)
		for name, p := range map[string]orgs.ListParams{
			"alone":             {},
			"active":            {IsActive: &yes},
			"name":              {Name: "org"},
			"metadata":          {Metadata: map[string]string{"plan": "pro"}},
			"user":              {UserID: &user},
			"all filters":       {UserID: &user, IsActive: &yes, Name: "org", Metadata: map[string]string{"plan": "pro"}},
			"rare other filter": {Metadata: map[string]string{"n": "19777"}},
		} {
			p.Limit, p.ExternalID = 100, "crm/19778"
			for _, after := range []*cursor.Position{nil, positionAt(t, d, account, 1000)} {
				t.Run(fmt.Sprintf("%s, %s, first page %v", mode, name, after == nil), func(t *testing.T) {
					sql, args := orgs.ByExternalIDStatement(account, p, after)
					plan := explain(t, conn, sql, args)
					if !strings.Contains(plan.text, `"orgs_by_external_id"`) || !strings.Contains(plan.indexCond, "external_id = ") || strings.Contains(plan.text, "Seq Scan") {
						t.Errorf("not looked up in orgs_by_external_id:\n%s", plan.text)
					}
					if plan.buffers > 20 {
						t.Errorf("read %d buffers", plan.buffers)
					}
				})
			}
		}
	}
}

// Checking whether a user is in an active organization costs two lookups by primary key.
func TestPlansOfPickedOrgs(t *testing.T) {
	t.Parallel()
	d, account, user := explainable(t)
	yes := true
	var id uuid.UUID
	if err := d.Pool.QueryRow(context.Background(), "SELECT org_id FROM org_members WHERE account_id = $1 AND user_id = $2 LIMIT 1", account, user).Scan(&id); err != nil {
		t.Fatal(err)
	}
	for _, mode := range planModes {
		conn := connWithPlans(t, d, mode)
		for name, c := range map[string]struct {
			params  orgs.ListParams
			buffers int
		}{
			"one, of a user": {orgs.ListParams{OrgIDs: []uuid.UUID{id}, UserID: &user, IsActive: &yes}, 20},
			"a hundred":      {orgs.ListParams{OrgIDs: pickedIDs(t, d, account), UserID: &user, Name: "org", Metadata: map[string]string{"plan": "pro"}}, 100 * 10},
		} {
			t.Run(mode+", "+name, func(t *testing.T) {
				c.params.Limit = 20
				sql, args := orgs.PickedStatement(account, c.params, nil)
				plan := explain(t, conn, sql, args)
				if !strings.Contains(plan.text, `"orgs_pkey"`) || !strings.Contains(plan.text, `"org_members_pkey"`) || len(plan.seqScans) > 0 || plan.buffers > c.buffers {
					t.Errorf("not lookups by primary key, %d buffers:\n%s", plan.buffers, plan.text)
				}
			})
		}
	}
}

func pickedIDs(t *testing.T, d *dbtest.DB, account uuid.UUID) []uuid.UUID {
	t.Helper()
	rows, err := d.Pool.Query(context.Background(), "SELECT org_id FROM orgs WHERE account_id = $1 ORDER BY org_id LIMIT 100", account)
	if err != nil {
		t.Fatal(err)
	}
	ids, err := pgx.CollectRows(rows, pgx.RowTo[uuid.UUID])
	if err != nil {
		t.Fatal(err)
	}
	return ids
}

// The cost of a page of members depends neither on the size of the organization nor on how
// common the role is.
func TestPlansOfMembers(t *testing.T) {
	t.Parallel()
	d := dbtest.New(t)
	account := d.Account(t)
	large := d.Org(t, account, orgs.Org{}).ID
	d.Exec(t, `
INSERT INTO org_members (account_id, org_id, user_id, roles, added_at, org_created_at)
SELECT $1, $2, 'user_' || i, CASE WHEN i % 10000 = 0 THEN '{rare}' WHEN i % 3 = 0 THEN '{common}' ELSE '{}'::text[] END,
       '2026-01-01'::timestamptz + i * interval '1 microsecond', now()
FROM generate_series(1, 50000) AS i`, account, large)
	// Many small organizations, so that the planner expects few members in each.
	d.Exec(t, `
INSERT INTO org_members (account_id, org_id, user_id, roles, added_at, org_created_at)
SELECT $1, gen_random_uuid(), 'user_' || i, '{rare}', now(), now() FROM generate_series(1, 20000) AS i`, account)
	// Another account has imported an organization with the same id.
	d.Exec(t, `
INSERT INTO org_members (account_id, org_id, user_id, roles, added_at, org_created_at)
SELECT $1, $2, 'user_' || i, '{rare}', now() + i * interval '1 microsecond', now() FROM generate_series(1, 20000) AS i`, d.Account(t), large)
	// One user is in many organizations, although the statistics say that each user is in
	// one.
	d.Exec(t, "ALTER TABLE org_members ALTER COLUMN user_id SET (n_distinct = -1)")
	d.Exec(t, `
INSERT INTO org_members (account_id, org_id, user_id, added_at, org_created_at)
SELECT $1, gen_random_uuid(), 'user_1', now(), now() FROM generate_series(1, 3000)`, account)
	d.Vacuum(t, "ANALYZE orgs, org_members")
	middle := &cursor.Position{CreatedAt: time.Date(2026, 1, 1, 0, 0, 0, 25_000_000, time.UTC)}
	for _, mode := range planModes {
		conn := connWithPlans(t, d, mode)
		for _, after := range []*cursor.Position{nil, middle} {
			for name, c := range map[string]struct {
				statement func(uuid.UUID, orgs.MemberListParams, *cursor.Position) (string, []any)
				params    orgs.MemberListParams
				index     string
				buffers   int
			}{
				"all":            {orgs.MemberListStatement, orgs.MemberListParams{}, "org_members_by_added", 120},
				"nearby, common": {orgs.MemberListNearbyStatement, orgs.MemberListParams{Role: "common"}, "org_members_by_added", 120},
				"nearby, rare":   {orgs.MemberListNearbyStatement, orgs.MemberListParams{Role: "rare"}, "org_members_by_added", 120},
				"by role, rare":  {orgs.MemberListByRoleStatement, orgs.MemberListParams{Role: "rare"}, "org_members_by_role", 60},
				"picked":         {orgs.MemberListPickedStatement, orgs.MemberListParams{UserIDs: []string{"user_1", "user_30000", "nobody"}, Role: "common"}, "org_members_pkey", 30},
			} {
				t.Run(fmt.Sprintf("%s, %s, first page %v", mode, name, after == nil), func(t *testing.T) {
					c.params.OrgID, c.params.Limit = large, 20
					sql, args := c.statement(account, c.params, after)
					plan := explain(t, conn, sql, args)
					if !strings.Contains(plan.text, `"`+c.index+`"`) || slices.Contains(plan.seqScans, "org_members") || plan.buffers > c.buffers {
						t.Errorf("not a range of %s, %d buffers:\n%s", c.index, plan.buffers, plan.text)
					}
				})
			}
		}
	}
}

// planModes are the values of plan_cache_mode to test. A connection makes custom plans
// for the first executions of a statement, and may use the generic plan later.
var planModes = []string{"force_generic_plan", "force_custom_plan"}

// connWithPlans returns a new connection that uses only plans of this mode.
func connWithPlans(t *testing.T, d *dbtest.DB, mode string) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(context.Background(), d.URL)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close(context.Background()) })
	if _, err := conn.Exec(context.Background(), "SET plan_cache_mode = "+mode); err != nil {
		t.Fatal(err)
	}
	return conn
}

// explainable creates two accounts with 20,000 organizations each, and returns one of
// them. The returned user is a member of every second organization. 100 other users share
// the rest.
func explainable(t *testing.T) (d *dbtest.DB, account uuid.UUID, user string) {
	t.Helper()
	d = dbtest.New(t)
	account, user = d.Account(t), userN(1)
	for _, a := range []uuid.UUID{account, d.Account(t)} {
		d.Exec(t, `
INSERT INTO orgs (account_id, org_id, org_name, org_name_folded, is_active, external_id, metadata, created_at)
SELECT $1, gen_random_uuid(), 'Org ' || i, 'org ' || i, i % 50 <> 0, 'crm/' || i,
       jsonb_build_object('plan', CASE WHEN i % 3 = 0 THEN 'free' ELSE 'pro' END, 'n', i::text), '2026-01-01'::timestamptz - i * interval '1 second'
FROM generate_series(1, 20000) AS i`, a)
		d.Exec(t, `
INSERT INTO org_members (account_id, org_id, user_id, org_created_at, org_activity)
SELECT account_id, org_id, CASE WHEN n % 2 = 0 THEN $2 ELSE md5((n % 200)::text) END, created_at,
       CASE WHEN n % 2000 = 0 THEN -1 ELSE is_active::integer END
FROM (SELECT *, (metadata ->> 'n')::int AS n FROM orgs WHERE account_id = $1) AS numbered`, a, user)
	}
	d.Vacuum(t, "ANALYZE orgs, org_members")
	return d, account, user
}

func positionAt(t *testing.T, d *dbtest.DB, account uuid.UUID, depth int) *cursor.Position {
	t.Helper()
	if depth == 0 {
		return nil
	}
	var p cursor.Position
	err := d.Pool.QueryRow(context.Background(),
		`SELECT created_at, org_id FROM orgs WHERE account_id = $1 ORDER BY created_at DESC, org_id DESC OFFSET $2 LIMIT 1`,
		account, depth-1).Scan(&p.CreatedAt, &p.ID)
	if err != nil {
		t.Fatal(err)
	}
	p.CreatedAt = p.CreatedAt.Truncate(time.Microsecond)
	return &p
}

type plan struct {
	text      string
	indexCond string
	seqScans  []string // the tables with a sequential scan
	buffers   int
	estimate  int // how many rows the planner expects
}

// explain prepares the statement and returns its plan. A plain EXPLAIN of the statement
// would see its arguments as constants.
func explain(t *testing.T, conn *pgx.Conn, sql string, args []any) plan {
	t.Helper()
	ctx := context.Background()
	name := "explained_" + rand.Text()
	if _, err := conn.Prepare(ctx, name, sql); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	execute := fmt.Sprintf("EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) EXECUTE %q (%s)", name, literals(args))
	text, err := explainText(ctx, conn, execute)
	if err != nil {
		t.Fatalf("%s: %v", execute, err)
	}
	var explained []struct {
		Plan map[string]any
	}
	if err := json.Unmarshal([]byte(text), &explained); err != nil {
		t.Fatal(err)
	}
	p := plan{text: text}
	top := explained[0].Plan
	p.buffers = int(top["Shared Hit Blocks"].(float64) + top["Shared Read Blocks"].(float64))
	p.estimate = int(top["Plan Rows"].(float64))
	p.indexCond = indexCond(top)
	p.seqScans = seqScans(top)
	return p
}

func explainText(ctx context.Context, conn *pgx.Conn, sql string) (text string, err error) {
	err = conn.QueryRow(ctx, sql, pgx.QueryExecModeSimpleProtocol).Scan(&text)
	return text, err
}

func literals(args []any) string {
	texts := make([]string, len(args))
	for i, arg := range args {
		switch arg := arg.(type) {
		case time.Time:
			texts[i] = "'" + arg.Format(time.RFC3339Nano) + "'"
		case [16]byte:
			texts[i] = "'" + uuid.UUID(arg).String() + "'"
		case []uuid.UUID:
			ids := make([]string, len(arg))
			for i, id := range arg {
				ids[i] = id.String()
			}
			texts[i] = "'{" + strings.Join(ids, ",") + "}'"
		case []string:
			texts[i] = `'{"` + strings.Join(arg, `","`) + `"}'`
		default:
			texts[i] = fmt.Sprintf("'%v'", arg)
		}
	}
	return strings.Join(texts, ", ")
}

func seqScans(node map[string]any) (tables []string) {
	if node["Node Type"] == "Seq Scan" {
		tables = append(tables, node["Relation Name"].(string))
	}
	children, _ := node["Plans"].([]any)
	for _, child := range children {
		tables = append(tables, seqScans(child.(map[string]any))...)
	}
	return tables
}

func indexCond(node map[string]any) string {
	if cond, ok := node["Index Cond"].(string); ok {
		return cond
	}
	children, _ := node["Plans"].([]any)
	for _, child := range children {
		if cond := indexCond(child.(map[string]any)); cond != "" {
			return cond
		}
	}
	return ""
}
