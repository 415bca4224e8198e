package orgs_test

import (
	"context"
	"testing"

	"orgd/internal/cursor"
	"orgd/internal/orgs"
)

// BenchmarkList reads a full page: it runs the statement and decodes the organizations.
func BenchmarkList(b *testing.B) {
	s := setup(b)
	s.Exec(b, `
INSERT INTO orgs (account_id, org_id, org_name, org_name_folded, metadata, created_at)
SELECT $1, gen_random_uuid(), 'Société Générale ' || i, 'societe generale ' || i, '{"plan": "pro", "region": "eu-central-1"}',
       '2026-01-01'::timestamptz - i * interval '1 second'
FROM generate_series(1, 1000) AS i`, s.account)
	s.Vacuum(b, "ANALYZE orgs")
	for name, order := range map[string]orgs.Order{"by time": orgs.NewestFirst, "by name": orgs.ByName} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				page, err := s.repository.List(context.Background(), s.account, orgs.ListParams{Limit: cursor.MaxLimit, Order: order})
				if err != nil || len(page.Orgs) != cursor.MaxLimit {
					b.Fatalf("%d organizations, %v", len(page.Orgs), err)
				}
			}
		})
	}
}
