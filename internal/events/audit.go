package events

import (
	"context"
	"errors"
	"fmt"
	"math"

	"orgd/internal/db"
	"orgd/internal/uuid"
)

// ErrNotFound means that the account has no organization or API key with this id, and no
// event about one.
var ErrNotFound = errors.New("events: no such organization or API key")

// ListParams select a page of the events about one organization or API key.
type ListParams struct {
	Limit  int    // 1 to cursor.MaxLimit
	Cursor string // ListPage.Cursor of the previous page; empty for the first page
}

// ListPage is one page of the events about an organization or an API key, newest first.
type ListPage struct {
	Events []Event
	Cursor string // for the next page; empty on the last page
	Bytes  int    // an upper bound for the size of the events in JSON
}

// ListOfOrg returns a page of the events about an organization. A deleted organization
// has a list for as long as any of its events are kept. The position of an event is 0 if
// nobody has read the feed since it was written. Errors: ErrNotFound, ErrInvalidCursor,
// ErrUnavailable.
func (r *Repository) ListOfOrg(ctx context.Context, accountID, orgID uuid.UUID, p ListParams) (ListPage, error) {
	return r.list(ctx, subject{accountID, orgID, "org_events\x00", orgEventList, orgExists}, p)
}

// ListOfAPIKey is ListOfOrg for the events about an API key. Events that the key caused
// are not included.
func (r *Repository) ListOfAPIKey(ctx context.Context, accountID, keyID uuid.UUID, p ListParams) (ListPage, error) {
	return r.list(ctx, subject{accountID, keyID, "api_key_events\x00", apiKeyEventList, apiKeyExists}, p)
}

// subject is the organization or the API key that a list is about.
type subject struct {
	accountID, id uuid.UUID
	name          string
	list, exists  string // statements
}

func (s subject) scope() []byte {
	return append(append([]byte(s.name), s.accountID[:]...), s.id[:]...)
}

// The conditions select one organization or key without comparing its id with =. Only the
// index that begins with this id then has the order of the list. With =, the primary key
// would have that order too, and the planner could scan all events of the account.
var (
	orgEventList = bounded(`
        SELECT `+pageColumns+`
        FROM events
        WHERE account_id = $1 AND org_id >= $2 AND (org_id, id) < ($2, $3)
        ORDER BY org_id DESC, id DESC
        LIMIT $4`, "org_id DESC, id DESC", "$5")

	apiKeyEventList = bounded(`
        SELECT `+pageColumns+`
        FROM events
        WHERE account_id = $1 AND api_key_id >= $2 AND (api_key_id, id) < ($2, $3)
        ORDER BY api_key_id DESC, id DESC
        LIMIT $4`, "api_key_id DESC, id DESC", "$5")
)

const (
	orgExists = `
SELECT EXISTS (SELECT FROM orgs WHERE account_id = $1 AND org_id = $2)`

	apiKeyExists = `
SELECT EXISTS (SELECT FROM api_keys WHERE account_id = $1 AND id = $2)`
)

// list returns the page after the cursor. The row ids of the events of one organization
// or key ascend in commit order, because its changes run one at a time. A new event
// therefore comes before the first page, and never between two pages.
func (r *Repository) list(ctx context.Context, s subject, p ListParams) (page ListPage, err error) {
	if err := checkLimit(p.Limit); err != nil {
		return ListPage{}, err
	}
	before := int64(math.MaxInt64)
	if p.Cursor != "" {
		if before, err = openRow(s.accountID, p.Cursor, s.scope()); err != nil {
			return ListPage{}, err
		}
	}
	more := false
	err = r.db.For(s.accountID).Read(ctx, func(ctx context.Context, q db.Querier) (err error) {
		if page, more, err = s.read(ctx, q, before, p.Limit, r.page); err != nil {
			return err
		}
		if len(page.Events) == 0 && p.Cursor == "" {
			return s.find(ctx, q)
		}
		return nil
	})
	if err != nil {
		return ListPage{}, fmt.Errorf("list events: %w", err)
	}
	if more {
		page.Cursor = sealRow(s.accountID, page.Events[len(page.Events)-1].Row, s.scope())
	}
	return page, nil
}

func (s subject) read(ctx context.Context, q db.Querier, before int64, limit, maxBytes int) (page ListPage, more bool, err error) {
	rows, err := q.Query(ctx, s.list, s.accountID, s.id, before, limit+1, maxBytes)
	if err != nil {
		return ListPage{}, false, err
	}
	f := filling{limit: limit, maxBytes: maxBytes}
	err = readEvents(rows, s.accountID, func(e *Event) (bool, error) {
		more = !f.add(e)
		return !more, nil
	})
	return ListPage{Events: f.events, Bytes: f.bytes}, more, err
}

// find returns ErrNotFound if the organization or the key does not exist.
func (s subject) find(ctx context.Context, q db.Querier) error {
	exists := false
	err := q.QueryRow(ctx, s.exists, s.accountID, s.id).Scan(&exists)
	if err == nil && !exists {
		err = ErrNotFound
	}
	return err
}
