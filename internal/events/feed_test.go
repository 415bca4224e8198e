package events_test

import (
	"testing"

	"orgd/internal/events"
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
