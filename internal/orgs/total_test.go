package orgs_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"orgd/internal/orgs"
	"orgd/internal/uuid"
)

func (b bundle) total(t fataler, p orgs.ListParams) orgs.Total {
	t.Helper()
	total, err := b.repository.Count(context.Background(), b.account, p)
	if err != nil {
		t.Fatalf("%+v: %v", p, err)
	}
	return total
}

// For every combination of filters, the total is the length of the list, whatever the page
// and the order.
func TestTotalOfEveryList(t *testing.T) {
	t.Parallel()
	b := setup(t)
	made, members := b.manyOrgs(t, 300)
	everyList(func(p orgs.ListParams) {
		p.Limit, p.Order = 1, orgs.ByName
		var want int
		for _, o := range made {
			if matches(p, o, members[o.ID]) {
				want++
			}
		}
		if got := b.total(t, p); got != (orgs.Total{Count: want}) {
			t.Errorf("%+v: %+v, want %d", p, got, want)
		}
	})
	some := orgs.ListParams{OrgIDs: append(ids(made[:10]), uuid.NewV7())}
	if got := b.total(t, some); got != (orgs.Total{Count: 10}) {
		t.Errorf("ten of eleven ids: %+v", got)
	}
	within := orgs.ListParams{CreatedFrom: &made[99].CreatedAt, CreatedTo: &made[0].CreatedAt}
	want := 0
	for _, o := range made {
		if matches(within, o, nil) {
			want++
		}
	}
	if got := b.total(t, within); got != (orgs.Total{Count: want}) {
		t.Errorf("a range of times: %+v, want %d", got, want)
	}
}

// In a list that is longer than the limits, the total is a lower bound. Rare matches are
// counted with the index.
func TestTotalOfLongLists(t *testing.T) {
	t.Parallel()
	b := setup(t)
	user := userN(1)
	b.Exec(t, `
WITH made AS (
	INSERT INTO orgs (account_id, org_id, org_name, org_name_folded, is_active, metadata, created_at)
	SELECT $1, gen_random_uuid(), 'Org ' || i, 'org ' || i, i % 2 = 0,
	       CASE WHEN i <= 40 THEN '{"age": "old"}' WHEN i > 11990 THEN '{"age": "new"}' ELSE '{}' END::jsonb, '2026-01-01'::timestamptz + i * interval '1 second'
	FROM generate_series(1, 12000) AS i
	RETURNING account_id, org_id, created_at
)
INSERT INTO org_members (account_id, org_id, user_id, org_created_at) SELECT account_id, org_id, $2, created_at FROM made`, b.account, user)
	b.Vacuum(t, "ANALYZE orgs, org_members")
	b.repository = b.repository.WithCountLimit(time.Minute) // however slow the machine is
	yes := true
	for name, c := range map[string]struct {
		params orgs.ListParams
		want   orgs.Total
	}{
		"all":                      {orgs.ListParams{}, orgs.Total{Count: orgs.MaxTotal, More: true}},
		"active":                   {orgs.ListParams{IsActive: &yes}, orgs.Total{Count: 6000}},
		"a common name":            {orgs.ListParams{Name: "org"}, orgs.Total{Count: orgs.MaxTotal, More: true}},
		"a rare name":              {orgs.ListParams{Name: "org 777"}, orgs.Total{Count: 11}},
		"one name":                 {orgs.ListParams{NameIs: "ORG 7"}, orgs.Total{Count: 1}},
		"only old ones":            {orgs.ListParams{Metadata: map[string]string{"age": "old"}}, orgs.Total{Count: 40}},
		"only new ones":            {orgs.ListParams{Metadata: map[string]string{"age": "new"}}, orgs.Total{Count: 10}},
		"a user's":                 {orgs.ListParams{UserID: &user}, orgs.Total{Count: 2000, More: true}},
		"a user's, only old ones":  {orgs.ListParams{UserID: &user, Metadata: map[string]string{"age": "old"}}, orgs.Total{Count: 40}},
		"a user's, a common name":  {orgs.ListParams{UserID: &user, Name: "org"}, orgs.Total{Count: 2000, More: true}},
		"a user's, another filter": {orgs.ListParams{UserID: &user, IsActive: &yes}, orgs.Total{Count: 2000, More: true}},
	} {
		t.Run(name, func(t *testing.T) {
			if got := b.total(t, c.params); got != c.want {
				t.Errorf("%+v, want %+v", got, c.want)
			}
		})
	}
}

func TestTotalOfMembers(t *testing.T) {
	t.Parallel()
	b := setup(t)
	ctx := context.Background()
	o := b.Org(t, b.account, orgs.Org{IsActive: true})
	made := b.manyMembers(t, o, 50)
	empty := b.Org(t, b.account, orgs.Org{IsActive: true})
	for name, c := range map[string]struct {
		params orgs.MemberListParams
		want   int
	}{
		"all":            {orgs.MemberListParams{OrgID: o.ID}, 50},
		"of a role":      {orgs.MemberListParams{OrgID: o.ID, Role: "owner"}, 25},
		"two users":      {orgs.MemberListParams{OrgID: o.ID, UserIDs: []string{made[0].UserID, made[1].UserID, "nobody"}}, 2},
		"nobody":         {orgs.MemberListParams{OrgID: o.ID, UserIDs: []string{"nobody"}}, 0},
		"none":           {orgs.MemberListParams{OrgID: empty.ID}, 0},
		"none of a role": {orgs.MemberListParams{OrgID: empty.ID, Role: "owner"}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			total, err := b.repository.CountMembers(ctx, b.account, c.params)
			if err != nil || total != (orgs.Total{Count: c.want}) {
				t.Errorf("%+v, %v; want %d", total, err, c.want)
			}
		})
	}
	t.Run("unknown organization", func(t *testing.T) {
		if _, err := b.repository.CountMembers(ctx, b.account, orgs.MemberListParams{OrgID: uuid.NewV7()}); !errors.Is(err, orgs.ErrNotFound) {
			t.Errorf("%v, want ErrNotFound", err)
		}
	})
}

// Members with a common role are counted up to MaxTotal, and those with a rare role are
// counted with the index.
func TestTotalOfManyMembers(t *testing.T) {
	t.Parallel()
	b := setup(t)
	o := b.Org(t, b.account, orgs.Org{IsActive: true})
	b.Exec(t, `
INSERT INTO org_members (account_id, org_id, user_id, roles, added_at, org_created_at)
SELECT $1, $2, 'user_' || i, CASE WHEN i <= 30 THEN '{rare}' ELSE '{common}'::text[] END, '2026-01-01'::timestamptz + i * interval '1 microsecond', now()
FROM generate_series(1, 11000) AS i`, b.account, o.ID)
	b.Vacuum(t, "ANALYZE org_members")
	for role, want := range map[string]orgs.Total{"common": {Count: orgs.MaxTotal, More: true}, "rare": {Count: 30}} {
		t.Run(fmt.Sprint(role), func(t *testing.T) {
			total, err := b.repository.WithCountLimit(time.Minute).CountMembers(context.Background(), b.account, orgs.MemberListParams{OrgID: o.ID, Role: role})
			if err != nil || total != want {
				t.Errorf("%+v, %v; want %+v", total, err, want)
			}
		})
	}
}
