package orgs

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"orgd/internal/db"
	"orgd/internal/uuid"
)

// Member is a member of an organization.
type Member struct {
	UserID  string
	Roles   []string // sorted; orgd gives them no meaning
	AddedAt time.Time
}

// NewMember is a user to add as a member, or a member whose roles are to be set.
type NewMember struct {
	UserID string
	Roles  *[]string // nil keeps the roles of a member, and gives a new member none
}

// MembersChange lists the users to add or to update, and the users to remove. No user is
// in the change twice.
type MembersChange struct {
	Add    []NewMember
	Remove []string
}

// MembersChanged counts the users that a MembersChange added, removed, gave other roles,
// and left unchanged.
type MembersChanged struct {
	Added, Removed, Updated, Unchanged int

	UserCount int32 // of the organization afterwards
	Replayed  bool  // see Changed
}

// AddMember makes the user a member. If the user is a member already, nothing changes.
// Errors: ErrNotFound, VersionError, ErrInactive, ErrInProgress, ErrKeyReused,
// ErrUnavailable.
func (r *Repository) AddMember(ctx context.Context, c Call, orgID uuid.UUID, match Versions, userID string) (Changed, error) {
	return r.changeMember(ctx, c, "add member", memberRequest{orgID, userID, match}, MembersChange{Add: []NewMember{{UserID: userID}}})
}

// RemoveMember ends the user's membership. If there is none, nothing changes. Errors:
// those of AddMember except ErrInactive.
func (r *Repository) RemoveMember(ctx context.Context, c Call, orgID uuid.UUID, match Versions, userID string) (Changed, error) {
	return r.changeMember(ctx, c, "remove member", memberRequest{orgID, userID, match}, MembersChange{Remove: []string{userID}})
}

func (r *Repository) changeMember(ctx context.Context, c Call, operation string, m memberRequest, users MembersChange) (Changed, error) {
	return r.change(ctx, r.inTurn(c, m.OrgID), c, operation, m.OrgID, m, func(ctx context.Context, q db.Querier) (Org, error) {
		made, err := users.run(ctx, q, c, m.OrgID, m.Match)
		return Org{Version: made.conflicting}, err
	})
}

// PutMember makes the user a member, or sets the member's roles. It reports whether the
// user is a new member. Errors: ErrNotFound, VersionError, ErrInactive, ErrUnavailable.
func (r *Repository) PutMember(ctx context.Context, c Call, orgID uuid.UUID, match Versions, m NewMember) (Member, bool, error) {
	made, err := r.changeNow(ctx, c, "put member", orgID, match, MembersChange{Add: []NewMember{m}})
	if err != nil {
		return Member{}, false, err
	}
	return Member{UserID: m.UserID, Roles: made.roles, AddedAt: made.addedAt.UTC()}, made.added > 0, nil
}

// DeleteMember ends the user's membership. Errors: ErrNotFound, ErrNotMember, VersionError,
// ErrUnavailable.
func (r *Repository) DeleteMember(ctx context.Context, c Call, orgID uuid.UUID, match Versions, userID string) error {
	made, err := r.changeNow(ctx, c, "delete member", orgID, match, MembersChange{Remove: []string{userID}})
	if err == nil && made.removed == 0 {
		err = fmt.Errorf("delete member: %w", ErrNotMember)
	}
	return err
}

// changeNow makes a change of members that takes no idempotency key.
func (r *Repository) changeNow(ctx context.Context, c Call, operation string, orgID uuid.UUID, match Versions, users MembersChange) (membersChanged, error) {
	var made membersChanged
	err := r.inTurn(c, orgID).Write(ctx, func(ctx context.Context, q db.Querier) (err error) {
		made, err = users.run(ctx, q, c, orgID, match)
		return err
	})
	if errors.Is(err, ErrVersion) {
		err = VersionError{Current: made.conflicting}
	}
	if err != nil {
		err = fmt.Errorf("%s: %w", operation, err)
	}
	return made, err
}

// ChangeMembers makes the whole change, or none of it. Errors: those of AddMember.
func (r *Repository) ChangeMembers(ctx context.Context, c Call, orgID uuid.UUID, match Versions, users MembersChange) (MembersChanged, error) {
	const operation = "change members"
	request := membersRequest{OrgID: orgID, Match: match, Remove: users.Remove}
	for _, m := range users.Add {
		request.Add = append(request.Add, memberAddition{UserID: m.UserID, Roles: m.joined()})
	}
	first, replayed, err := once(ctx, r.inTurn(c, orgID), c, operation, orgID, request, func(ctx context.Context, q db.Querier) (membersRecord, error) {
		made, err := users.run(ctx, q, c, orgID, match)
		return membersRecord{Added: made.added, Removed: made.removed, Updated: made.updated, UserCount: made.users, Version: made.conflicting}, err
	})
	if errors.Is(err, ErrVersion) {
		err = VersionError{Current: first.Version}
	}
	if err != nil {
		return MembersChanged{Replayed: replayed}, fmt.Errorf("%s: %w", operation, err)
	}
	return MembersChanged{
		Added: first.Added, Removed: first.Removed, Updated: first.Updated,
		Unchanged: len(users.Add) + len(users.Remove) - first.Added - first.Removed - first.Updated,
		UserCount: first.UserCount, Replayed: replayed,
	}, nil
}

// joined returns the roles in the form of org_members_change_1: sorted and joined by
// commas.
func (m NewMember) joined() *string {
	if m.Roles == nil {
		return nil
	}
	roles := strings.Join(slices.Sorted(slices.Values(*m.Roles)), ",")
	return &roles
}

// membersChanged is the result of org_members_change_1.
type membersChanged struct {
	added, removed, updated int
	users                   int32
	roles                   []string // of the last user to add, after the change
	addedAt                 time.Time
	conflicting             int64 // the organization's version, after ErrVersion
}

const membersChange = `
SELECT outcome, old_version, added, removed, updated, users, member_roles, member_added_at
FROM org_members_change_1($1, $2, $3, $4, $5, $6, $7, $8, $9)`

func (u MembersChange) run(ctx context.Context, q db.Querier, c Call, orgID uuid.UUID, match Versions) (membersChanged, error) {
	var users []string
	var roles []*string
	for _, m := range u.Add {
		users, roles = append(users, m.UserID), append(roles, m.joined())
	}
	var done outcome
	var version *int64
	var added, removed, updated *int
	var count *int32
	var addedAt *time.Time
	var made membersChanged
	err := q.QueryRow(ctx, membersChange, c.AccountID, orgID, []int64(match), users, roles, u.Remove,
		db.OrNull(c.KeyID), db.OrNull(c.UserID), c.RequestID).Scan(&done, &version, &added, &removed, &updated, &count, &made.roles, &addedAt)
	if err != nil {
		return membersChanged{}, err
	}
	switch done {
	case outcomeVersion:
		made.conflicting = *version
	case outcomeChanged, outcomeUnchanged:
		made.added, made.removed, made.updated, made.users = *added, *removed, *updated, *count
		made.addedAt = db.OrZero(addedAt)
	}
	return made, done.err()
}

// The values of org_members.org_activity, which says whether the organization is active.
// With this column, a user's active or deactivated organizations are one range of an
// index, so a list does not look up the others.
const (
	activityAsk = -1 // unknown, so read orgs.is_active: the organization is large, or was when the row was last written
	activityNo  = 0
	activityYes = 1
)

// maxFollowed is the largest number of members for which a change of the organization's
// activity is written to their rows. Migrations 00009 and 00010 contain the same number.
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
