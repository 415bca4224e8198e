package events_test

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"orgd/internal/dbtest"
	"orgd/internal/events"
	"orgd/internal/uuid"
)

// planModes are the two ways in which PostgreSQL plans a prepared statement: for these
// parameters, or for any parameters. A connection that often runs the statement can use
// either.
var planModes = []string{"force_custom_plan", "force_generic_plan"}

// A page reads its own events and no others, wherever it is in the feed and whatever the
// statistics say. Filters read at most the window.
func TestPlansReadOnlyTheWindow(t *testing.T) {
	t.Parallel()
	for _, analyzed := range []string{"never", "before the account existed", "now"} {
		t.Run("analyzed "+analyzed, func(t *testing.T) {
			t.Parallel()
			b := setup(t)
			b.fill(t, b.Account(t), 30_000)
			if analyzed == "before the account existed" {
				b.Exec(t, "ANALYZE")
			}
			b.fill(t, b.account, 30_000)
			if analyzed == "now" {
				b.Exec(t, "ANALYZE")
			}
			for _, mode := range planModes {
				conn := connWithPlans(t, b.DB, mode)
				for _, after := range []int{0, 10_000, 29_000} {
					b.explainPages(t, conn, mode, after)
				}
			}
		})
	}
}

func (b bundle) explainPages(t *testing.T, conn *pgx.Conn, mode string, after int) {
	t.Helper()
	rare := uuid.UUID{15: 200}
	for _, c := range []struct {
		name       string
		end        int
		types      []string
		org        *uuid.UUID
		maxBuffers int
	}{
		{"no filter", after + 100, []string{}, nil, 120},
		{"a type", after + 5000, []string{"org.deleted"}, nil, 5200},
		{"a rare organization", after + 5000, []string{}, &rare, 5200},
		{"a rare organization and a type", after + 5000, []string{"org.created"}, &rare, 5200},
	} {
		t.Run(fmt.Sprintf("%s, %s after %d", mode, c.name, after), func(t *testing.T) {
			end := min(c.end, 30_000)
			for _, plan := range []plan{
				explain(t, conn, events.EventWindow, b.account, after, end, c.types, c.org, 101, events.MaxPageBytes),
				explain(t, conn, events.EventsBackward, b.account, end, after, c.types, c.org, 101, events.MaxPageBytes),
			} {
				if !strings.Contains(plan.text, "events_by_position") || strings.Contains(plan.text, "Seq Scan") {
					t.Errorf("not a range of events_by_position:\n%s", plan.text)
				}
				if plan.buffers > c.maxBuffers {
					t.Errorf("read %d buffers:\n%s", plan.buffers, plan.text)
				}
			}
		})
	}
}

// The queries of a reader at the end of the feed read a few buffers, however long the
// feed is.
func TestPlansAtTheEndOfTheFeed(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.write(t, 1, "org.created", 30_000)
	other := b
	other.account = b.Account(t)
	other.write(t, 1, "org.created", 1000) // nobody reads these
	b.Exec(t, "ANALYZE")
	if _, err := b.repository.NumberAll(context.Background(), b.account); err != nil {
		t.Fatal(err)
	}
	b.Vacuum(t, "events") // does not update the statistics
	for _, mode := range planModes {
		conn := connWithPlans(t, b.DB, mode)
		for name, statement := range map[string][]any{
			"number": {events.EventsNumber, b.account, 1000},
			"state":  {events.FeedAt, b.account, 30_000},
			"moved":  {events.FeedsMoved, []uuid.UUID{b.account}, []int64{30_000}, []int64{30_000}},
		} {
			t.Run(mode+", "+name, func(t *testing.T) {
				sql, args := statement[0].(string), statement[1:]
				explain(t, conn, sql, args...) // plans the statements of the function
				if plan := explain(t, conn, sql, args...); plan.buffers > 20 {
					t.Errorf("read %d buffers:\n%s", plan.buffers, plan.text)
				}
			})
		}
	}
}

// fill writes events that have positions.
func (b bundle) fill(t testing.TB, account uuid.UUID, n int) {
	t.Helper()
	b.Exec(t, `
INSERT INTO events (account_id, position, type, org_id, after, request_id)
SELECT $1, n, CASE n % 3 WHEN 0 THEN 'org.created' ELSE 'org.updated' END,
       lpad(to_hex(CASE WHEN n % 1000 = 0 THEN 200 ELSE n % 100 END), 32, '0')::uuid, '{"orgName": "Acme Industries Ltd"}', 'request-1'
FROM generate_series(1, $2::int) AS n`, account, n)
	b.Exec(t, "INSERT INTO feeds (account_id, last_position) VALUES ($1, $2)", account, n)
}

func connWithPlans(t *testing.T, d *dbtest.DB, mode string) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(context.Background(), d.URL)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close(context.Background()) })
	if _, err := conn.Exec(context.Background(), "SET plan_cache_mode = "+mode); err != nil {
		t.Fatal(err)
	}
	return conn
}

type plan struct {
	text    string
	buffers int
}

// explain prepares the statement, runs it, and returns its plan. A plain EXPLAIN of the
// statement would see its arguments as constants.
func explain(t *testing.T, conn *pgx.Conn, sql string, args ...any) plan {
	t.Helper()
	ctx := context.Background()
	name := "explained_" + rand.Text()
	if _, err := conn.Prepare(ctx, name, sql); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	execute := fmt.Sprintf("EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) EXECUTE %q (%s)", name, literals(t, args))
	var text string
	if err := conn.QueryRow(ctx, execute, pgx.QueryExecModeSimpleProtocol).Scan(&text); err != nil {
		t.Fatalf("%s: %v", execute, err)
	}
	var explained []struct {
		Plan struct {
			Hit  int `json:"Shared Hit Blocks"`
			Read int `json:"Shared Read Blocks"`
		}
	}
	if err := json.Unmarshal([]byte(text), &explained); err != nil {
		t.Fatal(err)
	}
	return plan{text: text, buffers: explained[0].Plan.Hit + explained[0].Plan.Read}
}

func literals(t *testing.T, args []any) string {
	t.Helper()
	texts := make([]string, len(args))
	for i, arg := range args {
		text, err := json.Marshal(arg) // ids are written as text
		if err != nil {
			t.Fatal(err)
		}
		switch value := string(text); value[0] {
		case '[':
			texts[i] = "'{" + strings.Trim(value, "[]") + "}'"
		case '"':
			texts[i] = "'" + strings.Trim(value, `"`) + "'"
		default: // a number or null
			texts[i] = value
		}
	}
	return strings.Join(texts, ", ")
}
