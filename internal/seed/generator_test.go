package seed

import (
	"bytes"
	"encoding/json"
	"errors"
	"reflect"
	"strings"
	"testing"
	"unicode"

	"orgd/internal/orgs"
	"orgd/internal/uuid"
)

// generate returns the organizations that the options describe.
func generate(o Options) []org {
	g := newGenerator(o)
	all := make([]org, o.Orgs)
	for i := range all {
		g.make(int64(i), &all[i])
	}
	return all
}

func TestOrgIsAFunctionOfOptionsAndIndex(t *testing.T) {
	t.Parallel()
	o := Options{Account: uuid.UUID{7}, Orgs: 2000, Members: 9, Seed: 42}
	want := generate(o)

	g := newGenerator(o)
	var got org
	for i := len(want) - 1; i >= 0; i-- {
		g.make(int64(i), &got)
		if !reflect.DeepEqual(got, want[i]) {
			t.Fatalf("organization %d generated alone = %+v, after its predecessors %+v", i, got, want[i])
		}
	}
}

func TestOtherOptionsMakeOtherOrgs(t *testing.T) {
	t.Parallel()
	base := Options{Account: uuid.UUID{7}, Orgs: 100, Members: 9, Seed: 42}
	seen := map[uuid.UUID]string{}
	for name, change := range map[string]func(*Options){
		"base":            func(*Options) {},
		"seed":            func(o *Options) { o.Seed++ },
		"account's start": func(o *Options) { o.Account[0]++ },
		"account's end":   func(o *Options) { o.Account[15]++ },
		"orgs":            func(o *Options) { o.Orgs++ },
	} {
		o := base
		change(&o)
		for _, made := range generate(o) {
			if other, ok := seen[made.id]; ok {
				t.Errorf("%s and %s both make organization %s", name, other, made.id)
			}
			seen[made.id] = name
		}
	}
}

// If a release changed the ids, a repeated run would add everything again.
func TestIDsArePinned(t *testing.T) {
	t.Parallel()
	made := generate(Options{Orgs: 3})
	for i, want := range []string{
		"01860fd7-12ff-771b-aae8-c51d3a025458",
		"018e2eb3-cf52-7769-800a-c0d05d14384e",
		"0195ed5a-ee3b-73fa-8a67-52caf812d4c2",
	} {
		if got := made[i].id.String(); got != want {
			t.Errorf("id of organization %d = %s, want %s", i, got, want)
		}
	}
}

func TestMembersChangeOnlyTheCount(t *testing.T) {
	t.Parallel()
	o := Options{Orgs: 500, Seed: 3}
	without := generate(o)
	o.Members = 20
	with := generate(o)
	for i := range with {
		if without[i].userCount != 0 {
			t.Fatalf("organization %d has %d members, want none", i, without[i].userCount)
		}
		with[i].userCount = 0
		if !reflect.DeepEqual(with[i], without[i]) {
			t.Fatalf("organization %d with members = %+v, without %+v", i, with[i], without[i])
		}
	}
}

func TestTimes(t *testing.T) {
	t.Parallel()
	const n = 20_000
	made := generate(Options{Orgs: n, Seed: 5})
	var ties, changed int
	for i, o := range made {
		if o.createdAt < windowStart || o.updatedAt < o.createdAt || o.updatedAt > windowEnd {
			t.Fatalf("organization %d: created %d, updated %d, outside %d–%d", i, o.createdAt, o.updatedAt, windowStart, windowEnd)
		}
		if o.updatedAt > o.createdAt {
			changed++
		} else if !o.isActive {
			t.Errorf("organization %d is inactive, but was never changed", i)
		}
		if i == 0 {
			continue
		}
		switch before := made[i-1].createdAt; {
		case o.createdAt < before:
			t.Fatalf("organization %d created before its predecessor", i)
		case o.createdAt == before:
			ties++
		}
	}
	share(t, "created with the predecessor", ties, n, 2)
	share(t, "changed since", changed, n, 63)
}

func TestShares(t *testing.T) {
	t.Parallel()
	const n = 20_000
	var active, empty, byUser int
	creators := map[string]int{}
	for _, o := range generate(Options{Orgs: n, Seed: 6}) {
		if o.isActive {
			active++
		}
		if bytes.Equal(o.metadata, []byte("{}")) {
			empty++
		}
		if o.createdBy != nil {
			byUser++
			creators[*o.createdBy]++
		}
	}
	share(t, "active", active, n, 92)
	share(t, "without metadata", empty, n, 25)
	share(t, "created by a user", byUser, n, 33)

	var most int
	for _, count := range creators {
		most = max(most, count)
	}
	if most < 100 || len(creators) < 1000 {
		t.Errorf("%d users created organizations, one of them %d; want many users and one who made many", len(creators), most)
	}
}

// share checks that got is about the given percentage of n.
func share(t *testing.T, what string, got, n int, percent float64) {
	t.Helper()
	if p := 100 * float64(got) / float64(n); p < percent*0.9 || p > percent*1.1 {
		t.Errorf("%s: %.1f %%, want about %.0f %%", what, p, percent)
	}
}

func TestFoldedName(t *testing.T) {
	t.Parallel()
	for _, o := range generate(Options{Orgs: 1000}) {
		if want := orgs.Fold(o.name); o.folded != want {
			t.Errorf("folded name of %q = %q, want %q", o.name, o.folded, want)
		}
	}
}

func TestSmallAndLargeRuns(t *testing.T) {
	t.Parallel()
	most := int(windowEnd - windowStart)
	for _, n := range []int{1, 2, most} {
		g := newGenerator(Options{Orgs: n})
		for _, i := range []int{0, n / 2, n - 1} {
			if at := g.createdAt(int64(i)); at < windowStart || at >= windowEnd {
				t.Errorf("organization %d of %d created at %d, outside %d–%d", i, n, at, windowStart, windowEnd)
			}
		}
	}
}

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
				if user < 0 || user >= MaxMembers || addedAt < p.createdAt || addedAt > max(p.updatedAt, p.createdAt+int64(most)) {
					t.Fatalf("organization %d: user %d added at %d, outside %d–%d", i, user, addedAt, p.createdAt, p.updatedAt)
				}
			}
		}
		if !counts[0] || !counts[most] {
			t.Errorf("with at most %d members: no organization has 0, or none has the most", most)
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
		t.Errorf("a walk of %d users returned %d different ones", MaxMembers, len(seen))
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
	seen := map[string]bool{}
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

func TestOrgsAreValid(t *testing.T) {
	t.Parallel()
	ids := map[uuid.UUID]bool{}
	for _, seed := range []uint64{0, 1, 2, 1 << 63, 20260101} {
		const n = 10_000
		names := map[string]bool{}
		for _, o := range generate(Options{Orgs: n, Seed: seed}) {
			checkName(t, o.name)
			checkMetadata(t, o.metadata)
			if o.id[6]>>4 != 7 || o.id[8]>>6 != 0b10 {
				t.Errorf("id %s is not a UUIDv7", o.id)
			}
			if ids[o.id] {
				t.Errorf("id %s is repeated", o.id)
			}
			ids[o.id] = true
			names[o.name] = true
		}
		if len(names) < n*9/10 {
			t.Errorf("seed %d: only %d different names of %d", seed, len(names), n)
		}
	}
}

func checkName(t *testing.T, name string) {
	t.Helper()
	if valid, err := orgs.ValidName(name); err != nil || valid != name {
		t.Errorf("name %q: %v", name, err)
	}
	if strings.Contains(name, "  ") || strings.Contains(name, "$") {
		t.Errorf("name %q has two spaces or a placeholder", name)
	}
}

func checkMetadata(t *testing.T, metadata []byte) {
	t.Helper()
	var pairs map[string]string
	if err := json.Unmarshal(metadata, &pairs); err != nil {
		t.Fatalf("metadata %s: %v", metadata, err)
	}
	if len(pairs) > 6 {
		t.Errorf("metadata %s has %d pairs", metadata, len(pairs))
	}
	for key, value := range pairs {
		if err := errors.Join(orgs.ValidMetadataKey(key), orgs.ValidMetadataValue(value)); err != nil || value == "" {
			t.Errorf("metadata %q: %q: %v", key, value, err)
		}
	}
}

func TestNamesComeFromManyScripts(t *testing.T) {
	t.Parallel()
	var names strings.Builder
	for _, o := range generate(Options{Orgs: 5000}) {
		names.WriteString(o.name)
	}
	all := names.String()
	for _, script := range []string{"Latin", "Greek", "Cyrillic", "Han", "Katakana", "Hangul", "Devanagari"} {
		if !strings.ContainsFunc(all, func(r rune) bool { return unicode.Is(unicode.Scripts[script], r) }) {
			t.Errorf("no name with a letter of the script %s", script)
		}
	}
	for _, mark := range []string{"'", "&", "Łódź", "São Paulo", "Zürich", "Ångström", "東京", "Ελλάς", "Київ"} {
		if !strings.Contains(all, mark) {
			t.Errorf("no name with %s", mark)
		}
	}
}

// BenchmarkOrg makes one organization, without encoding it.
func BenchmarkOrg(b *testing.B) {
	g := newGenerator(Options{Orgs: 1_000_000, Members: 5})
	var o org
	b.ReportAllocs()
	for i := int64(0); b.Loop(); i++ {
		g.make(i%g.orgs, &o)
	}
}

func BenchmarkMember(b *testing.B) {
	g := newGenerator(Options{Orgs: 1_000_000, Members: 5})
	rows := newMemberRows(&g, Options{}, block{to: 1 << 40})
	b.ReportAllocs()
	for b.Loop() && rows.Next() {
		if _, err := rows.Values(); err != nil {
			b.Fatal(err)
		}
	}
}
