package events_test

import (
	"context"
	"errors"
	"testing"

	"orgd/internal/events"
)

func TestPlaceAt(t *testing.T) {
	t.Parallel()
	b := setup(t)
	at := func(position *int64) (events.Place, events.Kept, error) {
		return b.repository.PlaceAt(context.Background(), b.account, position)
	}
	for _, position := range []*int64{nil, new(int64(0))} {
		if p, k, err := at(position); err != nil || p != (events.Place{}) || k != (events.Kept{}) {
			t.Errorf("of an empty feed: %+v %+v %v", p, k, err)
		}
	}
	b.writeAged(t, b.account, keepDays+1, 3)
	b.writeAged(t, b.account, 0, 2)
	seen, last := b.walk(t, events.Params{Limit: 10})
	if p, _, err := at(new(int64(0))); err != nil || p != (events.Place{}) {
		t.Errorf("the beginning: %+v %v", p, err)
	}
	retain(t, events.NewRetention(b.Conns, keep))
	for position, want := range []error{events.ErrCursorExpired, events.ErrCursorExpired, events.ErrCursorExpired, nil, nil, nil, events.ErrCursorLost} {
		p, k, err := at(new(int64(position)))
		if !errors.Is(err, want) || k != (events.Kept{Removed: 3, Last: 5}) || err == nil && p != seen[position-1].At() {
			t.Errorf("%d: %+v %+v %v", position, p, k, err)
		}
	}
	if p, _, err := at(nil); err != nil || p != seen[2].At() {
		t.Errorf("without a position: %+v %v", p, err)
	}
	if p, _, err := at(new(int64(5))); err != nil || p != last.Last {
		t.Errorf("the end: %+v %v", p, err)
	}
}
