package events_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/jackc/pgx/v5"

	"orgd/internal/db"
	"orgd/internal/events"
)

// rowCounter records the largest number of rows that a statement has returned.
type rowCounter struct{ most int64 }

func (*rowCounter) TraceQueryStart(ctx context.Context, _ *pgx.Conn, _ pgx.TraceQueryStartData) context.Context {
	return ctx
}

func (c *rowCounter) TraceQueryEnd(_ context.Context, _ *pgx.Conn, d pgx.TraceQueryEndData) {
	c.most = max(c.most, d.CommandTag.RowsAffected())
}

// A page of large events ends early, and PostgreSQL returns few events that do not fit.
func TestPagesOfLargeEvents(t *testing.T) {
	t.Parallel()
	for size, fit := range map[int]int64{20_000: 4, 90_000: 1, 150_000: 1} { // with pages of 100 kB
		t.Run(fmt.Sprint(size), func(t *testing.T) {
			t.Parallel()
			b := setup(t)
			counter := &rowCounter{}
			conns, err := db.Open(t.Context(), b.URL, db.Options{MaxConns: 1, Tracer: counter})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(conns.Close)
			b.repository = events.NewRepository(conns).WithLimits(100_000, 1000)
			const all = 30
			b.write(t, 1, "org.updated", all)
			b.Exec(t, "UPDATE events SET after = jsonb_build_object('a', repeat('a', $1))", size)
			for name, p := range map[string]events.Params{"feed": {}, "filtered": {Types: []string{"org.updated"}}} {
				counter.most = 0
				p.Limit = 100
				seen, _ := b.walk(t, p)
				if len(seen) != all || counter.most > fit+2 {
					t.Errorf("%s: %d events, up to %d rows for a page", name, len(seen), counter.most)
				}
			}
			counter.most = 0
			if seen := b.walkOrg(t); len(seen) != all || counter.most > fit+2 {
				t.Errorf("list: %d events, up to %d rows for a page", len(seen), counter.most)
			}
		})
	}
}

// walkOrg reads the list of the events about an organization.
func (b bundle) walkOrg(t *testing.T) (seen []events.Event) {
	t.Helper()
	for p := (events.ListParams{Limit: 100}); ; {
		page, err := b.repository.ListOfOrg(context.Background(), b.account, orgOf(1), p)
		if err != nil {
			t.Fatal(err)
		}
		seen = append(seen, page.Events...)
		if p.Cursor = page.Cursor; p.Cursor == "" {
			return seen
		}
	}
}
