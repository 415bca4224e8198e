package orgs

import (
	"context"
	"encoding/hex"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"orgd/internal/cursor"
	"orgd/internal/db"
	"orgd/internal/uuid"
)

// Member is a user of an organization.
type Member struct {
	UserID  uuid.UUID
	AddedAt time.Time
}

// MemberListParams select a page of an organization's members.
type MemberListParams struct {
	OrgID  uuid.UUID
	Limit  int    // 1 to cursor.MaxLimit
	Cursor string // MemberPage.Cursor of the previous page; empty for the first page
}

// MemberPage is one page of an organization's members.
type MemberPage struct {
	Members []Member
	Cursor  string // for the next page; empty on the last page
}

// AddMember makes the user a member. If the user is a member already, nothing changes.
// Errors: ErrNotFound, VersionError, ErrInactive, ErrInProgress, ErrKeyReused,
// ErrUnavailable.
func (r *Repository) AddMember(ctx context.Context, c Call, orgID uuid.UUID, match Versions, userID uuid.UUID) (Changed, error) {
	m := membership{memberRequest{orgID, userID, match}, memberAdd, eventMemberAdded}
	return r.change(ctx, r.inTurn(c, orgID), c, "add member", m.memberRequest, m.effect(c))
}

// RemoveMember ends the user's membership. If there is none, nothing changes. Errors:
// those of AddMember except ErrInactive.
func (r *Repository) RemoveMember(ctx context.Context, c Call, orgID uuid.UUID, match Versions, userID uuid.UUID) (Changed, error) {
	m := membership{memberRequest{orgID, userID, match}, memberRemove, eventMemberRemoved}
	return r.change(ctx, r.inTurn(c, orgID), c, "remove member", m.memberRequest, m.effect(c))
}

// membership is a change of a membership.
type membership struct {
	memberRequest
	statement, event string
}

func (m membership) effect(c Call) effect {
	return func(ctx context.Context, q db.Querier) (Org, error) {
		rows, err := q.Query(ctx, m.statement, c.AccountID, m.OrgID, m.UserID,
			m.event, orNull(c.KeyID), orNull(c.UserID), c.RequestID, "usr_"+hex.EncodeToString(m.UserID[:]), turnOf(c.AccountID, m.OrgID), []int64(m.Match))
		if err != nil {
			return Org{}, err
		}
		found, err := pgx.CollectRows(rows, pgx.RowToStructByPos[joined])
		switch {
		case err != nil:
			return Org{}, err
		case len(found) == 0:
			return Org{}, ErrNotFound
		case !m.Match.has(found[0].Version):
			return Org{Version: found[0].Version}, ErrVersion
		case found[0].OK == nil: // the statement waited, and its snapshot is too old
			return m.effect(c)(ctx, q)
		case !*found[0].OK:
			return Org{}, ErrInactive
		}
		return Org{}, nil
	}
}

// joined is the row that memberAdd and memberRemove return.
type joined struct {
	Version int64 // before the change
	OK      *bool // false: deactivated, and the user is not a member; nil: unknown
}

// ListMembers returns a page of the organization's members, ordered by the time they were
// added and then by id, latest first. It makes the promises of List. Errors: ErrNotFound,
// ErrInvalidCursor, ErrUnavailable.
func (r *Repository) ListMembers(ctx context.Context, accountID uuid.UUID, p MemberListParams) (MemberPage, error) {
	if p.Limit < 1 || p.Limit > cursor.MaxLimit {
		return MemberPage{}, fmt.Errorf("orgs: limit %d is not from 1 to %d", p.Limit, cursor.MaxLimit)
	}
	sql, args := memberList, []any{accountID, p.OrgID, p.Limit + 1}
	if p.Cursor != "" {
		after, err := cursor.Decode(p.Cursor, p.scope(accountID))
		if err != nil {
			return MemberPage{}, ErrInvalidCursor
		}
		sql, args = memberListNext, append(args, after.CreatedAt, after.ID)
	}
	var found []foundMember
	err := r.db.For(accountID).Read(ctx, func(ctx context.Context, q db.Querier) error {
		rows, err := q.Query(ctx, sql, args...)
		if err != nil {
			return err
		}
		found, err = pgx.CollectRows(rows, pgx.RowToStructByPos[foundMember])
		return err
	})
	if err != nil {
		return MemberPage{}, fmt.Errorf("list members: %w", err)
	}
	if len(found) == 0 {
		return MemberPage{}, fmt.Errorf("list members: %w", ErrNotFound)
	}
	return newMemberPage(found, p, accountID), nil
}

// foundMember is empty if the organization has no members.
type foundMember struct {
	UserID  *uuid.UUID
	AddedAt *time.Time
}

func newMemberPage(found []foundMember, p MemberListParams, accountID uuid.UUID) MemberPage {
	var page MemberPage
	for _, f := range found[:min(len(found), p.Limit)] {
		if f.UserID != nil {
			page.Members = append(page.Members, Member{UserID: *f.UserID, AddedAt: *f.AddedAt})
		}
	}
	if len(found) > p.Limit {
		last := page.Members[p.Limit-1]
		page.Cursor = cursor.Encode(cursor.Position{CreatedAt: last.AddedAt, ID: last.UserID}, p.scope(accountID))
	}
	return page
}

func (p MemberListParams) scope(accountID uuid.UUID) []byte {
	scope := append([]byte("org_members\x00"), accountID[:]...)
	return append(scope, p.OrgID[:]...)
}

// The values of org_members.org_activity, which says whether the organization is active.
// With this column a user's active or deactivated organizations are one range of an index,
// without a look-up of each organization.
const (
	activityAsk = -1 // unknown here; read the organization. It is large, or an older release wrote the row
	activityNo  = 0
	activityYes = 1
)

// maxFollowed is the largest number of members whose rows change with the organization's
// activity. It is also in memberAdd (which compares the count before the change) and in
// migrations 00014 and 00015.
const maxFollowed = 1000

// ActivityOfMembers returns the org_activity of every member of an organization that has
// userCount members.
func ActivityOfMembers(userCount int64, isActive bool) int16 {
	switch {
	case userCount > maxFollowed:
		return activityAsk
	case isActive:
		return activityYes
	}
	return activityNo
}
