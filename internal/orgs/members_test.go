package orgs_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"orgd/internal/orgs"
	"orgd/internal/uuid"
)

func (b bundle) add(t fataler, id uuid.UUID, user string) {
	t.Helper()
	if _, err := b.repository.AddMember(context.Background(), b.caller(), id, nil, user); err != nil {
		t.Fatalf("AddMember: %v", err)
	}
}

func (b bundle) drop(t fataler, id uuid.UUID, user string) {
	t.Helper()
	if _, err := b.repository.RemoveMember(context.Background(), b.caller(), id, nil, user); err != nil {
		t.Fatalf("RemoveMember: %v", err)
	}
}

// members returns all members of the organization. It reads pages of the given limit.
func (b bundle) members(t fataler, id uuid.UUID, limit int) []orgs.Member {
	t.Helper()
	var all []orgs.Member
	p := orgs.MemberListParams{OrgID: id, Limit: limit}
	for {
		page, err := b.repository.ListMembers(context.Background(), b.account, p)
		if err != nil {
			t.Fatalf("ListMembers: %v", err)
		}
		all = append(all, page.Members...)
		if p.Cursor = page.Cursor; p.Cursor == "" {
			return all
		}
		if len(page.Members) != limit {
			t.Fatalf("a page of %d with a cursor, limit %d", len(page.Members), limit)
		}
	}
}

// counted returns the organization's members, and fails unless userCount is their number.
func (b bundle) counted(t fataler, id uuid.UUID) []string {
	t.Helper()
	var users []string
	for _, m := range b.members(t, id, 100) {
		users = append(users, m.UserID)
	}
	if o := b.get(t, id); int(o.UserCount) != len(users) {
		t.Fatalf("userCount %d with %d members", o.UserCount, len(users))
	}
	slices.Sort(users)
	return users
}

func TestMembersAreCounted(t *testing.T) {
	t.Parallel()
	b := setup(t)
	made := b.create(t, orgs.NewOrg{Name: "Acme"})
	one, two := userN(1), userN(2)
	for i, step := range []struct {
		do      func(fataler, uuid.UUID, string)
		user    string
		members []string
		version int64
	}{
		{b.drop, one, nil, 1},
		{b.add, one, []string{one}, 2},
		{b.add, one, []string{one}, 2},
		{b.add, two, []string{one, two}, 3},
		{b.drop, one, []string{two}, 4},
		{b.drop, one, []string{two}, 4},
		{b.add, one, []string{one, two}, 5},
	} {
		step.do(t, made.ID, step.user)
		if diff := cmp.Diff(step.members, b.counted(t, made.ID)); diff != "" {
			t.Errorf("step %d: members (-want +got):\n%s", i, diff)
		}
		if o := b.get(t, made.ID); o.Version != step.version || step.version > 1 && !o.UpdatedAt.After(made.UpdatedAt) {
			t.Errorf("step %d: %+v", i, o)
		}
	}
}

// A deactivated organization cannot get new members, but its members can be removed.
func TestMembersOfADeactivatedOrganization(t *testing.T) {
	t.Parallel()
	b := setup(t)
	ctx := context.Background()
	made := b.create(t, orgs.NewOrg{Name: "Acme"})
	member, other := userN(1), userN(2)
	b.add(t, made.ID, member)
	if _, err := b.repository.SetActive(ctx, b.caller(), made.ID, nil, false); err != nil {
		t.Fatal(err)
	}
	if _, err := b.repository.AddMember(ctx, b.caller(), made.ID, nil, other); !errors.Is(err, orgs.ErrInactive) {
		t.Errorf("a new member: %v", err)
	}
	b.add(t, made.ID, member)
	if got := b.counted(t, made.ID); len(got) != 1 {
		t.Errorf("members %v", got)
	}
	b.drop(t, made.ID, member)
	if got := b.counted(t, made.ID); len(got) != 0 {
		t.Errorf("members %v", got)
	}
}

// A membership change with another version in If-Match is rejected, even if it would
// change nothing. The version is checked before anything else.
func TestMembershipIfMatch(t *testing.T) {
	t.Parallel()
	b := setup(t)
	made := b.create(t, orgs.NewOrg{Name: "Acme"})
	member, other := userN(1), userN(2)
	b.add(t, made.ID, member)
	changes := map[string]func(context.Context, orgs.Call, uuid.UUID, orgs.Versions, string) (orgs.Changed, error){
		"add": b.repository.AddMember, "remove": b.repository.RemoveMember,
	}
	rejected := func(current int64) {
		t.Helper()
		for name, change := range changes {
			for _, match := range []orgs.Versions{{}, {1}, {0, 7}} {
				for _, user := range []string{member, other} {
					_, err := change(context.Background(), b.caller(), made.ID, match, user)
					var version orgs.VersionError
					if !errors.As(err, &version) || version.Current != current || !errors.Is(err, orgs.ErrVersion) {
						t.Errorf("%s %v, match %v: %v", name, user, match, err)
					}
				}
			}
		}
		if got := b.counted(t, made.ID); len(got) != 1 || b.get(t, made.ID).Version != current {
			t.Errorf("a rejected change had an effect: %v", got)
		}
	}
	rejected(2)
	if _, err := b.repository.SetActive(context.Background(), b.caller(), made.ID, nil, false); err != nil {
		t.Fatal(err)
	}
	rejected(3)
	for name, change := range changes {
		if _, err := change(context.Background(), b.caller(), uuid.NewV7(), orgs.Versions{}, member); !errors.Is(err, orgs.ErrNotFound) {
			t.Errorf("%s, no organization: %v", name, err)
		}
	}
	if _, err := b.repository.RemoveMember(context.Background(), b.caller(), made.ID, orgs.Versions{9, 3}, member); err != nil {
		t.Errorf("for the current version: %v", err)
	}
	if got := b.counted(t, made.ID); len(got) != 0 {
		t.Errorf("members %v", got)
	}
}

// Of many concurrent membership changes with the same version in If-Match, one succeeds.
func TestConcurrentMembershipsIfMatch(t *testing.T) {
	t.Parallel()
	b := setup(t)
	made := b.create(t, orgs.NewOrg{Name: "Acme"})
	var won, lost atomic.Int32
	together(20, func(i int) {
		_, err := b.repository.AddMember(context.Background(), b.caller(), made.ID, orgs.Versions{1}, userN(i))
		switch {
		case err == nil:
			won.Add(1)
		case errors.Is(err, orgs.ErrVersion):
			lost.Add(1)
		default:
			t.Error(err)
		}
	})
	if won.Load() != 1 || lost.Load() != 19 || len(b.counted(t, made.ID)) != 1 {
		t.Errorf("%d changes succeeded and %d were rejected", won.Load(), lost.Load())
	}
}

func TestListMembers(t *testing.T) {
	t.Parallel()
	b := setup(t)
	made := b.create(t, orgs.NewOrg{Name: "Acme"})
	other := b.create(t, orgs.NewOrg{Name: "Other"})
	if got := b.members(t, made.ID, 1); len(got) != 0 {
		t.Errorf("members of an organization without members: %v", got)
	}
	b.Exec(t, `
INSERT INTO org_members (account_id, org_id, user_id, added_at, org_created_at)
SELECT $1, $2, gen_random_uuid()::text, '2026-01-01'::timestamptz + i * interval '1 microsecond', $3 FROM generate_series(1, 250) AS i`,
		b.account, made.ID, made.CreatedAt)
	b.add(t, other.ID, userN(0))
	for _, limit := range []int{1, 3, 7, 83, 100} {
		all := b.members(t, made.ID, limit)
		if len(all) != 250 {
			t.Fatalf("limit %d: saw %d", limit, len(all))
		}
		for i := 1; i < len(all); i++ {
			if !all[i-1].AddedAt.After(all[i].AddedAt) {
				t.Fatalf("limit %d: %v came before %v", limit, all[i-1], all[i])
			}
		}
	}
}

func TestListMembersRejects(t *testing.T) {
	t.Parallel()
	b := setup(t)
	ctx := context.Background()
	one, two := b.create(t, orgs.NewOrg{Name: "One"}), b.create(t, orgs.NewOrg{Name: "Two"})
	for i := range byte(3) {
		b.add(t, one.ID, userN(int(i)))
		b.add(t, two.ID, userN(int(i)))
	}
	page, err := b.repository.ListMembers(ctx, b.account, orgs.MemberListParams{OrgID: one.ID, Limit: 1})
	if err != nil {
		t.Fatal(err)
	}
	list := b.list(t, orgs.ListParams{Limit: 1})
	for name, p := range map[string]orgs.MemberListParams{
		"cursor of another organization's members": {OrgID: two.ID, Limit: 1, Cursor: page.Cursor},
		"cursor of the list of organizations":      {OrgID: one.ID, Limit: 1, Cursor: list.Cursor},
		"malformed cursor":                         {OrgID: one.ID, Limit: 1, Cursor: "x"},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := b.repository.ListMembers(ctx, b.account, p); !errors.Is(err, orgs.ErrInvalidCursor) {
				t.Errorf("%v, want ErrInvalidCursor", err)
			}
		})
	}
	if _, err := b.repository.List(ctx, b.account, orgs.ListParams{Limit: 1, Cursor: page.Cursor}); !errors.Is(err, orgs.ErrInvalidCursor) {
		t.Errorf("a cursor of members for the list of organizations: %v", err)
	}
	for _, limit := range []int{-1, 0, 101} {
		t.Run(fmt.Sprintf("limit %d", limit), func(t *testing.T) {
			if _, err := b.repository.ListMembers(ctx, b.account, orgs.MemberListParams{OrgID: one.ID, Limit: limit}); err == nil {
				t.Error("an invalid limit is accepted")
			}
		})
	}
}

// After concurrent additions and removals of one member, the count is right.
func TestConcurrentAddAndRemoveOfOneMember(t *testing.T) {
	t.Parallel()
	b := setup(t)
	made := b.create(t, orgs.NewOrg{Name: "Acme"})
	user := userN(1)
	for range 30 {
		together(8, func(i int) {
			if i%2 == 0 {
				b.add(tb{t}, made.ID, user)
			} else {
				b.drop(tb{t}, made.ID, user)
			}
		})
		b.counted(t, made.ID)
	}
	// Additions and removals alternate.
	want := "org.member_added"
	events := b.events(t, made.ID)[1:]
	if len(events) == 0 {
		t.Error("no member was added")
	}
	for _, e := range events {
		if e.Type != want {
			t.Fatalf("event %s, want %s", e.Type, want)
		}
		want = map[string]string{"org.member_added": "org.member_removed", "org.member_removed": "org.member_added"}[want]
	}
}

// All members that are added concurrently are stored and counted.
func TestAllConcurrentAdditionsAreStored(t *testing.T) {
	t.Parallel()
	b := setup(t)
	made := b.create(t, orgs.NewOrg{Name: "Acme"})
	together(16, func(i int) {
		for n := range byte(25) {
			b.add(tb{t}, made.ID, userN(256*i+int(n)))
		}
	})
	if got := b.counted(t, made.ID); len(got) != 16*25 {
		t.Errorf("%d members", len(got))
	}
	if o := b.get(t, made.ID); o.Version != 1+16*25 {
		t.Errorf("version %d", o.Version)
	}
}

// After a deactivation has returned, no member is added, even by calls that were in
// progress.
func TestNoMemberIsAddedAfterDeactivation(t *testing.T) {
	t.Parallel()
	b := setup(t)
	ctx := context.Background()
	added, rejected := 0, 0
	for range 20 {
		made := b.create(t, orgs.NewOrg{Name: "Acme"})
		var mu sync.Mutex
		var deactivated time.Time
		entered := 0
		together(6, func(i int) {
			if i == 0 {
				time.Sleep(time.Duration(rand.IntN(3000)) * time.Microsecond)
				if _, err := b.repository.SetActive(ctx, b.caller(), made.ID, nil, false); err != nil {
					t.Error(err)
				}
				mu.Lock()
				deactivated = time.Now()
				mu.Unlock()
				return
			}
			for n := range byte(6) {
				begun := time.Now()
				_, err := b.repository.AddMember(ctx, b.caller(), made.ID, nil, userN(256*i+int(n)))
				if err != nil && !errors.Is(err, orgs.ErrInactive) {
					t.Error(err)
				}
				mu.Lock()
				if err != nil {
					rejected++
				} else {
					entered++
					if !deactivated.IsZero() && begun.After(deactivated) {
						t.Error("a member was added after the deactivation returned")
					}
				}
				mu.Unlock()
			}
		})
		if got := b.counted(t, made.ID); len(got) != entered {
			t.Errorf("%d members, %d were added", len(got), entered)
		}
		events := b.events(t, made.ID)
		if last := events[len(events)-1]; last.Type != "org.deactivated" {
			t.Errorf("the last event is %s", last.Type)
		}
		added += entered
	}
	if added == 0 || rejected == 0 {
		t.Errorf("%d additions succeeded and %d were rejected, want some of each", added, rejected)
	}
}
