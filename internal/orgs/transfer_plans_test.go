package orgs_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"orgd/internal/orgs"
	"orgd/internal/uuid"
)

// An import looks up each organization of a block by an index, and an export reads each
// page from where the previous one ended, whatever the planner expects.
func TestPlansOfTransfers(t *testing.T) {
	t.Parallel()
	d, account, _ := explainable(t)
	d.Exec(t, `
INSERT INTO events (account_id, type, org_id, request_id)
SELECT account_id, 'org.created', org_id, 'request' FROM orgs`)
	d.Exec(t, "INSERT INTO org_erasures (account_id, org_id) SELECT $1, gen_random_uuid() FROM generate_series(1, 5000)", account)
	d.Vacuum(t, "ANALYZE events, org_erasures")
	const block = 20
	rows, err := d.Pool.Query(context.Background(), "SELECT org_id FROM orgs WHERE account_id = $1 ORDER BY org_id LIMIT $2", account, block)
	if err != nil {
		t.Fatal(err)
	}
	ids, err := pgx.CollectRows(rows, pgx.RowTo[uuid.UUID])
	if err != nil {
		t.Fatal(err)
	}
	externalIDs, places := make([]string, block), make([]string, block)
	for i := range block {
		externalIDs[i], places[i] = fmt.Sprintf("crm/%d", i), fmt.Sprint(i)
	}
	placeList := "{" + strings.Join(places, ",") + "}"
	middle := positionAt(t, d, account, 10_000)
	for _, mode := range planModes {
		conn := connWithPlans(t, d, mode)
		for name, c := range map[string]struct {
			sql     string
			args    []any
			indexes []string
			buffers int
		}{
			"find":    {orgs.ImportFindStatement, []any{account, ids, externalIDs}, []string{"orgs_pkey", "orgs_by_external_id"}, 8 * block},
			"members": {orgs.ImportMembersStatement, []any{account, ids, placeList}, []string{"org_members_by_added"}, 6 * block},
			"used":    {orgs.ImportUsedStatement, []any{account, ids, placeList}, []string{"org_erasures_pkey", "events_by_org"}, 10 * block},
			"export":  {orgs.ExportNextStatement, []any{account, middle.CreatedAt, uuid.UUID(middle.ID), block}, []string{"orgs_by_created", "org_members_by_added"}, 8 * block},
		} {
			t.Run(mode+", "+name, func(t *testing.T) {
				plan := explain(t, conn, c.sql, c.args)
				for _, index := range c.indexes {
					if !strings.Contains(plan.text, `"`+index+`"`) {
						t.Errorf("does not use %s", index)
					}
				}
				if len(plan.seqScans) > 0 || plan.buffers > c.buffers {
					t.Errorf("read %d buffers, want at most %d; sequential scans of %v", plan.buffers, c.buffers, plan.seqScans)
				}
				if t.Failed() {
					t.Log(plan.text)
				}
			})
		}
	}
}
