package events

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"orgd/internal/cursor"
	"orgd/internal/db"
	"orgd/internal/uuid"
)

const (
	// MaxPageBytes is the maximum size of a page in JSON. A page has at least one event,
	// however large it is.
	MaxPageBytes = 1 << 20
	// MaxTypes is the maximum number of types in a filter.
	MaxTypes = 50
	// maxScan is how many events a call with a filter looks at, so that a filter that
	// matches nothing is not expensive.
	maxScan = 5000
)

// Now is the cursor for the current end of the feed. Reading continues with the next event.
const Now = "now"

// Params select a part of an account's feed.
type Params struct {
	Limit int // 1 to cursor.MaxLimit

	// Cursor is the Page.Cursor of the previous page, or Now. If it is empty, the feed
	// begins with the oldest event that is kept.
	Cursor string
	// After is used instead of Cursor, by readers that store a Place.
	After *Place

	Types []string   // only events of these types; empty for all
	OrgID *uuid.UUID // only events about this organization; nil for all

	MaxBytes int // the maximum size of the page in JSON; 0 for MaxPageBytes
}

// Place is a place in an account's feed: after the event at the position. The id detects
// a database that was restored to a state without that event. The zero Place is the
// beginning of the feed, before any event was deleted.
type Place struct {
	Position int64
	ID       ID
}

// Page is a part of an account's feed, oldest first. ReadBackward says what the fields mean
// in its pages, which are newest first.
type Page struct {
	Events  []Event
	Last    Place  // all events up to here have been returned, or do not pass the filter
	Cursor  string // of Last
	HasMore bool   // there are events after Last, but perhaps none that pass the filter
	Bytes   int    // an upper bound for the size of the events in JSON
}

// CursorAt returns the cursor of a place in the account's feed.
func CursorAt(accountID uuid.UUID, p Place) string {
	return cursor.Encode(cursor.Position{CreatedAt: time.UnixMicro(p.Position), ID: p.ID}, scope(accountID))
}

// At returns the place after the event.
func (e *Event) At() Place { return Place{Position: e.Position, ID: e.ID} }

func parseCursor(accountID uuid.UUID, token string) (Place, error) {
	at, err := cursor.Decode(token, scope(accountID))
	if err != nil || at.CreatedAt.UnixMicro() < 0 {
		return Place{}, ErrInvalidCursor
	}
	return Place{Position: at.CreatedAt.UnixMicro(), ID: at.ID}, nil
}

// scope does not contain the filters: a cursor is a place in the whole feed, whichever
// events were left out before it.
func scope(accountID uuid.UUID) []byte { return append([]byte("events\x00"), accountID[:]...) }

// Read returns the events after a cursor. It gives positions to new events first. Errors:
// ErrInvalidCursor, ErrCursorExpired, ErrCursorLost, ErrBacklog with Now, ErrUnavailable.
func (r *Repository) Read(ctx context.Context, accountID uuid.UUID, p Params) (Page, error) {
	if err := checkLimit(p.Limit); err != nil {
		return Page{}, err
	}
	page, err := r.read(ctx, accountID, p)
	if err != nil {
		return Page{}, fmt.Errorf("read events: %w", err)
	}
	page.Cursor = CursorAt(accountID, page.Last)
	return page, nil
}

func (r *Repository) read(ctx context.Context, accountID uuid.UUID, p Params) (Page, error) {
	switch {
	case p.After != nil:
		return r.readAfter(ctx, accountID, *p.After, p)
	case p.Cursor == Now:
		return r.present(ctx, accountID)
	case p.Cursor == "":
		return r.readOldest(ctx, accountID, p)
	}
	after, err := parseCursor(accountID, p.Cursor)
	if err != nil {
		return Page{}, err
	}
	return r.readAfter(ctx, accountID, after, p)
}

// present returns an empty page at the end of the feed. If the last event is deleted
// because of its age during the call, or lost in a failover, present tries again.
func (r *Repository) present(ctx context.Context, accountID uuid.UUID) (Page, error) {
	for range 3 {
		last, err := r.NumberAll(ctx, accountID)
		if err != nil {
			return Page{}, err
		}
		at, err := r.state(ctx, accountID, last)
		if err != nil || at.place.Position == last {
			return Page{Last: at.place}, err
		}
	}
	return Page{}, ErrCursorLost // the last row was deleted by hand
}

// readOldest reads from the oldest event that is kept. If that event is deleted during
// the call, readOldest tries again.
func (r *Repository) readOldest(ctx context.Context, accountID uuid.UUID, p Params) (page Page, err error) {
	for range 3 {
		at, err := r.state(ctx, accountID, 0)
		if err != nil {
			return Page{}, err
		}
		if page, err = r.readAfter(ctx, accountID, at.removed, p); !errors.Is(err, ErrCursorExpired) && !errors.Is(err, ErrCursorLost) {
			return page, err
		}
	}
	return page, err
}

func (r *Repository) readAfter(ctx context.Context, accountID uuid.UUID, after Place, p Params) (page Page, err error) {
	last, more, err := r.Number(ctx, accountID)
	if err != nil {
		return Page{}, err
	}
	var at feedState
	err = r.db.For(accountID).Read(ctx, func(ctx context.Context, q db.Querier) (err error) {
		w := window{Params: p, accountID: accountID, after: after, end: min(last, after.Position+r.windowSize(p))}
		if page, err = w.read(ctx, q, cmp.Or(p.MaxBytes, r.page)); err != nil {
			return err
		}
		// Check after reading the page: if nothing after the place is deleted now,
		// nothing was missing in the page.
		if at, err = stateAt(ctx, q, accountID, after.Position); err != nil {
			return err
		}
		return at.check(after)
	})
	if err != nil {
		return Page{}, err
	}
	// If a failover happened in between, the new primary may lack some of the positions.
	last = min(last, at.last)
	if page.Last == after && after.Position < last {
		return Page{}, ErrCursorExpired // all rows of the window were deleted by hand
	}
	page.HasMore = more || page.Last.Position < last
	return page, nil
}

// windowSize returns how many positions a call looks at.
func (r *Repository) windowSize(p Params) int64 {
	if p.isFiltered() {
		return int64(r.scan)
	}
	return int64(p.Limit)
}

func (p Params) isFiltered() bool { return len(p.Types) > 0 || p.OrgID != nil }

// query runs eventWindow or eventWindowBackward.
func (p Params) query(ctx context.Context, q db.Querier, sql string, accountID uuid.UUID, from, end int64, maxBytes int) (pgx.Rows, error) {
	types := p.Types
	if types == nil {
		types = []string{} // and not NULL
	}
	return q.Query(ctx, sql, accountID, from, end, types, p.OrgID, p.Limit+1, maxBytes)
}

func (p Params) passes(e *Event) bool {
	return (len(p.Types) == 0 || slices.Contains(p.Types, e.Type)) && (p.OrgID == nil || *p.OrgID == e.OrgID && e.OrgID != uuid.UUID{})
}

// window is the part of the feed that a call looks at: the positions greater than that of
// after, up to end.
type window struct {
	Params
	accountID uuid.UUID
	after     Place
	end       int64
}

// eventWindow reads the events of the window that pass the filter, and the last event of
// the window, where the next call continues. The LIMIT of the subquery makes PostgreSQL
// find the window by position. Otherwise it could look for rare events through another
// index, and would have to read all events of the organization.
var eventWindow = bounded(`
        SELECT `+pageColumns+`
        FROM (
            SELECT `+eventColumns+`
            FROM events
            WHERE account_id = $1 AND position > $2 AND position <= $3
            ORDER BY position
            LIMIT $3::bigint - $2::bigint
        ) AS seen
        WHERE (cardinality($4::text[]) = 0 OR type = ANY ($4)) AND ($5::uuid IS NULL OR org_id = $5) OR position = $3
        ORDER BY position
        LIMIT $6`, "position", "$7")

func (w window) read(ctx context.Context, q db.Querier, maxBytes int) (page Page, err error) {
	page.Last = w.after
	if w.end <= w.after.Position {
		return page, nil
	}
	rows, err := w.query(ctx, q, eventWindow, w.accountID, w.after.Position, w.end, maxBytes)
	if err != nil {
		return Page{}, err
	}
	f := filling{limit: w.Limit, maxBytes: maxBytes}
	err = readEvents(rows, w.accountID, func(e *Event) (more bool, err error) {
		if !w.isFiltered() && e.Position != page.Last.Position+1 {
			return false, ErrCursorExpired // rows were deleted, by retention or by hand
		}
		if w.passes(e) && !f.add(e) {
			return false, nil
		}
		page.Last = e.At()
		return true, nil
	})
	if err != nil {
		return Page{}, err
	}
	page.Events, page.Bytes = f.events, f.bytes
	return page, nil
}

// feedState is what a call with a cursor needs to know about an account's feed.
type feedState struct {
	last    int64
	removed Place // the newest event that retention has deleted
	place   Place // the event at the position of the cursor; zero if there is none
}

// feedAt returns one row, even for an account whose events have no positions yet.
const feedAt = `
SELECT coalesce(last_position, 0), coalesce(removed_position, 0), removed_mark, id, occurred_at
FROM (SELECT $1::uuid AS account_id) AS asked
LEFT JOIN feeds USING (account_id)
LEFT JOIN (SELECT account_id, id, occurred_at FROM events WHERE account_id = $1 AND position = $2) AS found USING (account_id)`

func (r *Repository) state(ctx context.Context, accountID uuid.UUID, position int64) (at feedState, err error) {
	err = r.db.For(accountID).Read(ctx, func(ctx context.Context, q db.Querier) (err error) {
		at, err = stateAt(ctx, q, accountID, position)
		return err
	})
	return at, err
}

func stateAt(ctx context.Context, q db.Querier, accountID uuid.UUID, position int64) (at feedState, err error) {
	var mark []byte
	var row *int64
	var occurredAt *time.Time
	err = q.QueryRow(ctx, feedAt, accountID, position).Scan(&at.last, &at.removed.Position, &mark, &row, &occurredAt)
	if err != nil {
		return feedState{}, err
	}
	copy(at.removed.ID[:], mark)
	switch {
	case row != nil:
		at.place = Place{Position: position, ID: newID(accountID, *row, *occurredAt)}
	case position == at.removed.Position:
		at.place = at.removed
	}
	return at, nil
}

// check returns an error if the feed cannot continue at the place, because events after
// the place have been deleted, or the event at the place is lost.
func (at feedState) check(after Place) error {
	switch {
	case after.Position < at.removed.Position: // checked first: at position 0 there is no event, so the next case would match
		return ErrCursorExpired
	case at.place == after:
		return nil
	}
	return ErrCursorLost
}
