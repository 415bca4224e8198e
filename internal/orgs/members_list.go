package orgs

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"orgd/internal/cursor"
	"orgd/internal/db"
	"orgd/internal/uuid"
)

// MemberListParams select a list of an organization's members and a page of it.
type MemberListParams struct {
	OrgID  uuid.UUID
	Limit  int    // 1 to cursor.MaxLimit
	Cursor string // MemberPage.Cursor of the previous page; empty for the first page
	Before string // MemberPage.Before of the following page, instead of Cursor; empty otherwise
	Order  MemberOrder

	Role    string   // only members with this role; empty for all
	UserIDs []string // only these users, at most MaxListed; empty for all
}

// MemberPage is one page of an organization's members.
type MemberPage struct {
	Members []Member
	Cursor  string // for the next page; empty on the last page
	Before  string // for the page before this one; empty on the first page
}

// GetMember returns the member. Errors: ErrNotFound, ErrNotMember, ErrUnavailable.
func (r *Repository) GetMember(ctx context.Context, accountID, orgID uuid.UUID, userID string) (Member, error) {
	p := MemberListParams{OrgID: orgID, Limit: 1, UserIDs: []string{userID}}
	found, err := r.findMembers(ctx, accountID, memberQuery{MemberListParams: p, accountID: accountID})
	if err == nil && found[0].UserID == nil {
		err = ErrNotMember
	}
	if err != nil {
		return Member{}, fmt.Errorf("get member: %w", err)
	}
	return found[0].member(), nil
}

// ListMembers returns a page of the organization's members. The cursors give the same
// guarantees as those of List. Errors: ErrNotFound, ErrInvalidCursor, ErrUnavailable.
func (r *Repository) ListMembers(ctx context.Context, accountID uuid.UUID, p MemberListParams) (MemberPage, error) {
	if p.Limit < 1 || p.Limit > cursor.MaxLimit {
		return MemberPage{}, fmt.Errorf("orgs: limit %d is not between 1 and %d", p.Limit, cursor.MaxLimit)
	}
	query := memberQuery{MemberListParams: p, accountID: accountID, nearby: r.nearby.orgs}
	if token := cmp.Or(p.Before, p.Cursor); token != "" {
		from, err := p.decode(token, accountID)
		if err != nil {
			return MemberPage{}, err
		}
		query.from = &from
	}
	found, err := r.findMembers(ctx, accountID, query)
	if err != nil {
		return MemberPage{}, fmt.Errorf("list members: %w", err)
	}
	return newMemberPage(found, p, accountID), nil
}

// findMembers returns at least one foundMember, which may be empty, or ErrNotFound.
func (r *Repository) findMembers(ctx context.Context, accountID uuid.UUID, query memberQuery) ([]foundMember, error) {
	var found []foundMember
	err := r.db.For(accountID).Read(ctx, func(ctx context.Context, q db.Querier) (err error) {
		found, err = query.run(ctx, q)
		return err
	})
	if err == nil && len(found) == 0 {
		err = ErrNotFound
	}
	return found, err
}

// foundMember is a row of the result. It is empty if no member is found. If it has a time
// but no user, it reports that more members follow those that memberListNearby has read.
type foundMember struct {
	UserID  *string
	Roles   []string
	AddedAt *time.Time
}

func (f foundMember) reportsMore() bool { return f.UserID == nil && f.AddedAt != nil }

func (f foundMember) member() Member {
	return Member{UserID: *f.UserID, Roles: f.Roles, AddedAt: f.AddedAt.UTC()}
}

// memberQuery has the parameters of the statements of a list of members.
type memberQuery struct {
	MemberListParams
	accountID uuid.UUID
	from      *memberPosition // the walk starts after this position, in its direction; nil for the first page
	nearby    int             // how many members memberListNearby reads
}

func (m memberQuery) run(ctx context.Context, q db.Querier) ([]foundMember, error) {
	if m.from != nil && m.from.isCut {
		from, err := m.resolve(ctx, q)
		if err != nil {
			return nil, err
		}
		m.from = &from
	}
	switch {
	case len(m.UserIDs) > 0:
		return m.fetch(ctx, q, memberListPicked(m))
	case m.Role == "":
		return m.fetch(ctx, q, memberList(m))
	}
	// Like a list of organizations: memberListNearby finds members with a common role, and
	// the index finds those with a rare role.
	found, err := m.fetch(ctx, q, memberListNearby(m))
	if err != nil || !slices.ContainsFunc(found, foundMember.reportsMore) {
		return found, err
	}
	return m.fetch(ctx, q, memberListByRole(m))
}

func (m memberQuery) fetch(ctx context.Context, q db.Querier, s statement) ([]foundMember, error) {
	rows, err := q.Query(ctx, s.sql, s.args...)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowToStructByPos[foundMember])
}

const memberColumns = `user_id, roles, added_at`

// walkMembers returns the part of a statement from FROM to ORDER BY that reads the
// organization's members after the cursor, in order. The condition on added_at is true
// for every row. It lets the planner use org_members_by_added.
func (s *statement) walkMembers(m memberQuery) string {
	ordered := ""
	if m.Order != ByUserID {
		ordered = " AND added_at > '-infinity'"
	}
	return fmt.Sprintf("FROM org_members WHERE account_id = %s AND org_id = %s%s%s %s",
		s.bind(m.accountID), s.bind(m.OrgID), ordered, s.pastMember(m), m.order(""))
}

// pastMember is the counterpart of statement.past for members.
func (s *statement) pastMember(m memberQuery) string {
	if m.from == nil {
		return ""
	}
	var at any = m.from.addedAt
	if m.Order == ByUserID {
		at = m.from.userID
	}
	return " AND " + m.key() + " " + operator(m.descending()) + " " + s.bind(at)
}

// key is the column that decides the order.
func (m memberQuery) key() string {
	if m.Order == ByUserID {
		return "user_id"
	}
	return "added_at"
}

// order returns the ORDER BY clause of the walk, with the prefix before the column.
func (m memberQuery) order(prefix string) string {
	if m.descending() {
		return "ORDER BY " + prefix + m.key() + " DESC"
	}
	return "ORDER BY " + prefix + m.key()
}

// withOrg returns a statement for the members that the query finds. If there are none,
// its result is one empty row, or no row if the organization does not exist.
func (s *statement) withOrg(m memberQuery, members string) statement {
	s.sql = fmt.Sprintf(`SELECT member.user_id, member.roles, member.added_at FROM orgs LEFT JOIN LATERAL (%s) AS member ON true`+
		` WHERE orgs.account_id = %s AND orgs.org_id = %s %s`,
		members, s.bind(m.accountID), s.bind(m.OrgID), m.order("member."))
	return *s
}

// memberList returns the statement that lists members without filters.
func memberList(m memberQuery) statement {
	var s statement
	return s.withOrg(m, fmt.Sprintf("SELECT %s %s LIMIT %s", memberColumns, s.walkMembers(m), s.bind(m.Limit+1)))
}

// memberListPicked looks up the given users one by one.
func memberListPicked(m memberQuery) statement {
	var s statement
	lookup := fmt.Sprintf("SELECT %s FROM org_members WHERE account_id = %s AND org_id = %s AND user_id = given.id OFFSET 0",
		memberColumns, s.bind(m.accountID), s.bind(m.OrgID))
	conditions := "true" + s.pastMember(m)
	if m.Role != "" {
		conditions += " AND " + s.withRole(m)
	}
	return s.withOrg(m, fmt.Sprintf("SELECT %s FROM %s CROSS JOIN LATERAL (%s) AS picked WHERE %s %s LIMIT %s",
		memberColumns, given(&s, m.distinctUsers(), "text"), lookup, conditions, m.order(""), s.bind(m.Limit+1)))
}

// memberListNearby reads only the next m.nearby members in order. If these do not fill the
// page and more follow, the last row has a time but no user: see orgListNearby.
func memberListNearby(m memberQuery) statement {
	var s statement
	walk := s.walkMembers(m)
	return s.withOrg(m, fmt.Sprintf(`(SELECT %[1]s FROM (SELECT %[1]s %[2]s LIMIT %[3]d) AS walked WHERE %[4]s %[6]s LIMIT %[5]s)`+
		` UNION ALL (SELECT NULL, NULL, added_at %[2]s OFFSET %[3]d LIMIT 1) LIMIT %[5]s`,
		memberColumns, walk, m.nearby, s.withRole(m), s.bind(m.Limit+1), m.order("")))
}

// memberListByRole finds the members with a role through the index org_members_by_role, and
// sorts them. Usually they are few. If many members have the role but all were added long
// ago, the statement is slow. It names the organization only in the expression of
// org_members_by_role, so the planner uses no other index.
func memberListByRole(m memberQuery) statement {
	var s statement
	named := fmt.Sprintf(`SELECT %s FROM org_members WHERE account_id = %s AND roles <> '{}' AND org_member_roles(account_id, org_id, roles) COLLATE "C" @> ARRAY[%s::text]%s`,
		memberColumns, s.bind(m.accountID), s.bind(m.accountID.String()+":"+m.OrgID.String()+":"+m.Role), s.pastMember(m))
	return s.withOrg(m, fmt.Sprintf("WITH named AS MATERIALIZED (%s) SELECT %s FROM named %s LIMIT %s",
		named, memberColumns, m.order(""), s.bind(m.Limit+1)))
}

func (s *statement) withRole(m memberQuery) string { return s.bind(m.Role) + " = ANY (roles)" }

func newMemberPage(found []foundMember, p MemberListParams, accountID uuid.UUID) MemberPage {
	var page MemberPage
	for _, f := range found[:min(len(found), p.Limit)] {
		if f.UserID != nil {
			page.Members = append(page.Members, f.member())
		}
	}
	if len(page.Members) == 0 {
		return page
	}
	if p.Before != "" {
		slices.Reverse(page.Members)
	}
	hasNext, hasBefore := neighbors(p.Cursor, p.Before, len(found) > p.Limit)
	if hasNext {
		page.Cursor = p.encode(page.Members[len(page.Members)-1], accountID)
	}
	if hasBefore {
		page.Before = p.encode(page.Members[0], accountID)
	}
	return page
}

func (p MemberListParams) distinctUsers() []string {
	return slices.Compact(slices.Sorted(slices.Values(p.UserIDs)))
}

// scope identifies the list that a cursor belongs to. No two lists have the same scope,
// because roles and user ids contain no NUL.
func (p MemberListParams) scope(accountID uuid.UUID) []byte {
	scope := append([]byte("org_members\x00"), accountID[:]...)
	scope = append(scope, p.OrgID[:]...)
	if p.Role != "" {
		scope = append(scope, "\x00r"+p.Role...)
	}
	for _, user := range p.distinctUsers() {
		scope = append(scope, "\x00u"+user...)
	}
	if p.Order != LatestFirst {
		scope = append(scope, 0, 's', byte('0'+p.Order))
	}
	return scope
}
