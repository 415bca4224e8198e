package orgs

import (
	"context"
	"encoding/binary"
	"errors"
	"strings"
	"time"

	"orgd/internal/cursor"
	"orgd/internal/db"
	"orgd/internal/uuid"
)

// MemberOrder is the order of a list of members. No two members of an organization have
// the same time.
type MemberOrder int

// The orders. User ids are compared byte by byte.
const (
	LatestFirst MemberOrder = iota
	EarliestFirst
	ByUserID
)

// descending reports whether the walk goes to earlier times or smaller ids.
func (m memberQuery) descending() bool { return (m.Order == LatestFirst) != (m.Before != "") }

// memberPosition is the place of a member in a list.
type memberPosition struct {
	addedAt time.Time
	userID  string
	isCut   bool // userID has only the first cursor.MaxName bytes of the id
}

// encode returns the cursor for the place of a member. A user id may be too long for the
// name of a cursor.NamePosition. The cursor then has the beginning of the user id as its
// name, and the time at which the member was added as its id.
func (p MemberListParams) encode(m Member, accountID uuid.UUID) string {
	if p.Order != ByUserID {
		return cursor.Encode(cursor.Position{CreatedAt: m.AddedAt}, p.scope(accountID))
	}
	at := cursor.NamePosition{Name: nameKey(m.UserID)}
	if len(at.Name) < len(m.UserID) {
		at.ID = cutID(m.AddedAt)
	}
	return cursor.EncodeName(at, p.scope(accountID))
}

// cutID returns the id in the cursor for a user id that is cut: the time in microseconds,
// and a mark.
func cutID(addedAt time.Time) (id [16]byte) {
	binary.BigEndian.PutUint64(id[:], uint64(addedAt.UnixMicro()))
	id[15] = 1
	return id
}

// decode returns the position of a cursor. Errors: ErrInvalidCursor.
func (p MemberListParams) decode(token string, accountID uuid.UUID) (memberPosition, error) {
	if p.Order != ByUserID {
		at, err := cursor.Decode(token, p.scope(accountID))
		if err != nil {
			return memberPosition{}, ErrInvalidCursor
		}
		return memberPosition{addedAt: at.CreatedAt}, nil
	}
	at, err := cursor.DecodeName(token, p.scope(accountID))
	if err != nil {
		return memberPosition{}, ErrInvalidCursor
	}
	micros := int64(binary.BigEndian.Uint64(at.ID[:]))
	addedAt := time.UnixMicro(micros).UTC()
	isCut := at.ID[15] == 1
	// encode makes no other ids. A forged id may have a time that PostgreSQL rejects.
	if addedAt.Year() < 1 || addedAt.Year() > 9999 || at.ID != cutID(addedAt) && (isCut || at.ID != [16]byte{}) {
		return memberPosition{}, ErrInvalidCursor
	}
	return memberPosition{userID: at.Name, addedAt: addedAt, isCut: isCut}, nil
}

// resolve replaces the beginning of a user id with the whole id. If the member has been
// removed since, the walk continues at the first user id, in its direction, that has this
// beginning. It may then return other members with this beginning again.
func (m memberQuery) resolve(ctx context.Context, q db.Querier) (memberPosition, error) {
	at := *m.from
	var whole string
	err := q.QueryRow(ctx, "SELECT user_id FROM org_members WHERE account_id = $1 AND org_id = $2 AND added_at = $3 AND added_at > '-infinity'",
		m.accountID, m.OrgID, at.addedAt).Scan(&whole)
	switch {
	case errors.Is(err, db.ErrNoRows) || err == nil && !strings.HasPrefix(whole, at.userID):
		if m.descending() {
			at.userID += strings.Repeat("\U0010FFFF", MaxUserID) // no id with this beginning is greater
		}
		return at, nil
	case err != nil:
		return memberPosition{}, err
	}
	at.userID = whole
	return at, nil
}
