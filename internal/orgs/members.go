package orgs

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"orgd/internal/cursor"
	"orgd/internal/db"
	"orgd/internal/uuid"
)

// Member is a user of an organization.
type Member struct {
	UserID  string
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
func (r *Repository) AddMember(ctx context.Context, c Call, orgID uuid.UUID, match Versions, userID string) (Changed, error) {
	return r.changeMembers(ctx, c, "add member", memberRequest{orgID, userID, match}, membersChange{add: []string{userID}})
}

// RemoveMember ends the user's membership. If there is none, nothing changes. Errors:
// those of AddMember except ErrInactive.
func (r *Repository) RemoveMember(ctx context.Context, c Call, orgID uuid.UUID, match Versions, userID string) (Changed, error) {
	return r.changeMembers(ctx, c, "remove member", memberRequest{orgID, userID, match}, membersChange{remove: []string{userID}})
}

// membersChange names the users whose membership begins and ends.
type membersChange struct{ add, remove []string }

const memberChange = `
SELECT outcome, old_version
FROM org_members_change_1($1, $2, $3, $4, $5, $6, $7, $8)`

func (r *Repository) changeMembers(ctx context.Context, c Call, operation string, m memberRequest, users membersChange) (Changed, error) {
	return r.change(ctx, r.inTurn(c, m.OrgID), c, operation, m.OrgID, m, func(ctx context.Context, q db.Querier) (Org, error) {
		var made outcome
		var version *int64 // before the change
		err := q.QueryRow(ctx, memberChange, c.AccountID, m.OrgID, []int64(m.Match), users.add, users.remove,
			orNull(c.KeyID), orNull(c.UserID), c.RequestID).Scan(&made, &version)
		if err != nil {
			return Org{}, err
		}
		if made == outcomeVersion {
			return Org{Version: *version}, ErrVersion
		}
		return Org{}, made.err()
	})
}

// ListMembers returns a page of the organization's members, ordered by the time they were
// added, which is different for each of them, latest first. It makes the promises of List. Errors: ErrNotFound,
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
		sql, args = memberListNext, append(args, after.CreatedAt)
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
	UserID  *string
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
		page.Cursor = cursor.Encode(cursor.Position{CreatedAt: last.AddedAt}, p.scope(accountID))
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
// activity. It is also in migrations 00009 and 00010.
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
