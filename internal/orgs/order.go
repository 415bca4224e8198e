package orgs

import (
	"fmt"
	"time"
	"unicode/utf8"

	"orgd/internal/cursor"
	"orgd/internal/uuid"
)

// Order is the order of a list of organizations. Organizations with the same time or name
// are ordered by id, in the same direction.
type Order int

// The orders. By name means by the folded name (see Fold), compared byte by byte, so that
// the order does not depend on the database's locale. Names that have the same first
// cursor.MaxName bytes count as equal.
const (
	NewestFirst Order = iota
	OldestFirst
	ByName
	ByNameDescending
)

func (o Order) byName() bool { return o == ByName || o == ByNameDescending }

func (o Order) descending() bool { return o == NewestFirst || o == ByNameDescending }

// position is the place of an organization in a list: its creation time or its name,
// depending on the order, and its id.
type position struct {
	createdAt time.Time
	name      string // see nameKey
	id        uuid.UUID
}

// positionOf returns the place of an organization that was found. The name key comes from
// the database, because another release may have folded the name differently.
func (p ListParams) positionOf(found collected, i int) position {
	o := &found.orgs[i]
	if p.Order.byName() {
		return position{name: found.keys[i], id: o.ID}
	}
	return position{createdAt: o.CreatedAt, id: o.ID}
}

// encode returns the cursor for a position.
func (p ListParams) encode(at position, accountID uuid.UUID) string {
	if p.Order.byName() {
		return cursor.EncodeName(cursor.NamePosition{Name: at.name, ID: at.id}, p.scope(accountID))
	}
	return cursor.Encode(cursor.Position{CreatedAt: at.createdAt, ID: at.id}, p.scope(accountID))
}

// decode returns the position of a cursor. Errors: ErrInvalidCursor.
func (p ListParams) decode(token string, accountID uuid.UUID) (at position, err error) {
	if p.Order.byName() {
		var named cursor.NamePosition
		named, err = cursor.DecodeName(token, p.scope(accountID))
		at = position{name: named.Name, id: named.ID}
	} else {
		var timed cursor.Position
		timed, err = cursor.Decode(token, p.scope(accountID))
		at = position{createdAt: timed.CreatedAt, id: timed.ID}
	}
	if err != nil {
		return position{}, ErrInvalidCursor
	}
	return at, nil
}

// nameKey returns the beginning of a folded name by which organizations are ordered, as
// org_name_key does in the database. It fits into a cursor.
func nameKey(folded string) string {
	if len(folded) <= cursor.MaxName {
		return folded
	}
	end := cursor.MaxName
	for !utf8.RuneStart(folded[end]) {
		end--
	}
	return folded[:end]
}

// nameKeyColumn is the expression in orgs_by_name. Each use must have the same text, or the
// planner does not recognize it.
const nameKeyColumn = `org_name_key(org_name_folded) COLLATE "C"`

// past returns the condition for the rows after the cursor in the direction of the walk, or
// nothing for the first page. key is the column of the order. One statement for the first
// and the later pages, with "$1 IS NULL OR …", would filter rows instead of seeking in the
// index. The seek also needs the columns in the order of the index.
func (s *statement) past(q listQuery, key string) string {
	if q.from == nil {
		return ""
	}
	var at any = q.from.createdAt
	if q.Order.byName() {
		at = q.from.name
	}
	return fmt.Sprintf(" AND (%s, org_id) %s (%s, %s)", key, operator(q.descending()), s.bind(at), s.bind(q.from.id))
}

// order returns the ORDER BY clause of the walk.
func (l listQuery) order(key string) string {
	if l.descending() {
		return "ORDER BY " + key + " DESC, org_id DESC"
	}
	return "ORDER BY " + key + ", org_id"
}

// orgKey returns the column of the table orgs by which the list is ordered.
func (l listQuery) orgKey() string {
	if l.Order.byName() {
		return nameKeyColumn
	}
	return "created_at"
}

// resultKey is orgKey for the result of a subquery.
func (l listQuery) resultKey() string {
	if l.Order.byName() {
		return "name_key"
	}
	return "created_at"
}

// operator returns the comparison that selects the rows after a position.
func operator(descending bool) string {
	if descending {
		return "<"
	}
	return ">"
}
