package orgs_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync/atomic"
	"testing"

	"github.com/jackc/pgx/v5"

	"orgd/internal/db"
	"orgd/internal/orgs"
	"orgd/internal/uuid"
)

// crowd adds members with SQL. Their org_activity fits the new number of members.
func (b bundle) crowd(t *testing.T, org uuid.UUID, count int) {
	t.Helper()
	b.Exec(t, `
WITH grown AS (
  UPDATE orgs SET user_count = user_count + $3::integer WHERE account_id = $1 AND org_id = $2
  RETURNING created_at, is_active, user_count
)
INSERT INTO org_members (account_id, org_id, user_id, added_at, org_created_at, org_activity)
SELECT $1, $2, gen_random_uuid()::text, now() - n * interval '1 microsecond', created_at, CASE WHEN user_count > 1000 THEN -1 ELSE is_active::integer END
FROM grown, generate_series(1, $3::integer) AS n`, b.account, org, count)
}

// activities counts the organization's members by their org_activity.
func (b bundle) activities(t *testing.T, org uuid.UUID) map[int16]int {
	t.Helper()
	counted := map[int16]int{}
	rows, err := b.Pool.Query(context.Background(),
		`SELECT org_activity, count(*) FROM org_members WHERE account_id = $1 AND org_id = $2 GROUP BY org_activity`, b.account, org)
	if err != nil {
		t.Fatal(err)
	}
	var activity int16
	var count int
	if _, err := pgx.ForEachRow(rows, []any{&activity, &count}, func() error { counted[activity] = count; return nil }); err != nil {
		t.Fatal(err)
	}
	return counted
}

func TestMemberRowsFollowTheActivity(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name    string
		members int
		unknown bool // org_activity is -1
		change  func(t *testing.T, b bundle, org uuid.UUID)
		want    map[int16]int
	}{
		{"added", 2, false, func(*testing.T, bundle, uuid.UUID) {}, map[int16]int{1: 2}},
		{"deactivated", 2, false, deactivate, map[int16]int{0: 2}},
		{"reactivated", 2, false, func(t *testing.T, b bundle, org uuid.UUID) {
			deactivate(t, b, org)
			reactivate(t, b, org)
		}, map[int16]int{1: 2}},
		{"renamed", 2, false, func(t *testing.T, b bundle, org uuid.UUID) {
			b.update(t, org, orgs.Changes{Name: ptr("Other")})
		}, map[int16]int{1: 2}},
		{"deactivated with 1,000", 1000, false, deactivate, map[int16]int{0: 1000}},
		{"grown to 1,001", 1000, false, func(t *testing.T, b bundle, org uuid.UUID) {
			b.add(t, org, userN(1))
		}, map[int16]int{-1: 1001}},
		{"deactivated with 1,001", 1001, false, deactivate, map[int16]int{-1: 1001}},
		{"shrunk to 1,000 and deactivated", 1000, false, func(t *testing.T, b bundle, org uuid.UUID) {
			b.add(t, org, userN(1))
			b.drop(t, org, userN(1))
			deactivate(t, b, org)
		}, map[int16]int{0: 1000}},
		{"shrunk to 999 and grown by one", 1001, false, func(t *testing.T, b bundle, org uuid.UUID) {
			for _, m := range b.members(t, org, 100)[:2] {
				b.drop(t, org, m.UserID)
			}
			b.add(t, org, userN(1))
		}, map[int16]int{-1: 999, 1: 1}},
		{"unknown", 2, true, func(*testing.T, bundle, uuid.UUID) {}, map[int16]int{-1: 2}},
		{"unknown, deactivated", 2, true, deactivate, map[int16]int{0: 2}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			b := setup(t)
			made := b.create(t, orgs.NewOrg{Name: "Acme"})
			if c.members > 2 {
				b.crowd(t, made.ID, c.members)
			} else {
				b.add(t, made.ID, userN(8))
				b.add(t, made.ID, userN(9))
			}
			if c.unknown {
				b.Exec(t, "UPDATE org_members SET org_activity = DEFAULT")
			}
			c.change(t, b, made.ID)
			if got := b.activities(t, made.ID); fmt.Sprint(got) != fmt.Sprint(c.want) {
				t.Errorf("members by activity %v, want %v", got, c.want)
			}
		})
	}
}

func deactivate(t *testing.T, b bundle, org uuid.UUID) { b.setActive(t, org, false) }
func reactivate(t *testing.T, b bundle, org uuid.UUID) { b.setActive(t, org, true) }

func (b bundle) setActive(t fataler, org uuid.UUID, active bool) {
	t.Helper()
	if _, err := b.repository.SetActive(context.Background(), b.caller(), org, nil, active); err != nil {
		t.Fatalf("SetActive: %v", err)
	}
}

// At every commit, a member's row has the activity of its organization or -1, even while
// two servers change the organization concurrently. One of the organizations has about
// 1,000 members; above that size, the rows have -1.
func TestConcurrentChangesKeepTheActivity(t *testing.T) {
	t.Parallel()
	b := setup(t)
	second, err := db.Open(context.Background(), b.URL, db.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(second.Close)
	servers := []*orgs.Repository{b.repository, orgs.NewRepository(second)}
	for _, crowd := range []int{3, 996} {
		made := b.create(t, orgs.NewOrg{Name: "Acme"})
		b.crowd(t, made.ID, crowd)
		var running atomic.Int64
		running.Store(6)
		together(7, func(i int) {
			if i == 6 {
				for running.Load() > 0 {
					b.wantActivity(tb{t})
				}
				return
			}
			defer running.Add(-1)
			for range 40 {
				changeMembership(tb{t}, b.caller(), servers[i%2], made.ID)
			}
		})
		b.wantActivity(tb{t})
	}
}

// changeMembership makes one random change of the organization or its members.
func changeMembership(t fataler, c orgs.Call, r *orgs.Repository, org uuid.UUID) {
	ctx, user := context.Background(), userN(rand.IntN(8))
	var err error
	switch rand.IntN(6) {
	case 0:
		_, err = r.SetActive(ctx, c, org, nil, false)
	case 1, 2:
		_, err = r.SetActive(ctx, c, org, nil, true)
	case 3, 4:
		_, err = r.AddMember(ctx, c, org, nil, user)
	default:
		_, err = r.RemoveMember(ctx, c, org, nil, user)
	}
	if err != nil && !errors.Is(err, orgs.ErrInactive) {
		t.Fatalf("%v", err)
	}
}

// wantActivity fails if a member's row contradicts its organization.
func (b bundle) wantActivity(t fataler) {
	t.Helper()
	var wrong, large int
	err := b.Pool.QueryRow(context.Background(), `
SELECT count(*) FILTER (WHERE org_activity NOT IN (-1, is_active::integer)), count(*) FILTER (WHERE user_count > 1000 AND org_activity <> -1)
FROM org_members JOIN orgs USING (account_id, org_id)`).Scan(&wrong, &large)
	if err != nil || wrong > 0 || large > 0 {
		t.Fatalf("%d rows contradict their organization, %d rows of large organizations have an activity: %v", wrong, large, err)
	}
}

// A user's organizations are listed by activity whether or not the members' rows store it.
// Each list includes the previous change.
func TestListByActivityReadsItsOwnWrites(t *testing.T) {
	t.Parallel()
	b := setup(t)
	user := userN(1)
	var active []uuid.UUID
	for i := range 9 {
		made := b.create(t, orgs.NewOrg{Name: fmt.Sprint(i)})
		if i%3 == 0 {
			b.crowd(t, made.ID, 1001)
		}
		b.add(t, made.ID, user)
		active = append(active, made.ID)
	}
	slices.Reverse(active)
	var deactivated []uuid.UUID
	for len(active) > 0 {
		i := rand.IntN(len(active))
		b.setActive(t, active[i], false)
		deactivated = append(deactivated, active[i])
		active = slices.Delete(active, i, i+1)
		for _, limit := range []int{1, 2, 4, 100} {
			for isActive, want := range map[bool][]uuid.UUID{true: active, false: deactivated} {
				seen := ids(b.walk(t, orgs.ListParams{Limit: limit, UserID: &user, IsActive: &isActive}))
				if !sameIDs(seen, want) {
					t.Errorf("limit %d, active %v: saw %v, want %v", limit, isActive, seen, want)
				}
			}
		}
	}
}

func sameIDs(x, y []uuid.UUID) bool {
	byID := func(x, y uuid.UUID) int { return slices.Compare(x[:], y[:]) }
	return slices.Equal(slices.SortedFunc(slices.Values(x), byID), slices.SortedFunc(slices.Values(y), byID))
}
