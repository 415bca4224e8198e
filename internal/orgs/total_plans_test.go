package orgs_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"orgd/internal/dbtest"
	"orgd/internal/orgs"
)

// A total reads a bounded part of an index: the first 10,000 organizations, or the first
// 2,000 of a user.
func TestPlansOfTotals(t *testing.T) {
	t.Parallel()
	d, account, user := explainable(t)
	end := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	from, to := end.Add(-18_000*time.Second), end.Add(-2_000*time.Second)
	for _, mode := range planModes {
		conn := connWithPlans(t, d, mode)
		for name, c := range map[string]struct {
			params  orgs.ListParams
			index   string
			buffers int
		}{
			// Only the index is read: once for the count, and once to see whether more follow.
			// Reading the table would take 10,000 buffers.
			"all":        {orgs.ListParams{}, "orgs_by_", 700},
			"active":     {orgs.ListParams{IsActive: ptr(true)}, "orgs_by_active", 700},
			"in a range": {orgs.ListParams{CreatedFrom: &from, CreatedTo: &to}, "orgs_by_created", 700},
			// 10,000 organizations are read from the table, in their physical order.
			"name":            {orgs.ListParams{Name: "org"}, "orgs_by_created", 1500},
			"metadata, range": {orgs.ListParams{Metadata: map[string]string{"plan": "pro"}, CreatedFrom: &from, CreatedTo: &to}, "orgs_by_created", 1500},
			// Each of the 2,000 organizations costs a lookup of three or four pages.
			"of a user":       {orgs.ListParams{UserID: &user}, "org_members_by_user", 2000*4 + 500},
			"of a user, name": {orgs.ListParams{UserID: &user, Name: "org"}, "org_members_by_user", 2000*4 + 500},
		} {
			t.Run(mode+", "+name, func(t *testing.T) {
				c.params.Limit = 1
				sql, args := orgs.CountStatement(account, c.params, nil)
				plan := explain(t, conn, sql, args)
				if !strings.Contains(plan.text, `"`+c.index) || len(plan.seqScans) > 0 || strings.Contains(plan.text, `"Sort"`) {
					t.Errorf("not a walk of %s:\n%s", c.index, plan.text)
				}
				if plan.buffers > c.buffers {
					t.Errorf("read %d buffers, want at most %d", plan.buffers, c.buffers)
				}
			})
		}
	}
}

// A total of members with a role reads at most the first 10,000 members.
func TestPlansOfMemberTotals(t *testing.T) {
	t.Parallel()
	d := dbtest.New(t)
	account := d.Account(t)
	large := d.Org(t, account, orgs.Org{}).ID
	d.Exec(t, `
INSERT INTO org_members (account_id, org_id, user_id, roles, added_at, org_created_at)
SELECT $1, $2, 'user_' || i, CASE WHEN i % 3 = 0 THEN '{common}' ELSE '{}'::text[] END, '2026-01-01'::timestamptz + i * interval '1 microsecond', now()
FROM generate_series(1, 50000) AS i`, account, large)
	d.Vacuum(t, "ANALYZE orgs, org_members")
	for _, mode := range planModes {
		t.Run(mode, func(t *testing.T) {
			conn := connWithPlans(t, d, mode)
			sql, args := orgs.MemberCountStatement(account, orgs.MemberListParams{OrgID: large, Role: "common"}, nil)
			plan := explain(t, conn, sql, args)
			// In this test, the walk ends after 1,000 of 50,000 members. All of them are on about
			// 600 pages.
			if !strings.Contains(plan.text, `"org_members_by_added"`) || slices.Contains(plan.seqScans, "org_members") || plan.buffers > 80 {
				t.Errorf("not a range of org_members_by_added, %d buffers:\n%s", plan.buffers, plan.text)
			}
		})
	}
}

// A user's organizations are looked up and sorted by name only if there are at most
// MaxSorted of them. Otherwise the statement only counts the memberships.
func TestPlansOfSortedByName(t *testing.T) {
	t.Parallel()
	d, account, user := explainable(t) // the user has 10,000 organizations
	end := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	from := end.Add(-1_000 * time.Second)
	run := func(t *testing.T, what string, p orgs.ListParams, buffers int) {
		t.Helper()
		for _, mode := range planModes {
			t.Run(what+", "+mode, func(t *testing.T) {
				sql, args := orgs.SortedStatement(account, p, nil)
				plan := explain(t, connWithPlans(t, d, mode), sql, args)
				// With a custom plan, all memberships may be read instead: half of them are the user's.
				byIndex := strings.Contains(plan.text, `"org_members_by_user"`) || mode == "force_custom_plan"
				if !byIndex || slices.Contains(plan.seqScans, "orgs") || plan.buffers > buffers {
					t.Errorf("not a range of org_members_by_user, %d buffers, want at most %d:\n%s", plan.buffers, buffers, plan.text)
				}
			})
		}
	}
	p := orgs.ListParams{Limit: 100, UserID: &user, Order: orgs.ByName}
	// A lookup reads three or four pages, and the memberships are on about 300 pages, which
	// are read twice.
	run(t, "all that may be sorted", p, orgs.MaxSorted*4+1000)
	within := p
	within.CreatedFrom = &from
	run(t, "a range of times", within, 500*4+60)
	d.Exec(t, `
INSERT INTO org_members (account_id, org_id, user_id, org_created_at)
SELECT account_id, org_id, $2, created_at FROM orgs WHERE account_id = $1 AND created_at < $3 ORDER BY created_at LIMIT 2
ON CONFLICT DO NOTHING`, account, user, end)
	run(t, "too many", p, 600)
}
