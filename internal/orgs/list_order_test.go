package orgs_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"orgd/internal/cursor"
	"orgd/internal/orgs"
	"orgd/internal/uuid"
)

var orders = map[string]orgs.Order{
	"newest first": orgs.NewestFirst, "oldest first": orgs.OldestFirst, "by name": orgs.ByName, "by name, descending": orgs.ByNameDescending,
}

// In every order, with every statement and many filters, a walk returns the same sequence
// as a sort in memory. The walk back returns the same pages.
func TestEveryOrder(t *testing.T) {
	t.Parallel()
	b := setup(t)
	made, members := b.manyOrgs(t, 200)
	from, to := ptr(made[150].CreatedAt), ptr(made[30].CreatedAt)
	var lists []orgs.ListParams
	for _, user := range []*string{nil, ptr(userN(1))} {
		for _, active := range []*bool{nil, ptr(true), ptr(false)} {
			for _, name := range []string{"", "acme"} {
				for _, nameIs := range []string{"", "acme holding"} {
					for _, metadata := range []map[string]string{nil, {"plan": "pro"}} {
						p := orgs.ListParams{Limit: 7, UserID: user, IsActive: active, Name: name, NameIs: nameIs, Metadata: metadata}
						within := p
						within.CreatedFrom, within.CreatedTo = from, to
						lists = append(lists, p, within)
					}
				}
			}
		}
	}
	lists = append(lists, orgs.ListParams{Limit: 7, OrgIDs: ids(made[10:60])}, orgs.ListParams{Limit: 7, CreatedFrom: from},
		orgs.ListParams{Limit: 7, CreatedTo: to, OrgIDs: ids(made[10:60])}, orgs.ListParams{Limit: 7, ExternalID: "crm/70", CreatedTo: to})
	for name, order := range orders {
		slices.SortFunc(made, func(a, b orgs.Org) int {
			if precedesIn(order, a, b) {
				return -1
			}
			return 1
		})
		for _, nearby := range []int{1, 40, 10_000} {
			t.Run(fmt.Sprintf("%s, nearby %d", name, nearby), func(t *testing.T) {
				reader := bundle{DB: b.DB, repository: b.repository.WithNearby(nearby), account: b.account}
				for _, p := range lists {
					p.Order = order
					want := slices.DeleteFunc(slices.Clone(made), func(o orgs.Org) bool {
						return !matches(p, o, members[o.ID]) || p.OrgIDs != nil && !slices.Contains(p.OrgIDs, o.ID)
					})
					reader.mirrored(t, p, ids(want))
				}
			})
		}
	}
}

// mirrored walks to the end of the list and back to the beginning. It fails unless the walk
// returns the wanted organizations, and the walk back returns the same pages.
func (b bundle) mirrored(t *testing.T, p orgs.ListParams, want []uuid.UUID) {
	t.Helper()
	var there, back [][]uuid.UUID
	page := b.list(t, p)
	first := page
	for {
		there = append(there, ids(page.Orgs))
		if len(there) > len(want)+1 {
			t.Fatalf("%+v: the walk does not end", p)
		}
		if page.Cursor == "" {
			break
		}
		p.Cursor = page.Cursor
		page = b.list(t, p)
	}
	if got := slices.Concat(there...); !slices.Equal(got, want) {
		t.Fatalf("%+v: got %d organizations, want %d, or the order is wrong", p, len(got), len(want))
	}
	p.Cursor = ""
	for back = [][]uuid.UUID{ids(page.Orgs)}; page.Before != ""; back = append(back, ids(page.Orgs)) {
		p.Before = page.Before
		page = b.list(t, p)
		if page.Cursor == "" {
			t.Fatalf("%+v: a page that is followed by another one has no cursor", p)
		}
	}
	slices.Reverse(back)
	if diff := cmp.Diff(there, back); diff != "" {
		t.Fatalf("%+v: the pages on the way back (-there +back):\n%s", p, diff)
	}
	if first.Before != "" || page.Cursor != first.Cursor {
		t.Fatalf("%+v: the first page has the cursors %q and %q, and %q and %q on the way back", p, first.Before, first.Cursor, page.Before, page.Cursor)
	}
}

// Nothing comes before the first organization: the page is empty and has no cursor.
func TestBeforeTheFirst(t *testing.T) {
	t.Parallel()
	b := setup(t)
	made, _ := b.manyOrgs(t, 3)
	p := orgs.ListParams{Limit: 10}
	p.Before = p.TokenAt(b.account, made[0])
	if page := b.list(t, p); len(page.Orgs) != 0 || page.Cursor != "" || page.Before != "" {
		t.Errorf("page = %+v, want none", page)
	}
}

// A page that ends early because of its size has a cursor in both directions.
func TestLargePagesBackward(t *testing.T) {
	t.Parallel()
	b := setup(t)
	made, _ := b.manyOrgs(t, 20)
	b.repository = b.repository.WithPageBytes(1)
	b.mirrored(t, orgs.ListParams{Limit: 10}, ids(made))
}

func TestCursorsBelongToTheOrderAndTheRange(t *testing.T) {
	t.Parallel()
	b := setup(t)
	made, _ := b.manyOrgs(t, 5)
	at := ptr(time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC))
	lists := []orgs.ListParams{{CreatedFrom: at}, {CreatedTo: at}, {CreatedFrom: at, CreatedTo: at}, {NameIs: "acme"}, {Name: "acme"}}
	for _, order := range orders {
		lists = append(lists, orgs.ListParams{Order: order})
	}
	for i, from := range lists {
		for j, to := range lists {
			to.Limit = 2
			to.Cursor = from.TokenAt(b.account, made[1])
			_, err := b.repository.List(context.Background(), b.account, to)
			if want := i != j; errors.Is(err, orgs.ErrInvalidCursor) != want {
				t.Errorf("a cursor of %+v for %+v: %v", from, to, err)
			}
		}
	}
}

// In an order by name, a list of one name rejects a cursor that has another name.
func TestCursorAtAnotherName(t *testing.T) {
	t.Parallel()
	b := setup(t)
	for name, order := range map[string]orgs.Order{"by name": orgs.ByName, "by name, descending": orgs.ByNameDescending} {
		p := orgs.ListParams{Limit: 1, Order: order, NameIs: "ACME"}
		for direction, token := range map[string]*string{"forward": &p.Cursor, "backward": &p.Before} {
			p.Cursor, p.Before = "", ""
			for at, want := range map[string]error{"acme": nil, "acme two": orgs.ErrInvalidCursor, "": orgs.ErrInvalidCursor} {
				*token = p.TokenAt(b.account, orgs.Org{Name: at, ID: uuid.NewV7()})
				if _, err := b.repository.List(context.Background(), b.account, p); !errors.Is(err, want) {
					t.Errorf("%s, %s, a cursor at %q: %v, want %v", name, direction, at, err, want)
				}
			}
		}
	}
}

// The database and the repository cut long names at the same place.
func TestNameKey(t *testing.T) {
	t.Parallel()
	b := setup(t)
	check := func(t fataler, folded string) {
		var stored string
		if err := b.Pool.QueryRow(context.Background(), "SELECT org_name_key($1)", folded).Scan(&stored); err != nil {
			t.Fatalf("%q: %v", folded, err)
		}
		if key := orgs.NameKey(folded); key != stored || len(key) > cursor.MaxName || !strings.HasPrefix(folded, key) {
			t.Fatalf("%q: the key is %q, in the database %q", folded, key, stored)
		}
	}
	for _, char := range []string{"a", "ü", "東", "😀", "a東", "ü😀"} {
		t.Run(char, func(t *testing.T) {
			for n := range 60 {
				check(t, strings.Repeat("x", n)+strings.Repeat(char, 125))
			}
		})
	}
	t.Run("random", func(t *testing.T) {
		text := rapid.StringOfN(rapid.OneOf(rapid.Rune(), rapid.RuneFrom([]rune("aü東😀"))).Filter(func(r rune) bool { return r != 0 }), 0, 200, -1)
		rapid.Check(t, func(rt *rapid.T) { check(rt, text.Draw(rt, "name")) })
	})
}

// The longest names are stored and listed.
func TestLongestNamesInOrder(t *testing.T) {
	t.Parallel()
	b := setup(t)
	var want []uuid.UUID
	for _, first := range []string{"a", "b", "c"} {
		o := b.Org(t, b.account, orgs.Org{Name: first + strings.Repeat("ﷺ", orgs.MaxName-1)}) // ﷺ folds to 18 characters
		want = append(want, o.ID)
	}
	b.mirrored(t, orgs.ListParams{Limit: 1, Order: orgs.ByName}, want)
}

// To bound the cost, a list sorts at most MaxSorted of a user's organizations by name.
func TestTooManyToSort(t *testing.T) {
	t.Parallel()
	b := setup(t)
	user := userN(9)
	made, _ := b.manyOrgs(t, 5)
	for _, o := range made {
		b.Member(t, b.account, o, user)
	}
	for limit, want := range map[int]error{4: orgs.ErrTooManyToSort, 5: nil, 6: nil} {
		t.Run(fmt.Sprint(limit), func(t *testing.T) {
			r := b.repository.WithMaxSorted(limit).WithPageBytes(1)
			for _, order := range []orgs.Order{orgs.ByName, orgs.ByNameDescending} {
				if _, err := r.List(context.Background(), b.account, orgs.ListParams{Limit: 2, UserID: &user, Order: order}); !errors.Is(err, want) {
					t.Errorf("%v, want %v", err, want)
				}
			}
			if _, err := r.List(context.Background(), b.account, orgs.ListParams{Limit: 2, UserID: &user}); err != nil {
				t.Errorf("without a name order: %v", err)
			}
		})
	}
}

// A walk by name relies on the stored form of names, which an older release may have
// written.
func TestWalkByNameWithOlderForms(t *testing.T) {
	t.Parallel()
	b := setup(t)
	var want []uuid.UUID
	for i := range 9 {
		o := b.Org(t, b.account, orgs.Org{Name: fmt.Sprint("Z", i)})
		b.Exec(t, "UPDATE orgs SET org_name_folded = $3 WHERE account_id = $1 AND org_id = $2", b.account, o.ID, fmt.Sprint("a", 9-i))
		want = append(want, o.ID)
	}
	slices.Reverse(want)
	b.mirrored(t, orgs.ListParams{Limit: 2, Order: orgs.ByName}, want)
}

// If a filter matches few of the first names, its matches are sorted, up to the same limit.
func TestTooManyMatchesToSort(t *testing.T) {
	t.Parallel()
	b := setup(t)
	for i := range 20 {
		b.Org(t, b.account, orgs.Org{Name: fmt.Sprintf("%02d", i), IsActive: i < 10})
	}
	no := false
	for name, c := range map[string]struct {
		params  orgs.ListParams
		matches int
	}{"inactive": {orgs.ListParams{IsActive: &no}, 10}, "a digit": {orgs.ListParams{Name: "1"}, 11}} {
		for limit, want := range map[int]error{c.matches - 1: orgs.ErrTooManyToSort, c.matches: nil} {
			t.Run(fmt.Sprintf("%s, %d of %d", name, limit, c.matches), func(t *testing.T) {
				repository, p := b.repository.WithNearby(1).WithMaxSorted(limit), c.params
				p.Limit, p.Order = 20, orgs.ByName
				if _, err := repository.List(context.Background(), b.account, p); !errors.Is(err, want) {
					t.Errorf("%v, want %v", err, want)
				}
				p.Order = orgs.NewestFirst
				if _, err := repository.List(context.Background(), b.account, p); err != nil {
					t.Errorf("by time: %v", err)
				}
			})
		}
	}
}
