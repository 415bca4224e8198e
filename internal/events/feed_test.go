package events_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"orgd/internal/cursor"
	"orgd/internal/events"
	"orgd/internal/uuid"
	"orgd/internal/wire"
)

func TestPages(t *testing.T) {
	t.Parallel()
	b := setup(t)
	empty := b.read(t, events.Params{Limit: 2})
	if len(empty.Events) != 0 || empty.HasMore || empty.Cursor == "" {
		t.Errorf("an empty feed: %+v", empty)
	}
	b.write(t, 1, "org.created", 5)
	for _, from := range []string{"", empty.Cursor} {
		seen, last := b.walk(t, events.Params{Limit: 2, Cursor: from})
		if got := positions(seen); got != "1 2 3 4 5 " {
			t.Errorf("positions %s", got)
		}
		if again := b.read(t, events.Params{Limit: 2, Cursor: last.Cursor}); len(again.Events) != 0 || again.Cursor != last.Cursor || again.HasMore {
			t.Errorf("at the end: %+v", again)
		}
	}
}

// A call with a filter looks at no more events than the window has, even if few of them
// match. The cursor moves past them, so the walk continues.
func TestFiltersLookAtAWindow(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.repository.WithLimits(events.MaxPageBytes, 10)
	b.write(t, 1, "org.created", 34)
	b.write(t, 2, "org.created", 1)
	b.write(t, 1, "org.updated", 1)
	p := events.Params{Limit: 100, OrgID: &uuid.UUID{15: 2}}
	for _, want := range []struct {
		last int64
		seen string
		more bool
	}{{10, "", true}, {20, "", true}, {30, "", true}, {36, "35 ", false}} {
		page := b.read(t, p)
		if page.Last.Position != want.last || positions(page.Events) != want.seen || page.HasMore != want.more {
			t.Errorf("%d, %s, %t; want %+v", page.Last.Position, positions(page.Events), page.HasMore, want)
		}
		p.Cursor = page.Cursor
	}
	// A full page ends at its last event.
	page := b.read(t, events.Params{Limit: 4, Types: []string{"org.created"}})
	if positions(page.Events) != "1 2 3 4 " || page.Last.Position != 4 || !page.HasMore {
		t.Errorf("a full page: %+v", page)
	}
	page = b.read(t, events.Params{Limit: 10, Types: []string{"org.created"}})
	if len(page.Events) != 10 || page.Last.Position != 10 {
		t.Errorf("a page as full as the window: %+v", page)
	}
}

// A walk with a filter returns exactly the events that pass it, for any limit.
func TestFilteredWalks(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.repository.WithLimits(events.MaxPageBytes, 7)
	kinds := []string{"org.created", "org.updated", "org.deleted"}
	for i := range 60 {
		b.write(t, byte(i*i%5), kinds[i*i%3], 1)
	}
	all, _ := b.walk(t, events.Params{Limit: 100})
	for limit := 1; limit < 12; limit++ {
		for _, p := range []events.Params{
			{}, {Types: kinds[:1]}, {Types: kinds[1:]}, {OrgID: &uuid.UUID{15: 4}}, {OrgID: &uuid.UUID{}}, {OrgID: &uuid.UUID{15: 1}, Types: kinds[:2]}, {Types: []string{"none"}},
		} {
			p.Limit = limit
			want := ""
			for _, e := range all {
				if (len(p.Types) == 0 || slices.Contains(p.Types, e.Type)) && (p.OrgID == nil || *p.OrgID == e.OrgID && e.OrgID != uuid.UUID{}) {
					want += positions([]events.Event{e})
				}
			}
			seen, last := b.walk(t, p)
			if got := positions(seen); got != want || last.Last.Position != 60 {
				t.Errorf("%+v: %s to %d, want %s", p, got, last.Last.Position, want)
			}
		}
	}
}

// A page ends early before it gets too large, but it has at least one event.
func TestPagesHaveAMaximumSize(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.repository.WithLimits(2500, 100)
	b.write(t, 1, "org.created", 10) // each counts as about 550 bytes
	b.Exec(t, "UPDATE events SET after = jsonb_build_object('orgName', repeat('a', 5000)) WHERE id % 5 = 0")
	for _, types := range [][]string{nil, {"org.created"}} {
		p := events.Params{Limit: 100, Types: types}
		count, pages := 0, 0
		for {
			page := b.read(t, p)
			count += len(page.Events)
			pages++
			if len(page.Events) == 0 || len(page.Events) > 4 || page.Bytes > 2500 && len(page.Events) > 1 {
				t.Errorf("a page of %d events in %d bytes", len(page.Events), page.Bytes)
			}
			if !page.HasMore {
				break
			}
			p.Cursor = page.Cursor
		}
		if count != 10 || pages < 4 {
			t.Errorf("%d events on %d pages", count, pages)
		}
	}
}

// Page.Bytes, which limits the size of a page, is an upper bound.
func TestSizeOfEvents(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.Exec(t, `
INSERT INTO events (account_id, type, org_id, user_id, api_key_id, before, after, actor_api_key_id, actor_user_id, request_id, occurred_at)
VALUES ($1, 'org.member_added', gen_random_uuid(), repeat(chr(8232), 255), gen_random_uuid(), '{"a": "b"}', '{"c": "\u0001"}',
        gen_random_uuid(), repeat('"', 255), repeat('a', 64), '2026-03-01T09:30:00.123456Z')`, b.account)
	page := b.read(t, events.Params{Limit: 1})
	if size := len(wire.AppendEvent(nil, &page.Events[0])); size > page.Bytes {
		t.Errorf("%d bytes, counted %d", size, page.Bytes)
	}
}

func TestInvalidCursors(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.write(t, 1, "org.created", 3)
	good := b.read(t, events.Params{Limit: 1})
	for name, token := range map[string]string{
		"malformed":              "AAAA",
		"of another account":     events.CursorAt(b.Account(t), good.Last),
		"of another list":        cursor.Encode(cursor.Position{CreatedAt: time.UnixMicro(1), ID: good.Last.ID}, b.account[:]),
		"of a negative position": events.CursorAt(b.account, events.Place{Position: -1}),
	} {
		_, err := b.repository.Read(context.Background(), b.account, events.Params{Limit: 1, Cursor: token})
		if !errors.Is(err, events.ErrInvalidCursor) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, limit := range []int{0, 101} {
		if _, err := b.repository.Read(context.Background(), b.account, events.Params{Limit: limit}); err == nil {
			t.Errorf("limit %d is accepted", limit)
		}
	}
}

// A cursor is lost if its event does not exist, or if another event is at its position.
func TestLostCursors(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.write(t, 1, "org.created", 5)
	page := b.read(t, events.Params{Limit: 100})
	lost := func(when string, p events.Place) {
		t.Helper()
		_, err := b.repository.Read(context.Background(), b.account, events.Params{Limit: 1, After: &p})
		if !errors.Is(err, events.ErrCursorLost) {
			t.Errorf("%s: %v", when, err)
		}
	}
	lost("beyond the end", events.Place{Position: 6, ID: page.Last.ID})
	lost("with another id", events.Place{Position: 5})
	lost("at the beginning, with an id", events.Place{ID: page.Last.ID})
	// A restore to a state with three of the five events.
	b.Exec(t, "DELETE FROM events WHERE position > 3")
	b.Exec(t, "UPDATE feeds SET last_position = 3")
	lost("after a restore", page.Last)
	b.write(t, 1, "org.created", 5)
	lost("after a restore and new events", page.Last)
	fourth := page.Events[3].At()
	lost("at a position that has another event", fourth)
	third := page.Events[2].At()
	if again := b.read(t, events.Params{Limit: 100, After: &third}); positions(again.Events) != "4 5 6 7 8 " {
		t.Errorf("after the third: %s", positions(again.Events))
	}
}

// The promotion of a standby can lose positions. If the same events get the same positions again,
// cursors stay valid. If other events get them, the cursors are lost.
func TestRepeatedNumbering(t *testing.T) {
	t.Parallel()
	b := setup(t)
	ctx := context.Background()
	tx := b.begin(t, "INSERT INTO events (account_id, type, request_id) VALUES ($1, 'org.slow', 'r')", b.account)
	b.write(t, 1, "org.created", 3)
	before := b.read(t, events.Params{Limit: 2})
	again := func() {
		b.Exec(t, "UPDATE events SET position = NULL")
		b.Exec(t, "DELETE FROM feeds")
	}
	again()
	if page := b.read(t, events.Params{Limit: 100, Cursor: before.Cursor}); positions(page.Events) != "3 " {
		t.Errorf("the same events: %s", positions(page.Events))
	}
	commit(t, tx)
	again()
	if _, err := b.repository.Read(ctx, b.account, events.Params{Limit: 100, Cursor: before.Cursor}); !errors.Is(err, events.ErrCursorLost) {
		t.Errorf("other events: %v", err)
	}
}

// After old events are deleted, a cursor is valid only if no event after it was deleted.
func TestExpiredCursors(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.write(t, 1, "org.created", 5)
	page := b.read(t, events.Params{Limit: 100})
	remove := func(position int) {
		b.Exec(t, "UPDATE feeds SET removed_position = $1, removed_mark = $2", position, page.Events[position-1].ID[:])
		b.Exec(t, "DELETE FROM events WHERE position <= $1", position)
	}
	remove(3)
	for i, want := range []error{events.ErrCursorExpired, events.ErrCursorExpired, nil, nil, nil} {
		at := page.Events[i].At()
		got, err := b.repository.Read(context.Background(), b.account, events.Params{Limit: 100, After: &at})
		if !errors.Is(err, want) || err == nil && len(got.Events) != min(2, 4-i) {
			t.Errorf("after %d: %s, %v", i+1, positions(got.Events), err)
		}
	}
	for _, types := range [][]string{nil, {"org.created"}} {
		if _, err := b.repository.Read(context.Background(), b.account, events.Params{Limit: 100, Types: types, After: &events.Place{}}); !errors.Is(err, events.ErrCursorExpired) {
			t.Errorf("from the beginning, types %v: %v", types, err)
		}
	}
	if seen, _ := b.walk(t, events.Params{Limit: 1}); positions(seen) != "4 5 " {
		t.Errorf("without a cursor: %s", positions(seen))
	}
	remove(5)
	if got := b.read(t, events.Params{Limit: 1}); len(got.Events) != 0 || got.HasMore || got.Last != page.Last {
		t.Errorf("when all are deleted: %+v", got)
	}
	b.write(t, 1, "org.created", 1)
	if got := b.read(t, events.Params{Limit: 1, Cursor: page.Cursor}); positions(got.Events) != "6 " {
		t.Errorf("after that: %s", positions(got.Events))
	}
}

// A reader gets an error where rows have been deleted by hand.
func TestMissingRows(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.write(t, 1, "org.created", 5)
	page := b.read(t, events.Params{Limit: 1})
	b.Exec(t, "DELETE FROM events WHERE position BETWEEN 2 AND 4")
	for _, limit := range []int{1, 2, 100} {
		_, err := b.repository.Read(context.Background(), b.account, events.Params{Limit: limit, Cursor: page.Cursor})
		if !errors.Is(err, events.ErrCursorExpired) {
			t.Errorf("limit %d: %v", limit, err)
		}
	}
}

// numberAs replaces the function that gives positions with one that returns lastPosition
// and changes nothing. It simulates a failover to a server that lacks the
// positions.
func (b bundle) numberAs(t testing.TB, lastPosition string) {
	t.Helper()
	b.Exec(t, `
CREATE OR REPLACE FUNCTION events_number_1(account uuid, most integer, OUT last_position bigint, OUT more boolean)
    LANGUAGE plpgsql AS 'BEGIN last_position := `+lastPosition+`; more := false; END'`)
}

// A failover between the numbering and the page may lose positions. The call then
// succeeds, with the events that still have a position, and does not report that events
// were deleted.
func TestPositionsLostDuringARead(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.write(t, 1, "org.created", 3)
	seen, last := b.walk(t, events.Params{Limit: 2})
	b.numberAs(t, "5")
	for name, p := range map[string]events.Params{
		"at the end": {Limit: 2, Cursor: last.Cursor},
		"filtered":   {Limit: 2, Cursor: last.Cursor, Types: []string{"org.created"}},
	} {
		if page := b.read(t, p); len(page.Events) > 0 || page.HasMore || page.Cursor != last.Cursor {
			t.Errorf("%s: %+v", name, page)
		}
	}
	second := seen[1].At()
	if page := b.read(t, events.Params{Limit: 2, After: &second}); positions(page.Events) != "3 " || page.HasMore {
		t.Errorf("before the end: %+v", page)
	}
}

// cursor=now looks for the end again if the last event is lost before it is read.
func TestPresentIsLost(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.write(t, 1, "org.created", 3)
	_, last := b.walk(t, events.Params{Limit: 100})
	b.Exec(t, "CREATE SEQUENCE calls")
	b.numberAs(t, "CASE nextval(''calls'') WHEN 1 THEN 5 ELSE 3 END")
	if page := b.read(t, events.Params{Limit: 1, Cursor: events.Now}); page.Cursor != last.Cursor {
		t.Errorf("now: %+v, want %+v", page.Last, last.Last)
	}
}

// If the newest event has been deleted by hand, cursor=now returns an error. It does not
// keep trying until the deadline.
func TestPresentIsMissing(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.write(t, 1, "org.created", 3)
	b.walk(t, events.Params{Limit: 100})
	b.Exec(t, "DELETE FROM events WHERE position = 3")
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if _, err := b.repository.Read(ctx, b.account, events.Params{Limit: 1, Cursor: events.Now}); !errors.Is(err, events.ErrCursorLost) {
		t.Error(err)
	}
}

// An erasure removes texts from an event, but the event keeps its id and its position.
func TestErasedEventsKeepTheirIDs(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.Exec(t, "INSERT INTO events (account_id, type, user_id, after, request_id) VALUES ($1, 'org.member_added', 'u', '{\"a\": 1}', 'r')", b.account)
	before := b.read(t, events.Params{Limit: 1})
	b.Exec(t, "UPDATE events SET user_id = NULL, after = '{}'")
	after := b.read(t, events.Params{Limit: 1})
	if before.Events[0].UserID != "u" || after.Events[0].UserID != "" || before.Cursor != after.Cursor || before.Events[0].ID != after.Events[0].ID {
		t.Errorf("before %+v, after %+v", before, after)
	}
}

// While old events are deleted, a reader gets the next event or an error. It never skips an
// event silently.
func TestDeletionDuringReads(t *testing.T) {
	t.Parallel()
	b := setup(t)
	const all = 4000
	b.write(t, 1, "org.created", all)
	if _, err := b.repository.NumberAll(context.Background(), b.account); err != nil {
		t.Fatal(err)
	}
	deleted := make(chan struct{})
	go func() {
		defer close(deleted)
		for last := 5; last < all; last += 5 {
			b.Exec(tb{t}, `
WITH mark AS (SELECT $2::bigint AS position),
gone AS (DELETE FROM events WHERE account_id = $1 AND position <= $2 RETURNING position)
UPDATE feeds SET removed_position = $2, removed_mark = decode(md5($2::text), 'hex')
FROM mark WHERE account_id = $1`, b.account, last)
		}
	}()
	restarts, at := 0, int64(0)
	p := events.Params{Limit: 7, Types: []string{"org.created"}}
	for {
		page, err := b.repository.Read(context.Background(), b.account, p)
		switch {
		case errors.Is(err, events.ErrCursorExpired), errors.Is(err, events.ErrCursorLost):
			p.Cursor, at = "", 0
			restarts++
			continue
		case err != nil:
			t.Fatal(err)
		}
		for _, e := range page.Events {
			if at > 0 && e.Position != at+1 {
				t.Fatalf("position %d after %d", e.Position, at)
			}
			at = e.Position
		}
		p.Cursor = page.Cursor
		if !page.HasMore {
			break
		}
		time.Sleep(time.Millisecond)
	}
	<-deleted
	if restarts == 0 {
		t.Log("no cursor expired")
	}
}
