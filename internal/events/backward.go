package events

import (
	"cmp"
	"context"
	"errors"
	"fmt"

	"orgd/internal/db"
	"orgd/internal/uuid"
)

// ReadBackward returns the events up to a cursor, newest first. Its cursors are those of
// Read: a cursor is a place in the feed, Read returns the events after it, and
// ReadBackward those before it. Without a cursor or with Now, it begins at the end of the
// feed, and gives positions to new events first. It ignores After.
//
// In the page, Last and Cursor are the place where the next page begins, and HasMore
// means that there are events before it. If retention has deleted all of them, the page is
// empty. Events whose rows were deleted by hand are left out. Errors: ErrInvalidCursor,
// ErrCursorLost, ErrBacklog without a cursor or with Now, ErrUnavailable.
func (r *Repository) ReadBackward(ctx context.Context, accountID uuid.UUID, p Params) (Page, error) {
	if err := checkLimit(p.Limit); err != nil {
		return Page{}, err
	}
	page, err := r.readBackward(ctx, accountID, p)
	if err != nil {
		return Page{}, fmt.Errorf("read events backward: %w", err)
	}
	page.Cursor = CursorAt(accountID, page.Last)
	return page, nil
}

func (r *Repository) readBackward(ctx context.Context, accountID uuid.UUID, p Params) (Page, error) {
	if p.Cursor == "" || p.Cursor == Now {
		return r.readNewest(ctx, accountID, p)
	}
	from, err := parseCursor(accountID, p.Cursor)
	if err != nil {
		return Page{}, err
	}
	return r.readBefore(ctx, accountID, from, p)
}

// readNewest reads from the end of the feed. If the last event is lost in a failover during
// the call, readNewest tries again.
func (r *Repository) readNewest(ctx context.Context, accountID uuid.UUID, p Params) (page Page, err error) {
	for range 3 {
		end, err := r.present(ctx, accountID)
		if err != nil {
			return Page{}, err
		}
		if page, err = r.readBefore(ctx, accountID, end.Last, p); !errors.Is(err, ErrCursorLost) {
			return page, err
		}
	}
	return Page{}, ErrCursorLost
}

func (r *Repository) readBefore(ctx context.Context, accountID uuid.UUID, from Place, p Params) (page Page, err error) {
	err = r.db.For(accountID).Read(ctx, func(ctx context.Context, q db.Querier) error {
		at, err := stateAt(ctx, q, accountID, from.Position)
		if err != nil {
			return err
		}
		page = Page{Last: at.removed}
		switch err := at.check(from); {
		case errors.Is(err, ErrCursorExpired):
			return nil // all events before the cursor are deleted
		case err != nil:
			return err
		}
		w := backwardWindow{Params: p, accountID: accountID, from: from, end: max(at.removed.Position, from.Position-r.windowSize(p))}
		found, err := w.read(ctx, q, &page, cmp.Or(p.MaxBytes, r.page))
		if err != nil || found {
			return err
		}
		// There is no event at the end of the window: the feed begins there, or retention has
		// deleted the event, perhaps during this call.
		if at, err = stateAt(ctx, q, accountID, w.end); err == nil && at.removed.Position < w.end {
			err = ErrCursorLost // the row was deleted by hand
		}
		page.Last = at.removed
		return err
	})
	if err != nil {
		return Page{}, err
	}
	return page, nil
}

// backwardWindow is the part of the feed that a call of ReadBackward looks at: the
// positions from from.Position down to end, excluding end. The event at end is where the
// next call continues.
type backwardWindow struct {
	Params
	accountID uuid.UUID
	from      Place
	end       int64
}

// eventWindowBackward is eventWindow in the other direction.
var eventWindowBackward = bounded(`
        SELECT `+pageColumns+`
        FROM (
            SELECT `+eventColumns+`
            FROM events
            WHERE account_id = $1 AND position <= $2 AND position >= $3
            ORDER BY position DESC
            LIMIT $2::bigint - $3::bigint + 1
        ) AS seen
        WHERE (cardinality($4::text[]) = 0 OR type = ANY ($4)) AND ($5::uuid IS NULL OR org_id = $5) OR position = $3
        ORDER BY position DESC
        LIMIT $6`, "position DESC", "$7")

// read fills the page. found reports whether it found the place where the next call
// continues: the event at the end of the window, or the first one that does not fit.
func (w backwardWindow) read(ctx context.Context, q db.Querier, page *Page, maxBytes int) (found bool, err error) {
	rows, err := w.query(ctx, q, eventWindowBackward, w.accountID, w.from.Position, w.end, maxBytes)
	if err != nil {
		return false, err
	}
	f := filling{limit: w.Limit, maxBytes: maxBytes}
	err = readEvents(rows, w.accountID, func(e *Event) (more bool, err error) {
		if found = e.Position == w.end || !f.add(e); found {
			page.Last, page.HasMore = e.At(), true
		}
		return !found, nil
	})
	page.Events, page.Bytes = f.events, f.bytes
	return found, err
}
