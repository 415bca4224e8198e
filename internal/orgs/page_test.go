package orgs_test

import (
	"context"
	"slices"
	"strings"
	"testing"

	"orgd/internal/orgs"
	"orgd/internal/uuid"
)

// Every statement of the list ends its page where the next organization would make
// it too large, and the walk goes on behind it.
func TestPageOfLargeOrganizations(t *testing.T) {
	t.Parallel()
	b := setup(t)
	const count = 13
	user := uuid.NewV7()
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
	} {
		for _, nearby := range []int{2, 10_000} {
			for _, limit := range []int{2, 3, 4, 100} {
				reader := bundle{DB: b.DB, repository: b.repository.WithNearby(nearby), account: b.account}
				p.Limit = limit
				if got := ids(reader.walk(t, p)); !slices.Equal(got, ids(all)) {
					t.Errorf("%s, limit %d, nearby %d: saw %v, want %v", name, limit, nearby, got, ids(all))
				}
				if page := reader.list(t, p); len(page.Orgs) != min(limit, 3) || page.Bytes > orgs.MaxPageBytes {
					t.Errorf("%s, limit %d, nearby %d: %d organizations of %d bytes", name, limit, nearby, len(page.Orgs), page.Bytes)
				}
			}
		}
	}
}

// storeLarge makes active organizations of 305 KB each, of which the user is a member.
func (b bundle) storeLarge(t testing.TB, count int, user uuid.UUID) {
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

// One organization makes a page, however large it is.
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
