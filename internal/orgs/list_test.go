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

	"orgd/internal/cursor"
	"orgd/internal/orgs"
	"orgd/internal/uuid"
)

func TestListReturnsWhatIsStored(t *testing.T) {
	t.Parallel()
	b := setup(t)
	want := orgs.Org{
		ID:                uuid.NewV7(),
		Name:              "Łódź \"Tkaniny\" \\ 東京",
		IsActive:          true,
		Metadata:          `{"plan": "pro", "region": "eu"}`,
		UserCount:         2_000_000_000,
		CreatedAt:         time.Date(2026, 1, 2, 3, 4, 5, 678_901_000, time.UTC),
		UpdatedAt:         time.Date(2026, 1, 2, 3, 4, 6, 0, time.UTC),
		CreatedByAPIKeyID: uuid.NewV7(),
		CreatedByUserID:   userN(2),
		ExternalID:        "crm/ü 42",
		Revision:          1 << 40,
	}
	bare := orgs.Org{ID: uuid.NewV7(), Name: "Bare", CreatedAt: want.CreatedAt.Add(-time.Second)}
	b.Org(t, b.account, want)
	bare = b.Org(t, b.account, bare)
	page := b.list(t, orgs.ListParams{Limit: 2})
	if diff := cmp.Diff([]orgs.Org{want, bare}, page.Orgs); diff != "" {
		t.Errorf("page (-want +got):\n%s", diff)
	}
}

func TestListOfAnEmptyAccount(t *testing.T) {
	t.Parallel()
	b := setup(t)
	if page := b.list(t, orgs.ListParams{Limit: 20}); len(page.Orgs) != 0 || page.Cursor != "" {
		t.Errorf("page = %+v, want none", page)
	}
}

// A page has a cursor if and only if another organization follows.
func TestCursorOnlyWhenMoreFollows(t *testing.T) {
	t.Parallel()
	b := setup(t)
	for range 3 {
		b.Org(t, b.account, orgs.Org{})
	}
	for limit, more := range map[int]bool{1: true, 2: true, 3: false, 4: false, 100: false} {
		t.Run(fmt.Sprint("limit ", limit), func(t *testing.T) {
			t.Parallel()
			page := b.list(t, orgs.ListParams{Limit: limit})
			if got := page.Cursor != ""; got != more || len(page.Orgs) != min(limit, 3) {
				t.Errorf("%d organizations, more %v; want more %v", len(page.Orgs), got, more)
			}
		})
	}
}

func TestLimitOutOfRangeIsRejected(t *testing.T) {
	t.Parallel()
	b := setup(t)
	for _, limit := range []int{-1, 0, 101} {
		t.Run(fmt.Sprint(limit), func(t *testing.T) {
			t.Parallel()
			if _, err := b.repository.List(context.Background(), b.account, orgs.ListParams{Limit: limit}); err == nil {
				t.Error("an invalid limit is accepted")
			}
		})
	}
}

// Organizations with equal times are ordered by id, wherever a page ends.
func TestWalkWithEqualTimes(t *testing.T) {
	t.Parallel()
	b := setup(t)
	const count = 1000
	b.Exec(t, `
INSERT INTO orgs (account_id, org_id, org_name, org_name_folded, created_at)
SELECT $1, gen_random_uuid(), 'Acme', 'acme', '2026-01-01T00:00:00.000001Z' FROM generate_series(1, $2)`, b.account, count)
	for limit := 1; limit <= cursor.MaxLimit; limit++ {
		seen := b.walk(t, orgs.ListParams{Limit: limit})
		if len(seen) != count {
			t.Fatalf("limit %d: saw %d organizations, want %d", limit, len(seen), count)
		}
		for i := 1; i < len(seen); i++ {
			if !precedes(seen[i-1], seen[i]) {
				t.Fatalf("limit %d: %s came before %s", limit, seen[i-1].ID, seen[i].ID)
			}
		}
	}
}

func TestMicrosecondsAreKept(t *testing.T) {
	t.Parallel()
	b := setup(t)
	start := time.Date(2026, 1, 1, 0, 0, 0, 123_000_000, time.UTC)
	for i := range 3 {
		b.Org(t, b.account, orgs.Org{Name: fmt.Sprint(i), CreatedAt: start.Add(time.Duration(i) * time.Microsecond)})
	}
	if got, want := names(b.walk(t, orgs.ListParams{Limit: 1})), []string{"2", "1", "0"}; !slices.Equal(got, want) {
		t.Errorf("walk saw %v, want %v", got, want)
	}
}

func TestFilterByActivity(t *testing.T) {
	t.Parallel()
	b := setup(t)
	for i := range 10 {
		b.Org(t, b.account, orgs.Org{Name: fmt.Sprint(i), IsActive: i%3 == 0})
	}
	for _, active := range []bool{true, false} {
		seen := b.walk(t, orgs.ListParams{Limit: 2, IsActive: &active})
		want := map[bool]int{true: 4, false: 6}[active]
		if len(seen) != want {
			t.Errorf("isActive %v: saw %d, want %d", active, len(seen), want)
		}
		for _, o := range seen {
			if o.IsActive != active {
				t.Errorf("isActive %v: saw %s", active, o.Name)
			}
		}
	}
}

func TestFilterByName(t *testing.T) {
	t.Parallel()
	b := setup(t)
	stored := []string{
		"Acme", "ACME Holding", "Café Zürich", "Łódź Textiles", "Straße 9", "100% Organic", "snake_case Ltd",
		`Back\slash`, "東京ガス", "Ελλάς", "O'Brien & Sons", "x",
	}
	for i, name := range stored {
		b.Org(t, b.account, orgs.Org{Name: name, CreatedAt: time.Unix(int64(1000-i), 0)})
	}
	for filter, want := range map[string][]string{
		"acme":       {"Acme", "ACME Holding"},
		"CME h":      {"ACME Holding"},
		"cafe":       {"Café Zürich"},
		"ZÜR":        {"Café Zürich"},
		"u\u0308r":   {"Café Zürich"},
		"lodz":       {"Łódź Textiles"},
		"strasse":    {"Straße 9"},
		"STRAßE":     {"Straße 9"},
		"%":          {"100% Organic"},
		"0% org":     {"100% Organic"},
		"_":          {"snake_case Ltd"},
		"e_c":        {"snake_case Ltd"},
		`\`:          {`Back\slash`},
		`k\s`:        {`Back\slash`},
		"京":          {"東京ガス"},
		"東京ガ":        {"東京ガス"},
		"ΕΛΛΑΣ":      {"Ελλάς"},
		"'brien & s": {"O'Brien & Sons"},
		"x":          {"Łódź Textiles", "x"},
		"absent":     {},
		"ac%me":      {},
		"q":          {},
	} {
		t.Run(filter, func(t *testing.T) {
			t.Parallel()
			for limit := 1; limit <= 3; limit++ {
				if got := names(b.walk(t, orgs.ListParams{Limit: limit, Name: filter})); !slices.Equal(got, want) {
					t.Errorf("limit %d: %q, want %q", limit, got, want)
				}
			}
		})
	}
}

// Matches beyond the nearby organizations are found by the index, page after page.
func TestFilterByNameUsesTheIndex(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.Exec(t, `
INSERT INTO orgs (account_id, org_id, org_name, org_name_folded, is_active, created_at)
SELECT $1, gen_random_uuid(), n, n, i % 2 = 0, '2026-01-01'::timestamptz - i * interval '1 second'
FROM (SELECT i, CASE WHEN i % 1000 = 0 THEN 'needle ' ELSE 'hay ' END || i AS n FROM generate_series(1, 15000) AS i) AS named`, b.account)
	for limit := 1; limit <= 16; limit++ {
		if got := b.walk(t, orgs.ListParams{Limit: limit, Name: "needle"}); len(got) != 15 || got[14].Name != "needle 15000" {
			t.Errorf("limit %d: saw %v", limit, names(got))
		}
	}
	inactive := false
	if got := b.walk(t, orgs.ListParams{Limit: 100, Name: "needle", IsActive: &inactive}); len(got) != 0 {
		t.Errorf("inactive needles: %v, want none", names(got))
	}
	if got := b.walk(t, orgs.ListParams{Limit: 100, Name: "ne"}); len(got) != 15 {
		t.Errorf("a name without a trigram: %v", names(got))
	}
	// Every match is beyond the 10,000 nearby organizations.
	b.Exec(t, "UPDATE orgs SET org_name_folded = 'zz' || org_name_folded WHERE created_at < '2026-01-01'::timestamptz - interval '10010 seconds'")
	if got := b.walk(t, orgs.ListParams{Limit: 100, Name: "zz"}); len(got) != 4990 {
		t.Errorf("a short name beyond the nearby organizations: saw %d, want 4990", len(got))
	}
}

// A cursor belongs to one account and one set of filters. The limit may change.
func TestCursorIsBoundToItsList(t *testing.T) {
	t.Parallel()
	b := setup(t)
	for i := range 8 {
		b.Org(t, b.account, orgs.Org{Name: "Acme", IsActive: i%2 == 0})
	}
	active, inactive := true, false
	lists := []orgs.ListParams{
		{},
		{Name: "acme"},
		{Name: "acm"},
		{IsActive: &active},
		{IsActive: &inactive},
		{Name: "acme", IsActive: &active},
		{Name: "acme", IsActive: &inactive},
		{Name: "facme"},
		{Name: "tacme"},
	}
	for i, from := range lists[:len(lists)-2] { // the last two are empty
		from.Limit = 1
		cursor := b.list(t, from).Cursor
		if cursor == "" {
			t.Fatalf("list %d has no cursor", i)
		}
		for j, to := range lists {
			to.Limit, to.Cursor = 2, cursor
			_, err := b.repository.List(context.Background(), b.account, to)
			if i == j && err != nil {
				t.Errorf("list %d with another limit: %v", i, err)
			}
			if i != j && !errors.Is(err, orgs.ErrInvalidCursor) {
				t.Errorf("cursor of list %d in list %d: %v, want ErrInvalidCursor", i, j, err)
			}
		}
		from.Cursor = cursor
		if _, err := b.repository.List(context.Background(), b.Account(t), from); !errors.Is(err, orgs.ErrInvalidCursor) {
			t.Errorf("cursor of list %d in another account: %v, want ErrInvalidCursor", i, err)
		}
	}
}

// A walk continues even if the row of its cursor has been deleted.
func TestCursorSurvivesItsRow(t *testing.T) {
	t.Parallel()
	b := setup(t)
	for i := range 3 {
		b.Org(t, b.account, orgs.Org{Name: fmt.Sprint(i), CreatedAt: time.Unix(int64(i), 0)})
	}
	first := b.list(t, orgs.ListParams{Limit: 1})
	b.Exec(t, "DELETE FROM orgs WHERE org_id = $1", first.Orgs[0].ID)
	if rest := b.walk(t, orgs.ListParams{Limit: 1, Cursor: first.Cursor}); !slices.Equal(names(rest), []string{"1", "0"}) {
		t.Errorf("the walk continued with %v", names(rest))
	}
}

func TestOtherAccountsAreNotSeen(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.Org(t, b.account, orgs.Org{Name: "mine acme", IsActive: true})
	b.Org(t, b.Account(t), orgs.Org{Name: "their acme", IsActive: true})
	active := true
	for _, p := range []orgs.ListParams{{}, {Name: "acme"}, {Name: "ac"}, {IsActive: &active}} {
		p.Limit = 100
		if got := names(b.walk(t, p)); !slices.Equal(got, []string{"mine acme"}) {
			t.Errorf("%+v shows %q", p, got)
		}
	}
}

// Every statement ends its page before the organization that would exceed the size limit,
// and the walk continues with that organization.
func TestPageOfLargeOrganizations(t *testing.T) {
	t.Parallel()
	b := setup(t)
	const count = 13
	user := userN(1)
	b.storeLarge(t, count, user)
	all := b.walk(t, orgs.ListParams{Limit: 1})
	yes, kind := true, map[string]string{"kind": "large"}
	for name, p := range map[string]orgs.ListParams{
		"all":                    {},
		"active":                 {IsActive: &yes},
		"by name":                {Name: "large"},
		"by a short name":        {Name: "la"},
		"by metadata":            {Metadata: kind},
		"of a user":              {UserID: &user},
		"of a user, active":      {UserID: &user, IsActive: &yes},
		"of a user, by metadata": {UserID: &user, Metadata: kind},

		"of a user, active, by metadata": {UserID: &user, IsActive: &yes, Metadata: kind},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, nearby := range []int{2, 10_000} {
				for _, limit := range []int{2, 3, 4, 100} {
					reader := bundle{DB: b.DB, repository: b.repository.WithNearby(nearby), account: b.account}
					p.Limit = limit
					if got := ids(reader.walk(t, p)); !slices.Equal(got, ids(all)) {
						t.Errorf("limit %d, nearby %d: saw %v, want %v", limit, nearby, got, ids(all))
					}
					if page := reader.list(t, p); len(page.Orgs) != min(limit, 3) || page.Bytes > orgs.MaxPageBytes {
						t.Errorf("limit %d, nearby %d: %d organizations of %d bytes", limit, nearby, len(page.Orgs), page.Bytes)
					}
				}
			}
		})
	}
}

// storeLarge adds active organizations of 305 KB each, with the user as a member.
func (b bundle) storeLarge(t testing.TB, count int, user string) {
	t.Helper()
	b.Exec(t, `
WITH made AS (
	INSERT INTO orgs (account_id, org_id, org_name, org_name_folded, metadata, created_at)
	SELECT $1, gen_random_uuid(), 'Large', 'large',
	       (SELECT jsonb_object_agg(k, repeat(U&'\0001', 1000)) FROM generate_series(1, 49) AS k) || '{"kind": "large"}', now() - i * interval '1 second'
	FROM generate_series(1, $2) AS i
	RETURNING account_id, org_id, created_at
)
INSERT INTO org_members (account_id, org_id, user_id, org_created_at) SELECT account_id, org_id, $3, created_at FROM made`, b.account, count, user)
}

// A page has at least one organization, even if that organization exceeds the size limit.
func TestPageIsNeverEmpty(t *testing.T) {
	t.Parallel()
	b := setup(t)
	for range 3 {
		b.Org(t, b.account, orgs.Org{Name: strings.Repeat("x", 255)})
	}
	small := b.repository.WithPageBytes(1)
	page, err := small.List(context.Background(), b.account, orgs.ListParams{Limit: 100})
	if err != nil || len(page.Orgs) != 1 || page.Cursor == "" {
		t.Errorf("%d organizations, cursor %q, %v", len(page.Orgs), page.Cursor, err)
	}
}
