package orgs_test

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/jackc/pgx/v5"
	"pgregory.net/rapid"

	"orgd/internal/db"
	"orgd/internal/orgs"
	"orgd/internal/uuid"
)

// choices are the values that the tests combine for each filter: none, and common, rare
// and absent values.
var choices = struct {
	names    []string
	metadata []map[string]string
	users    []*string
	external []string
}{
	names: []string{"", "acme", "AC", "a", "é", "10%", "東京", "東", "e 1", "zz", "absent"},
	metadata: []map[string]string{
		nil, {"plan": "pro"}, {"plan": "pro", "region": "eu"}, {"note": ""}, {"plan": "PRO"}, {"a]b": `"\`}, {"region": "pro"},
	},
	users:    []*string{nil, ptr(userN(0)), ptr(userN(1)), ptr(userN(2)), ptr(userN(3))},
	external: []string{"", "crm/7", "crm"},
}

// everyList calls fn with every combination of the filters.
func everyList(fn func(orgs.ListParams)) {
	yes, no := true, false
	for _, name := range choices.names {
		for _, metadata := range choices.metadata {
			for _, user := range choices.users {
				for _, active := range []*bool{nil, &yes, &no} {
					for _, external := range choices.external {
						fn(orgs.ListParams{Name: name, Metadata: metadata, UserID: user, IsActive: active, ExternalID: external})
					}
				}
			}
		}
	}
}

// manyOrgs creates organizations. It returns them in the list's order, with their members.
func (b bundle) manyOrgs(t *testing.T, count int) (made []orgs.Org, members map[uuid.UUID][]string) {
	t.Helper()
	stored := []string{"Acme", "ACME Holding", "Café 1", "100% Café", "10 % Café", "東京ガス", "京東", "Other", "Zzyzx"}
	pairs := []orgs.Metadata{
		"{}", `{"plan": "pro"}`, `{"plan": "pro", "region": "eu"}`, `{"plan": "free", "region": "eu"}`,
		`{"note": ""}`, `{"a]b": "\"\\"}`, `{"plan": "eu", "region": "pro"}`,
	}
	random := rand.New(rand.NewPCG(1, 2))
	members = map[uuid.UUID][]string{}
	for i := range count {
		o := b.Org(t, b.account, orgs.Org{
			Name:      stored[random.IntN(len(stored))],
			IsActive:  random.IntN(4) > 0,
			Metadata:  pairs[random.IntN(len(pairs))],
			CreatedAt: time.Unix(int64(-i/3), 0).UTC(),

			ExternalID: fmt.Sprint("crm/", i),
		})
		for n, user := range choices.users[1:] { // the users are members of a quarter, half, a fifth and none of the organizations
			if random.IntN(20) < []int{5, 10, 4, 0}[n] {
				b.Member(t, b.account, o, *user)
				if random.IntN(4) == 0 { // a row as an older release writes it: without the activity
					b.Exec(t, "UPDATE org_members SET org_activity = DEFAULT WHERE org_id = $1 AND user_id = $2", o.ID, *user)
				}
				members[o.ID] = append(members[o.ID], *user)
			}
		}
		made = append(made, o)
	}
	slices.SortFunc(made, func(a, b orgs.Org) int {
		if precedes(a, b) {
			return -1
		}
		return 1
	})
	return made, members
}

// For every combination of filters, and with every statement, the list equals the result
// of filtering in memory.
func TestEveryCombinationOfFilters(t *testing.T) {
	t.Parallel()
	b := setup(t)
	made, members := b.manyOrgs(t, 300)
	for _, nearby := range []int{1, 40, 10_000} {
		b.repository = b.repository.WithNearby(nearby)
		everyList(func(p orgs.ListParams) {
			p.Limit = 35
			var want []uuid.UUID
			for _, o := range made {
				if matches(p, o, members[o.ID]) {
					want = append(want, o.ID)
				}
			}
			if got := ids(b.walk(t, p)); !slices.Equal(got, want) {
				t.Errorf("nearby %d, %+v: saw %d organizations, want %d", nearby, p, len(got), len(want))
			}
		})
	}
}

func ids(found []orgs.Org) []uuid.UUID {
	var list []uuid.UUID
	for _, o := range found {
		list = append(list, o.ID)
	}
	return list
}

// Pages of every size are right, whether the limit on nearby organizations is below, at
// or above the number of organizations.
func TestFiltersAroundTheNearbyLimit(t *testing.T) {
	t.Parallel()
	b := setup(t)
	made, members := b.manyOrgs(t, 12)
	for nearby := 1; nearby <= 13; nearby++ {
		b.repository = b.repository.WithNearby(nearby)
		for limit := 1; limit <= 13; limit++ {
			for _, p := range []orgs.ListParams{
				{Name: "a"}, {Metadata: map[string]string{"plan": "pro"}}, {UserID: choices.users[1], Name: "acme"},
			} {
				p.Limit = limit
				want := slices.DeleteFunc(slices.Clone(made), func(o orgs.Org) bool { return !matches(p, o, members[o.ID]) })
				if got := ids(b.walk(t, p)); !slices.Equal(got, ids(want)) {
					t.Errorf("nearby %d, limit %d, %+v: saw %d, want %d", nearby, limit, p, len(got), len(want))
				}
			}
		}
	}
}

// A list of a user's active organizations continues in order if matches are as frequent as
// the limit on what is worth reading assumes, and otherwise uses the index. Here, one page
// needs 4 matches among 40 organizations, and the first 10 are read first.
func TestFrequentMatchesAreFoundInOrder(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		first, every int
		usesIndex    bool
	}{
		"1 in 10":           {0, 10, false},
		"none among the 10": {10, 10, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := setup(t)
			user, active := userN(1), true
			for i := range 60 {
				o := orgs.Org{Name: "Other", IsActive: true, CreatedAt: time.Unix(int64(-i), 0)}
				if i >= c.first && i%c.every == 0 {
					o.Name = "Acme"
				}
				b.Member(t, b.account, b.Org(t, b.account, o), user)
			}
			log := &statementLog{}
			conns, err := db.Open(t.Context(), b.URL, db.Options{MaxConns: 1, Tracer: log})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(conns.Close)
			page, err := orgs.NewRepository(conns).WithNearby(10).List(t.Context(), b.account, orgs.ListParams{Limit: 3, Name: "acme", UserID: &user, IsActive: &active})
			if err != nil || len(page.Orgs) != 3 || page.Cursor == "" {
				t.Fatalf("%d organizations, cursor %q, %v", len(page.Orgs), page.Cursor, err)
			}
			if got := slices.ContainsFunc(log.statements, func(sql string) bool { return strings.Contains(sql, "WITH named AS") }); got != c.usesIndex {
				t.Errorf("uses the index: %t; statements:\n%s", got, strings.Join(log.statements, "\n"))
			}
		})
	}
}

// statementLog records the statements of a pool with one connection.
type statementLog struct{ statements []string }

func (l *statementLog) TraceQueryStart(ctx context.Context, _ *pgx.Conn, data pgx.TraceQueryStartData) context.Context {
	l.statements = append(l.statements, data.SQL)
	return ctx
}

func (*statementLog) TraceQueryEnd(context.Context, *pgx.Conn, pgx.TraceQueryEndData) {}

// A list includes what the previous call has committed, with every filter and every
// statement.
func TestFiltersReadTheirOwnWrites(t *testing.T) {
	t.Parallel()
	b := setup(t)
	user := userN(1)
	for i := range 200 {
		name := fmt.Sprintf("Quux 東京 %d", i)
		o := b.Org(t, b.account, orgs.Org{Name: name, IsActive: true, Metadata: orgs.Metadata(fmt.Sprintf(`{"n": "%d"}`, i)), CreatedAt: time.Unix(int64(-i), 0), ExternalID: name})
		b.Member(t, b.account, o, user)
		metadata := map[string]string{"n": fmt.Sprint(i)}
		for _, nearby := range []int{1, 10_000} {
			repository := b.repository.WithNearby(nearby)
			for _, p := range []orgs.ListParams{
				{Name: name}, {Metadata: metadata}, {Name: "京 ", Metadata: metadata}, {UserID: &user, Metadata: metadata}, {UserID: &user, Name: name}, {ExternalID: name}, {ExternalID: name, UserID: &user, Metadata: metadata},
			} {
				p.Limit = 100
				page, err := repository.List(context.Background(), b.account, p)
				if err != nil {
					t.Fatal(err)
				}
				if !slices.Contains(ids(page.Orgs), o.ID) {
					t.Fatalf("nearby %d, %+v: %s is missing", nearby, p, name)
				}
			}
		}
	}
}

func TestFiltersReturnOnlyTheAccount(t *testing.T) {
	t.Parallel()
	b := setup(t)
	_, members := b.manyOrgs(t, 60)
	stranger := bundle{DB: b.DB, account: b.Account(t)}
	for _, nearby := range []int{1, 10_000} {
		stranger.repository = b.repository.WithNearby(nearby)
		everyList(func(p orgs.ListParams) {
			p.Limit = 100
			if seen := stranger.list(t, p); len(seen.Orgs) > 0 {
				t.Errorf("nearby %d, %+v: sees %s", nearby, p, seen.Orgs[0].ID)
			}
		})
	}
	if len(members) == 0 {
		t.Error("there were no members to see")
	}
}

// Every gram of a part of a name is also a gram of the whole name.
func TestGramsOfAPartAreGramsOfTheWhole(t *testing.T) {
	t.Parallel()
	b := setup(t)
	text := rapid.StringOfN(rapid.OneOf(rapid.Rune(), rapid.SampledFrom([]rune("ab京😀\u0301\\&, "))), 1, 12, -1).
		Filter(func(s string) bool { return !strings.ContainsFunc(s, unicode.IsControl) })
	rapid.Check(t, func(rt *rapid.T) {
		before, part, behind := text.Draw(rt, "before"), text.Draw(rt, "part"), text.Draw(rt, "behind")
		for _, name := range []string{part, before + part, part + behind, before + part + behind} {
			var has bool
			err := b.Pool.QueryRow(context.Background(), `SELECT org_name_grams($1) @> $2`, name, orgs.Grams(part)).Scan(&has)
			if err != nil || !has {
				rt.Fatalf("the grams of %q lack some of %q (%v)", name, part, err)
			}
		}
	})
}

// A name filter that consists only of accents folds to the empty string, which matches
// every organization. internal/http rejects such a filter.
func TestNameThatFoldsToAnEmptyText(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.Org(t, b.account, orgs.Org{})
	if page := b.list(t, orgs.ListParams{Limit: 1, Name: "\u0301"}); len(page.Orgs) != 1 {
		t.Errorf("saw %d", len(page.Orgs))
	}
}

// Cursors of the first release are still valid, with and without filters.
func TestCursorsOfTheFirstRelease(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.account = uuid.UUID{0: 1, 6: 0x70, 8: 0x80, 15: 1}
	b.Exec(t, "INSERT INTO accounts (id, name) VALUES ($1, 'Test')", b.account)
	at := time.Date(2026, 1, 2, 3, 4, 5, 678_901_000, time.UTC)
	b.Org(t, b.account, orgs.Org{ID: uuid.UUID{15: 9}, Name: "Müller & Söhne", IsActive: true, CreatedAt: at})
	next := b.Org(t, b.account, orgs.Org{ID: uuid.UUID{15: 8}, Name: "Müller & Söhne", IsActive: true, CreatedAt: at})
	yes := true
	for _, p := range []orgs.ListParams{
		{Limit: 5, Cursor: "AQAGR172V081AAAAAAAAAAAAAAAAAAAACScuMrvazPQ4", Name: "Müller & Söhne", IsActive: &yes},
		{Limit: 5, Cursor: "AQAGR172V081AAAAAAAAAAAAAAAAAAAACXorbvE6dP1b"},
	} {
		if page := b.list(t, p); !slices.Equal(ids(page.Orgs), []uuid.UUID{next.ID}) {
			t.Errorf("%+v continues with %v", p, ids(page.Orgs))
		}
	}
}

// No two lists have the same scope. The test decodes each scope to show this.
func TestScopesAreUnique(t *testing.T) {
	t.Parallel()
	// The characters that a scope uses as marks, except NUL, which no text contains.
	text := rapid.StringOfN(rapid.SampledFrom([]rune("uemtf*a\x01é")), 0, 20, -1)
	id := rapid.Custom(func(t *rapid.T) uuid.UUID {
		return uuid.UUID(rapid.SliceOfN(rapid.SampledFrom([]byte("\x00um*t\x01")), 16, 16).Draw(t, "id"))
	})
	rapid.Check(t, func(t *rapid.T) {
		account := id.Draw(t, "account")
		p := orgs.ListParams{Name: text.Draw(t, "name")}
		if rapid.Bool().Draw(t, "byActivity") {
			active := rapid.Bool().Draw(t, "active")
			p.IsActive = &active
		}
		if rapid.Bool().Draw(t, "byUser") {
			p.UserID = ptr(text.Draw(t, "user"))
		}
		if rapid.Bool().Draw(t, "byExternalID") {
			p.ExternalID = text.Filter(func(s string) bool { return s != "" }).Draw(t, "external id")
		}
		if pairs := rapid.MapOfN(text, text, 0, 4).Draw(t, "metadata"); len(pairs) > 0 {
			p.Metadata = pairs
		}
		gotAccount, got := readScope(t, p.Scope(account))
		if gotAccount != account || !reflect.DeepEqual(got, p) {
			t.Fatalf("the scope of %+v in %s decodes as that of %+v in %s", p, account, got, gotAccount)
		}
	})
}

func readScope(t *rapid.T, scope []byte) (account uuid.UUID, p orgs.ListParams) {
	rest, ok := bytes.CutPrefix(scope, []byte("orgs\x00"))
	if !ok {
		t.Fatalf("not a scope of this route: %q", scope)
	}
	account, rest = uuid.UUID(rest[:16]), rest[16:]
	if rest[0] != '*' {
		active := rest[0] == 't'
		p.IsActive = &active
	}
	p.Name, rest = untilNUL(rest[1:])
	if after, ok := bytes.CutPrefix(rest, []byte("\x00u")); ok {
		var user string
		user, rest = untilNUL(after)
		p.UserID = &user
	}
	if after, ok := bytes.CutPrefix(rest, []byte("\x00e")); ok {
		p.ExternalID, rest = untilNUL(after)
	}
	for len(rest) > 0 {
		var key string
		if p.Metadata == nil {
			p.Metadata = map[string]string{}
		}
		key, rest = untilNUL(rest[len("\x00m"):])
		p.Metadata[key], rest = untilNUL(rest[len("\x00"):])
	}
	return account, p
}

func untilNUL(b []byte) (text string, rest []byte) {
	if end := bytes.IndexByte(b, 0); end >= 0 {
		return string(b[:end]), b[end:]
	}
	return string(b), nil
}
