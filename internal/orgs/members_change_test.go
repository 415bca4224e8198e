package orgs_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"orgd/internal/orgs"
	"orgd/internal/uuid"
)

func (b bundle) changeMembers(t fataler, id uuid.UUID, users orgs.MembersChange) orgs.MembersChanged {
	t.Helper()
	changed, err := b.repository.ChangeMembers(context.Background(), b.caller(), id, nil, users)
	if err != nil {
		t.Fatalf("ChangeMembers(%+v): %v", users, err)
	}
	return changed
}

func withRoles(user string, roles ...string) orgs.NewMember {
	return orgs.NewMember{UserID: user, Roles: &roles}
}

// Each user whom a change adds, updates or removes gets an event, and raises the version
// by one.
func TestMembersChangesAreAudited(t *testing.T) {
	t.Parallel()
	b := setup(t)
	id := b.create(t, orgs.NewOrg{Name: "Acme"}).ID
	b.changeMembers(t, id, orgs.MembersChange{Add: []orgs.NewMember{{UserID: "a"}, withRoles("b", "x", "owner"), withRoles("c")}, Remove: []string{"d"}})
	b.changeMembers(t, id, orgs.MembersChange{Add: []orgs.NewMember{{UserID: "a"}, withRoles("b"), withRoles("c", "y")}, Remove: []string{"a2"}})
	b.changeMembers(t, id, orgs.MembersChange{Add: []orgs.NewMember{withRoles("c", "y"), {UserID: "d"}}, Remove: []string{"c2", "b", "a"}})
	b.changeMembers(t, id, orgs.MembersChange{Remove: []string{"c"}})
	var got []string
	for _, e := range b.events(t, id)[1:] {
		got = append(got, strings.Join([]string{strings.TrimPrefix(e.Type, "org.member_"), *e.Subject, e.Before, e.After}, " "))
	}
	want := []string{
		`added a {} {}`, `added b {} {"roles": ["owner", "x"]}`, `added c {} {}`,
		`updated b {"roles": ["owner", "x"], "addedAt": "event 2"} {"roles": []}`,
		`updated c {"roles": [], "addedAt": "event 3"} {"roles": ["y"]}`,
		`removed b {"addedAt": "event 2"} {}`, `removed a {"addedAt": "event 1"} {}`, `added d {} {}`,
		`removed c {"roles": ["y"], "addedAt": "event 3"} {}`,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("events (-want +got):\n%s", diff)
	}
	if o := b.get(t, id); o.Version != int64(1+len(want)) || o.UserCount != 1 {
		t.Errorf("%+v", o)
	}
}

// userCount is right after every commit, even while two repositories make overlapping
// changes.
func TestOverlappingMembersChanges(t *testing.T) {
	t.Parallel()
	b := setup(t)
	other := b
	other.repository = orgs.NewRepository(b.Conns)
	id := b.create(t, orgs.NewOrg{Name: "Acme"}).ID
	done := make(chan struct{})
	var watch sync.WaitGroup
	watch.Go(func() {
		for {
			select {
			case <-done:
				return
			default:
			}
			var count, members int
			err := b.Pool.QueryRow(context.Background(), `
SELECT user_count, (SELECT count(*) FROM org_members AS m WHERE m.account_id = orgs.account_id AND m.org_id = orgs.org_id)
FROM orgs WHERE account_id = $1 AND org_id = $2`, b.account, id).Scan(&count, &members)
			if err != nil || count != members {
				t.Errorf("userCount %d with %d members, %v", count, members, err)
				return
			}
		}
	})
	together(8, func(i int) {
		by := []bundle{b, other}[i%2]
		random := rand.New(rand.NewPCG(uint64(i), 1))
		for range 25 {
			var users orgs.MembersChange
			for _, n := range random.Perm(30)[:20] {
				switch random.IntN(3) {
				case 0:
					users.Remove = append(users.Remove, userN(n))
				case 1:
					users.Add = append(users.Add, orgs.NewMember{UserID: userN(n)})
				default:
					users.Add = append(users.Add, withRoles(userN(n), fmt.Sprint("r", random.IntN(3))))
				}
			}
			changed := by.changeMembers(tb{t}, id, users)
			if sum := changed.Added + changed.Removed + changed.Updated + changed.Unchanged; sum != 20 {
				t.Errorf("%+v does not add up to 20 users", changed)
			}
		}
	})
	close(done)
	watch.Wait()
	members := b.counted(t, id)
	if o := b.get(t, id); o.Version != int64(len(b.events(t, id))) || int(o.UserCount) != len(members) {
		t.Errorf("%+v after %d events", o, len(b.events(t, id)))
	}
}

// Rows follow the organization's activity up to 1,000 members. A change that crosses this
// size leaves every row with the right value.
func TestMembersChangesAcrossTheFollowedSize(t *testing.T) {
	t.Parallel()
	b := setup(t)
	id := b.create(t, orgs.NewOrg{Name: "Acme"}).ID
	batch := func(from, to int) (users []orgs.NewMember) {
		for i := from; i < to; i++ {
			users = append(users, orgs.NewMember{UserID: userN(i)})
		}
		return users
	}
	for i := range 10 {
		b.changeMembers(t, id, orgs.MembersChange{Add: batch(100*i, 100*i+99)}) // 990
	}
	known := func() (n int) {
		t.Helper()
		if err := b.Pool.QueryRow(context.Background(), "SELECT count(*) FROM org_members WHERE org_activity <> -1").Scan(&n); err != nil {
			t.Fatal(err)
		}
		return n
	}
	if n := known(); n != 990 {
		t.Errorf("%d of 990 rows follow the activity", n)
	}
	b.changeMembers(t, id, orgs.MembersChange{Add: batch(2000, 2020)}) // 1010
	if n := known(); n != 0 {
		t.Errorf("%d of 1010 rows follow the activity", n)
	}
	// One change removes 15 members, which leaves 995, and adds 10.
	var gone []string
	for i := range 15 {
		gone = append(gone, userN(i))
	}
	b.changeMembers(t, id, orgs.MembersChange{Add: batch(3000, 3010), Remove: gone})
	if n := known(); n != 0 {
		t.Errorf("%d of 1005 rows follow the activity", n)
	}
}

// A rejected change of several members has no effect at all.
func TestMembersChangesAreAtomic(t *testing.T) {
	t.Parallel()
	b := setup(t)
	ctx := context.Background()
	id := b.create(t, orgs.NewOrg{Name: "Acme"}).ID
	b.changeMembers(t, id, orgs.MembersChange{Add: []orgs.NewMember{withRoles("a", "x")}})
	if _, err := b.repository.SetActive(ctx, b.caller(), id, nil, false); err != nil {
		t.Fatal(err)
	}
	users := orgs.MembersChange{Add: []orgs.NewMember{withRoles("a", "y"), {UserID: "b"}}, Remove: []string{"c"}}
	for name, tc := range map[string]struct {
		id    uuid.UUID
		match orgs.Versions
		err   error
	}{
		"inactive":          {id, nil, orgs.ErrInactive},
		"version":           {id, orgs.Versions{1}, orgs.ErrVersion},
		"no organization":   {uuid.NewV7(), nil, orgs.ErrNotFound},
		"inactive, version": {id, orgs.Versions{3}, orgs.ErrInactive},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := b.repository.ChangeMembers(ctx, b.caller(), tc.id, tc.match, users); !errors.Is(err, tc.err) {
				t.Errorf("%v, want %v", err, tc.err)
			}
		})
	}
	got, err := b.repository.GetMember(ctx, b.account, id, "a")
	if err != nil || !slices.Equal(got.Roles, []string{"x"}) || b.get(t, id).Version != 3 {
		t.Errorf("%+v, %v", got, err)
	}
	if _, err := b.repository.GetMember(ctx, b.account, id, "b"); !errors.Is(err, orgs.ErrNotMember) {
		t.Errorf("b: %v", err)
	}
	if _, err := b.repository.GetMember(ctx, b.account, uuid.NewV7(), "a"); !errors.Is(err, orgs.ErrNotFound) {
		t.Errorf("no organization: %v", err)
	}
	if err := b.repository.DeleteMember(ctx, b.caller(), id, nil, "b"); !errors.Is(err, orgs.ErrNotMember) {
		t.Errorf("delete b: %v", err)
	}
}

// The nearby statement and the index find the members with a role in the same order.
func TestListMembersByRole(t *testing.T) {
	t.Parallel()
	b := setup(t)
	made := b.create(t, orgs.NewOrg{Name: "Acme"})
	b.create(t, orgs.NewOrg{Name: "Other"})
	b.Exec(t, `
INSERT INTO org_members (account_id, org_id, user_id, roles, added_at, org_created_at)
SELECT $1, org_id, i::text, array_remove(ARRAY[CASE WHEN i % 100 = 0 THEN 'rare' END, CASE WHEN i % 2 = 0 THEN 'common' END], NULL),
       '2026-01-01'::timestamptz + i * interval '1 microsecond', created_at
FROM orgs, generate_series(1, 400) AS i`, b.account)
	for _, nearby := range []int{1, 10, 250, 1000} {
		for role, want := range map[string]int{"rare": 4, "common": 200, "none": 0} {
			for _, limit := range []int{1, 7, 100} {
				t.Run(fmt.Sprintf("nearby %d, %s, limit %d", nearby, role, limit), func(t *testing.T) {
					p := orgs.MemberListParams{OrgID: made.ID, Limit: limit, Role: role}
					var all []orgs.Member
					for {
						page, err := b.repository.WithNearby(nearby).ListMembers(context.Background(), b.account, p)
						if err != nil {
							t.Fatal(err)
						}
						all = append(all, page.Members...)
						if p.Cursor = page.Cursor; p.Cursor == "" {
							break
						}
					}
					if len(all) != want || !slices.IsSortedFunc(all, func(a, b orgs.Member) int { return b.AddedAt.Compare(a.AddedAt) }) {
						t.Errorf("%d members, want %d", len(all), want)
					}
					for _, m := range all {
						if !slices.Contains(m.Roles, role) {
							t.Errorf("%+v", m)
						}
					}
				})
			}
		}
	}
	empty := b.create(t, orgs.NewOrg{Name: "Empty"})
	if page, err := b.repository.ListMembers(context.Background(), b.account, orgs.MemberListParams{OrgID: empty.ID, Limit: 1, Role: "x"}); err != nil || len(page.Members) != 0 {
		t.Errorf("%+v, %v", page, err)
	}
}
