package orgs_test

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"orgd/internal/cursor"
	"orgd/internal/db/dbtest"
	"orgd/internal/orgs"
	"orgd/internal/uuid"
)

// The statements are explained under the generic plan, the one that a prepared
// statement of a busy server runs with, on an account beside others.
func TestPlansSeekAtAnyDepth(t *testing.T) {
	t.Parallel()
	d, account := explainable(t)
	conn := connWithPlans(t, d, "force_generic_plan")
	yes := true
	for _, depth := range []int{0, 1, 1000, 19_900} {
		for _, active := range []*bool{nil, &yes} {
			sql, args := orgs.ListStatement(account, orgs.ListParams{Limit: 100, IsActive: active}, positionAt(t, d, account, depth))
			plan := explain(t, conn, sql, args)
			index := "orgs_by_created"
			if active != nil {
				index = "orgs_by_active"
			}
			if !strings.Contains(plan.text, index) || strings.Contains(plan.text, "Seq Scan") || strings.Contains(plan.text, `"Sort"`) {
				t.Errorf("depth %d, by activity %v: not a walk of %s:\n%s", depth, active != nil, index, plan.text)
			}
			if depth > 0 && !strings.Contains(plan.indexCond, "ROW(created_at, org_id) < ROW(") {
				t.Errorf("depth %d, by activity %v: the index condition %q does not seek", depth, active != nil, plan.indexCond)
			}
			// 101 rows lie on at most 101 pages of the table, and a few of the index.
			if plan.buffers > 120 {
				t.Errorf("depth %d, by activity %v: read %d buffers", depth, active != nil, plan.buffers)
			}
		}
	}
}

func TestPlanOfARareNameUsesItsIndex(t *testing.T) {
	t.Parallel()
	d, account := explainable(t)
	for _, mode := range []string{"force_generic_plan", "force_custom_plan"} {
		conn := connWithPlans(t, d, mode)
		sql, args := orgs.IndexedStatement(account, orgs.ListParams{Limit: 20, Name: "19777"})
		plan := explain(t, conn, sql, args)
		if !strings.Contains(plan.text, "orgs_by_name") {
			t.Errorf("%s: a rare name is not looked up in orgs_by_name:\n%s", mode, plan.text)
		}
	}
}

// A short name is looked for in order, and the walk stops when the page is full.
func TestPlanOfAShortNameWalksInOrder(t *testing.T) {
	t.Parallel()
	d, account := explainable(t)
	conn := connWithPlans(t, d, "force_generic_plan")
	sql, args := orgs.WalkedStatement(account, orgs.ListParams{Limit: 20, Name: "rg"})
	plan := explain(t, conn, sql, args)
	if !strings.Contains(plan.text, "orgs_by_created") || strings.Contains(plan.text, `"Sort"`) || plan.buffers > 50 {
		t.Errorf("not a walk of orgs_by_created, %d buffers:\n%s", plan.buffers, plan.text)
	}
}

// connWithPlans returns a connection of its own that makes one kind of plan.
func connWithPlans(t *testing.T, d *dbtest.DB, mode string) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(context.Background(), d.URL)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close(context.Background()) })
	if _, err := conn.Exec(context.Background(), "SET plan_cache_mode = "+mode); err != nil {
		t.Fatal(err)
	}
	return conn
}

// explainable has 20,000 organizations in one account and as many in others.
func explainable(t *testing.T) (*dbtest.DB, uuid.UUID) {
	t.Helper()
	d := dbtest.New(t)
	account := d.Account(t)
	for _, a := range []uuid.UUID{account, d.Account(t)} {
		d.Exec(t, `
INSERT INTO orgs (account_id, org_id, org_name, org_name_folded, is_active, created_at)
SELECT $1, gen_random_uuid(), 'Org ' || i, 'org ' || i, i % 50 <> 0, '2026-01-01'::timestamptz - i * interval '1 second'
FROM generate_series(1, 20000) AS i`, a)
	}
	d.Exec(t, "VACUUM ANALYZE orgs")
	return d, account
}

func positionAt(t *testing.T, d *dbtest.DB, account uuid.UUID, depth int) *cursor.Position {
	t.Helper()
	if depth == 0 {
		return nil
	}
	var p cursor.Position
	err := d.Pool.QueryRow(context.Background(),
		`SELECT created_at, org_id FROM orgs WHERE account_id = $1 ORDER BY created_at DESC, org_id DESC OFFSET $2 LIMIT 1`,
		account, depth-1).Scan(&p.CreatedAt, &p.ID)
	if err != nil {
		t.Fatal(err)
	}
	p.CreatedAt = p.CreatedAt.Truncate(time.Microsecond)
	return &p
}

type plan struct {
	text      string
	indexCond string
	buffers   int
}

// explain shows how the statement runs as a prepared one: EXPLAIN of the
// statement itself would be given its arguments as constants.
func explain(t *testing.T, conn *pgx.Conn, sql string, args []any) plan {
	t.Helper()
	ctx := context.Background()
	name := "explained_" + rand.Text()
	if _, err := conn.Prepare(ctx, name, sql); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	execute := fmt.Sprintf("EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) EXECUTE %q (%s)", name, literals(args))
	text, err := explainText(ctx, conn, execute)
	if err != nil {
		t.Fatalf("%s: %v", execute, err)
	}
	var explained []struct {
		Plan map[string]any
	}
	if err := json.Unmarshal([]byte(text), &explained); err != nil {
		t.Fatal(err)
	}
	p := plan{text: text}
	top := explained[0].Plan
	p.buffers = int(top["Shared Hit Blocks"].(float64) + top["Shared Read Blocks"].(float64))
	p.indexCond = indexCond(top)
	return p
}

func explainText(ctx context.Context, conn *pgx.Conn, sql string) (text string, err error) {
	err = conn.QueryRow(ctx, sql, pgx.QueryExecModeSimpleProtocol).Scan(&text)
	return text, err
}

func literals(args []any) string {
	texts := make([]string, len(args))
	for i, arg := range args {
		switch arg := arg.(type) {
		case time.Time:
			texts[i] = "'" + arg.Format(time.RFC3339Nano) + "'"
		case [16]byte:
			texts[i] = "'" + uuid.UUID(arg).String() + "'"
		default:
			texts[i] = fmt.Sprintf("'%v'", arg)
		}
	}
	return strings.Join(texts, ", ")
}

func indexCond(node map[string]any) string {
	if cond, ok := node["Index Cond"].(string); ok {
		return cond
	}
	children, _ := node["Plans"].([]any)
	for _, child := range children {
		if cond := indexCond(child.(map[string]any)); cond != "" {
			return cond
		}
	}
	return ""
}
