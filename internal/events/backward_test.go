package events_test

import (
	"context"
	"errors"
	"slices"
	"testing"

	"orgd/internal/events"
	"orgd/internal/uuid"
)

func (b bundle) readBackward(t testing.TB, p events.Params) events.Page {
	t.Helper()
	page, err := b.repository.ReadBackward(context.Background(), b.account, p)
	if err != nil {
		t.Fatalf("ReadBackward(%+v): %v", p, err)
	}
	return page
}

// walkBackward reads page after page until there are no more.
func (b bundle) walkBackward(t testing.TB, p events.Params) (seen []events.Event, last events.Page) {
	t.Helper()
	return walkWith(t, b.readBackward, p)
}

func TestBackwardPages(t *testing.T) {
	t.Parallel()
	b := setup(t)
	empty := b.readBackward(t, events.Params{Limit: 2})
	if len(empty.Events) != 0 || empty.HasMore || empty.Cursor == "" {
		t.Errorf("an empty feed: %+v", empty)
	}
	b.write(t, 1, "org.created", 5)
	for _, from := range []string{"", events.Now} {
		seen, last := b.walkBackward(t, events.Params{Limit: 2, Cursor: from})
		if got := positions(seen); got != "5 4 3 2 1 " || last.Last.Position != 0 {
			t.Errorf("from %q: positions %s, at the end %+v", from, got, last)
		}
	}
}

// A cursor of either direction divides the feed: one direction returns exactly what the
// other does not.
func TestCursorsDivideTheFeed(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.write(t, 1, "org.created", 6)
	for limit := 1; limit < 8; limit++ {
		forward := b.read(t, events.Params{Limit: limit})
		backward := b.readBackward(t, events.Params{Limit: limit})
		for name, token := range map[string]string{"forward": forward.Cursor, "backward": backward.Cursor} {
			after, _ := b.walk(t, events.Params{Limit: 100, Cursor: token})
			before, _ := b.walkBackward(t, events.Params{Limit: 100, Cursor: token})
			slices.Reverse(before)
			if got := positions(slices.Concat(before, after)); got != "1 2 3 4 5 6 " {
				t.Errorf("a %s cursor after %d events: %s before, %s after", name, limit, positions(before), positions(after))
			}
		}
	}
}

// A backward walk with a filter returns the events of the forward walk, for any limit, and
// each call looks at no more events than the window has.
func TestFilteredBackwardWalks(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.repository.WithLimits(events.MaxPageBytes, 7)
	kinds := []string{"org.created", "org.updated", "org.deleted"}
	for i := range 60 {
		b.write(t, byte(i*i%5), kinds[i*i%3], 1)
	}
	for limit := 1; limit < 12; limit++ {
		for _, p := range []events.Params{
			{}, {Types: kinds[:1]}, {Types: kinds[1:]}, {OrgID: &uuid.UUID{15: 4}}, {OrgID: &uuid.UUID{}}, {OrgID: &uuid.UUID{15: 1}, Types: kinds[:2]}, {Types: []string{"none"}},
		} {
			p.Limit = limit
			want, _ := b.walk(t, p)
			slices.Reverse(want)
			got, last := b.walkBackward(t, p)
			if positions(got) != positions(want) || last.Last.Position != 0 {
				t.Errorf("%+v: %s to %d, want %s", p, positions(got), last.Last.Position, positions(want))
			}
		}
	}
	page := b.readBackward(t, events.Params{Limit: 100, Types: []string{"none"}})
	if len(page.Events) != 0 || page.Last.Position != 53 || !page.HasMore {
		t.Errorf("a window without a match: %+v", page)
	}
}

func TestBackwardPagesHaveAMaximumSize(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.repository.WithLimits(2500, 100)
	b.write(t, 1, "org.created", 10) // each counts as about 550 bytes
	b.Exec(t, "UPDATE events SET after = jsonb_build_object('orgName', repeat('a', 5000)) WHERE id % 5 = 0")
	for _, types := range [][]string{nil, {"org.created"}} {
		seen, _ := b.walkBackward(t, events.Params{Limit: 100, Types: types})
		if got := positions(seen); got != "10 9 8 7 6 5 4 3 2 1 " {
			t.Errorf("types %v: %s", types, got)
		}
		page := b.readBackward(t, events.Params{Limit: 100, Types: types})
		if len(page.Events) > 4 || page.Bytes > 2500 && len(page.Events) > 1 {
			t.Errorf("types %v: a page of %d events in %d bytes", types, len(page.Events), page.Bytes)
		}
	}
}

// New events come before the first page, so a walk does not see them.
func TestBackwardWalkIgnoresNewEvents(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.write(t, 1, "org.created", 4)
	first := b.readBackward(t, events.Params{Limit: 2})
	b.write(t, 1, "org.updated", 2)
	rest, _ := b.walkBackward(t, events.Params{Limit: 2, Cursor: first.Cursor})
	if got := positions(slices.Concat(first.Events, rest)); got != "4 3 2 1 " {
		t.Errorf("positions %s", got)
	}
	if again := b.readBackward(t, events.Params{Limit: 3}); positions(again.Events) != "6 5 4 " {
		t.Errorf("a new walk: %s", positions(again.Events))
	}
}

// The walk ends where retention has deleted the events, also if that happens during the
// walk.
func TestBackwardWalkEndsAtDeletedEvents(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.write(t, 1, "org.created", 6)
	all, _ := b.walk(t, events.Params{Limit: 100})
	first := b.readBackward(t, events.Params{Limit: 2})
	remove := func(position int) {
		b.Exec(t, "UPDATE feeds SET removed_position = $1, removed_mark = $2", position, all[position-1].ID[:])
		b.Exec(t, "DELETE FROM events WHERE position <= $1", position)
	}
	for _, c := range []struct {
		removed int
		want    string
	}{{2, "4 3 "}, {3, "4 "}, {4, ""}, {5, ""}} {
		remove(c.removed)
		for limit := 1; limit < 5; limit++ {
			seen, last := b.walkBackward(t, events.Params{Limit: limit, Cursor: first.Cursor})
			if positions(seen) != c.want || last.Last.Position != int64(c.removed) {
				t.Errorf("%d removed, limit %d: %s to %d, want %s", c.removed, limit, positions(seen), last.Last.Position, c.want)
			}
			if rest := b.read(t, events.Params{Limit: 100, Cursor: last.Cursor}); len(rest.Events) != 6-c.removed {
				t.Errorf("%d removed: the last cursor has %d events after it", c.removed, len(rest.Events))
			}
		}
	}
}

func TestBackwardCursorsThatCannotContinue(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.write(t, 1, "org.created", 6)
	good := b.readBackward(t, events.Params{Limit: 1})
	b.Exec(t, "DELETE FROM events WHERE position = 3")
	for name, c := range map[string]struct {
		cursor string
		limit  int
		want   error
	}{
		"malformed":                         {"AAAA", 1, events.ErrInvalidCursor},
		"of another account":                {events.CursorAt(b.Account(t), good.Last), 1, events.ErrInvalidCursor},
		"of an event that is lost":          {events.CursorAt(b.account, events.Place{Position: 5}), 1, events.ErrCursorLost},
		"of an event to come":               {events.CursorAt(b.account, events.Place{Position: 7, ID: good.Last.ID}), 1, events.ErrCursorLost},
		"to a row that was deleted by hand": {good.Cursor, 2, events.ErrCursorLost},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := b.repository.ReadBackward(context.Background(), b.account, events.Params{Limit: c.limit, Cursor: c.cursor})
			if !errors.Is(err, c.want) {
				t.Errorf("got %v, want %v", err, c.want)
			}
		})
	}
}
