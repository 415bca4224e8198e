package events_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/jackc/pgx/v5"

	"orgd/internal/db"
	"orgd/internal/dbtest"
	"orgd/internal/events"
	"orgd/internal/uuid"
)

func TestMain(m *testing.M) { dbtest.Main(m) }

// bundle has everything that a test of the repository needs.
type bundle struct {
	*dbtest.DB
	repository *events.Repository
	account    uuid.UUID
}

func setup(t testing.TB) bundle {
	t.Helper()
	d := dbtest.New(t)
	return bundle{DB: d, repository: events.NewRepository(d.Conns), account: d.Account(t)}
}

// write writes n events of an organization, or of none if org is 0.
func (b bundle) write(t testing.TB, org byte, kind string, n int) {
	t.Helper()
	b.Exec(t, `
INSERT INTO events (account_id, type, org_id, after, request_id)
SELECT $1, $2, $3, jsonb_build_object('n', n), 'request-1' FROM generate_series(1, $4) AS n`, b.account, kind, db.OrNull(uuid.UUID{15: org}), n)
}

func (b bundle) read(t testing.TB, p events.Params) events.Page {
	t.Helper()
	page, err := b.repository.Read(context.Background(), b.account, p)
	if err != nil {
		t.Fatalf("Read(%+v): %v", p, err)
	}
	return page
}

// walk reads page after page until there are no more.
func (b bundle) walk(t testing.TB, p events.Params) (seen []events.Event, last events.Page) {
	t.Helper()
	return walkWith(t, b.read, p)
}

func walkWith(t testing.TB, read func(testing.TB, events.Params) events.Page, p events.Params) (seen []events.Event, last events.Page) {
	t.Helper()
	for {
		page := read(t, p)
		seen = append(seen, page.Events...)
		if !page.HasMore {
			return seen, page
		}
		p.Cursor = page.Cursor
	}
}

// begin runs a statement in a transaction, which is rolled back at the end of the test
// unless the test has ended it.
func (b bundle) begin(t testing.TB, sql string, args ...any) pgx.Tx {
	t.Helper()
	tx, err := b.Pool.Begin(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = tx.Rollback(context.Background()) })
	if _, err := tx.Exec(context.Background(), sql, args...); err != nil {
		t.Fatal(err)
	}
	return tx
}

func commit(t testing.TB, tx pgx.Tx) {
	t.Helper()
	if err := tx.Commit(context.Background()); err != nil {
		t.Fatal(err)
	}
}

// wantAll checks that the events have the positions 1 to n.
func wantAll(t testing.TB, seen []events.Event, n int) {
	t.Helper()
	for i, e := range seen {
		if e.Position != int64(i)+1 {
			t.Fatalf("position %d after %d", e.Position, i)
		}
	}
	if len(seen) != n {
		t.Errorf("%d events, want %d", len(seen), n)
	}
}

func positions(seen []events.Event) string {
	text := ""
	for _, e := range seen {
		text += fmt.Sprintf("%d ", e.Position)
	}
	return text
}
