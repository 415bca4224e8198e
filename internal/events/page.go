package events

import (
	"fmt"

	"github.com/jackc/pgx/v5"

	"orgd/internal/cursor"
	"orgd/internal/uuid"
)

func checkLimit(limit int) error {
	if limit < 1 || limit > cursor.MaxLimit {
		return fmt.Errorf("events: limit %d is not from 1 to %d", limit, cursor.MaxLimit)
	}
	return nil
}

// pageColumns are eventColumns with the contents as text, whose length bounded adds up.
const pageColumns = `id, position, type, org_id, user_id, api_key_id, webhook_id, occurred_at, ` +
	`actor_api_key_id, actor_user_id, request_id, before::text AS before, after::text AS after`

// bounded wraps a query of pageColumns in a statement that returns the rows in the given
// order, up to a size. It leaves out a row if the contents of the rows before it, not
// counting the one directly before it, already reach the size. The result therefore has at
// least one row more than fits on a page of this size, if the query has one. The query
// needs a LIMIT. Without it, PostgreSQL would convert the contents to text twice.
func bounded(query, order, size string) string {
	return `
SELECT ` + eventColumns + `
FROM (
    SELECT ` + eventColumns + `,
        sum(octet_length(before) + octet_length(after)) OVER (
            ORDER BY ` + order + ` ROWS BETWEEN UNBOUNDED PRECEDING AND 2 PRECEDING
        ) AS ahead
    FROM (` + query + `) AS page
) AS sized
WHERE ahead IS NULL OR ahead < ` + size + `
ORDER BY ` + order
}

// readEvents calls use for each row of eventColumns, until use returns false or an error.
func readEvents(rows pgx.Rows, accountID uuid.UUID, use func(*Event) (more bool, err error)) error {
	defer rows.Close()
	scan := scanEvent(accountID)
	for rows.Next() {
		e, err := scan(rows)
		if err != nil {
			return err
		}
		more, err := use(&e)
		if err != nil {
			return err
		}
		if !more {
			break
		}
	}
	rows.Close() // reads the remaining rows, which may report an error
	return rows.Err()
}

// filling is a page that is being filled.
type filling struct {
	limit, maxBytes int
	events          []Event
	bytes           int
}

// add adds an event to the page, unless the page is full. The first event always fits.
func (f *filling) add(e *Event) (added bool) {
	size := e.encodedSize()
	if len(f.events) == f.limit || len(f.events) > 0 && f.bytes+size > f.maxBytes {
		return false
	}
	f.bytes += size
	f.events = append(f.events, *e)
	return true
}
