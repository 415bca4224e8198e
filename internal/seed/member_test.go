package seed

import (
	"testing"

	"orgd/internal/uuid"
)

// walk returns the users of organization i, with the times at which they were added.
func walk(g *generator, i int64) map[int64]int64 {
	users := map[int64]int64{}
	for m := g.membership(i); m.left > 0; {
		user, addedAt := m.next()
		users[user] = addedAt
	}
	return users
}

func TestMembership(t *testing.T) {
	t.Parallel()
	for _, most := range []int{0, 1, 5, 300} {
		const n = 2000
		g := newGenerator(Options{Orgs: n, Members: most, Seed: 9})
		counts := map[int]bool{}
		for i := range int64(n) {
			users := walk(&g, i)
			if int64(len(users)) != g.userCount(i) || len(users) > most {
				t.Fatalf("organization %d of at most %d members: %d different users, count %d", i, most, len(users), g.userCount(i))
			}
			counts[len(users)] = true
			p := g.place(i)
			for user, addedAt := range users {
				if user < 0 || user >= MaxMembers || addedAt < p.createdAt || addedAt > p.updatedAt {
					t.Fatalf("organization %d: user %d added at %d, outside %d–%d", i, user, addedAt, p.createdAt, p.updatedAt)
				}
			}
		}
		if !counts[0] || !counts[most] {
			t.Errorf("with at most %d members: none has 0 or none has all", most)
		}
	}
}

func TestMembershipOfEveryUser(t *testing.T) {
	t.Parallel()
	g := newGenerator(Options{Orgs: 1})
	m := g.membership(0)
	seen := map[int64]bool{}
	for range MaxMembers {
		user, _ := m.next()
		seen[user] = true
	}
	if len(seen) != MaxMembers {
		t.Errorf("a walk of %d users met %d", MaxMembers, len(seen))
	}
}

func TestOneUserIsInManyOrgs(t *testing.T) {
	t.Parallel()
	g := newGenerator(Options{Orgs: 1000, Members: 5})
	orgsOf := map[int64]int{}
	for i := range int64(1000) {
		for user := range walk(&g, i) {
			orgsOf[user]++
		}
	}
	var most int
	for _, count := range orgsOf {
		most = max(most, count)
	}
	if most < 10 || len(orgsOf) < 500 {
		t.Errorf("%d users, one in %d organizations; want many users and one in many", len(orgsOf), most)
	}
}

func TestUsersAreDistinct(t *testing.T) {
	t.Parallel()
	g := newGenerator(Options{Orgs: 1})
	more := newGenerator(Options{Orgs: 2})
	seen := map[uuid.UUID]bool{}
	for n := range int64(MaxMembers) {
		id := g.user(n)
		if seen[id] {
			t.Fatalf("user %d has the id %s of another", n, id)
		}
		seen[id] = true
		if id != more.user(n) {
			t.Fatalf("user %d depends on the number of organizations", n)
		}
	}
}
