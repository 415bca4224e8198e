package orgs

import (
	"fmt"
	"strconv"
	"strings"

	"orgd/internal/cursor"
)

// statement is SQL with the arguments for its placeholders.
type statement struct {
	sql  string
	args []any
}

func (s *statement) bind(arg any) string {
	s.args = append(s.args, arg)
	return fmt.Sprintf("$%d", len(s.args))
}

// createdWithin returns the conditions for the range of times.
func (s *statement) createdWithin(q listQuery, createdAt string) (conditions string) {
	if q.CreatedFrom != nil {
		conditions += fmt.Sprintf(" AND %s >= %s", createdAt, s.bind(*q.CreatedFrom))
	}
	if q.CreatedTo != nil {
		conditions += fmt.Sprintf(" AND %s < %s", createdAt, s.bind(*q.CreatedTo))
	}
	return conditions
}

// walk returns the part of a statement from FROM to ORDER BY that reads a list in the
// order of an index: the organizations of the account, or those of one user.
func (s *statement) walk(q listQuery) string {
	if q.ofUser() {
		return s.ofUser(q) + s.createdWithin(q, "org_created_at") + s.past(q, "org_created_at") + " " + q.order("org_created_at")
	}
	walk := "FROM orgs WHERE account_id = " + s.bind(q.accountID)
	switch {
	case !q.Order.byName():
		walk += s.createdWithin(q, "created_at")
		if q.IsActive != nil {
			walk += " AND is_active = " + s.bind(*q.IsActive)
		}
	case q.nameIs != "" && q.from != nil:
		// With a condition on (name, id) instead of the id, the scan would begin at the first
		// organization with this name.
		return walk + s.named(q) + " AND org_id " + operator(q.descending()) + " " + s.bind(q.from.id) + " " + q.order(q.orgKey())
	case q.nameIs != "":
		walk += s.named(q)
	}
	return walk + s.past(q, q.orgKey()) + " " + q.order(q.orgKey())
}

// named returns the condition for the name, in the form that orgs_by_name supports.
func (s *statement) named(q listQuery) string {
	return " AND " + nameKeyColumn + " = " + s.bind(nameKey(q.nameIs))
}

// ofUser returns the FROM and WHERE clauses for all memberships of the user. The last
// condition is true for every row. It lets the planner use org_members_by_user.
func (s *statement) ofUser(q listQuery) string {
	return fmt.Sprintf("FROM org_members WHERE account_id = %s AND user_id = %s AND org_created_at > '-infinity'", s.bind(q.accountID), s.bind(*q.UserID))
}

// orgColumns returns the columns of orgs that the outer parts of a statement need.
func (l listQuery) orgColumns() string {
	columns := orgColumns
	if l.folded != "" || l.nameIs != "" {
		columns += ", org_name_folded"
	}
	if l.Order.byName() {
		columns += ", " + nameKeyColumn + " AS name_key"
	}
	return columns
}

// walked returns a FROM item with the first organizations of a walk, up to the limit.
// OFFSET 0 makes the planner look up a user's organizations one by one; other plans would
// read and sort all of them.
func (s *statement) walked(q listQuery, walk, limit string) string {
	if !q.ofUser() {
		return "(SELECT " + q.orgColumns() + " " + walk + " LIMIT " + limit + ") AS walked"
	}
	return fmt.Sprintf(`(SELECT org_id, org_created_at AS created_at, `+membershipColumns+` %s LIMIT %s) AS member`+
		` CROSS JOIN LATERAL (SELECT %s FROM orgs WHERE account_id = %s AND org_id = member.org_id OFFSET 0) AS walked`,
		walk, limit, notOfMember.Replace(q.orgColumns()), s.bind(q.accountID))
}

// notOfMember removes the columns that a membership also has.
var notOfMember = strings.NewReplacer("org_id, ", "", " created_at,", "")

// membershipColumns are the columns of org_members that make a Membership.
const membershipColumns = `array_to_string(roles, ',') AS member_roles, added_at`

// columns returns the columns of a list's result.
func (l listQuery) columns() string {
	columns := orgColumns
	if l.Order.byName() {
		columns += ", name_key"
	}
	if l.ofUser() {
		columns += ", member_roles, added_at"
	}
	return columns
}

// residual returns the conditions that the index of the walk does not cover, or "true" if
// there are none.
func (s *statement) residual(q listQuery) string {
	var conditions []string
	if q.folded != "" {
		conditions = append(conditions, "org_name_folded LIKE "+s.bind(q.namePattern()))
	}
	if q.nameIs != "" {
		conditions = append(conditions, "org_name_folded = "+s.bind(q.nameIs))
	}
	if q.metadata != "" {
		conditions = append(conditions, "metadata @> "+s.bind(q.metadata))
	}
	if q.IsActive != nil && (q.ofUser() || q.Order.byName()) {
		conditions = append(conditions, "is_active = "+s.bind(*q.IsActive))
	}
	if len(conditions) == 0 {
		conditions = append(conditions, "true")
	}
	residual := strings.Join(conditions, " AND ")
	if q.Order.byName() && !q.ofUser() {
		residual += s.createdWithin(q, "created_at")
	}
	return residual
}

// rest returns all conditions for organizations that were looked up one by one.
func (s *statement) rest(q listQuery) string {
	rest := s.residual(q) + s.past(q, q.resultKey())
	switch {
	case q.ofUser(): // residual has the activity
		rest += s.createdWithin(q, "created_at")
	case !q.Order.byName(): // in an order by name, residual has the range and the activity
		rest += s.createdWithin(q, "created_at")
		if q.IsActive != nil {
			rest += " AND is_active = " + s.bind(*q.IsActive)
		}
	}
	return rest
}

// orgList returns the statement of a list without residual conditions.
//
// The inner limit is a literal, so that the generic plan takes into account how few rows
// are needed. With a parameter, the planner would expect a tenth of the table and plan
// every call again, which costs as much as reading the rows.
//
// A user may still have memberships of deleted organizations, for which the lookup finds
// nothing. If they make the walk reach the inner limit before the page is full, the last
// row reports that, as in orgListNearby.
func orgList(q listQuery) statement {
	if q.ofUser() {
		q.nearby = cursor.MaxLimit + 1
		return orgListNearby(q)
	}
	var s statement
	walked := s.walked(q, s.walk(q), strconv.Itoa(cursor.MaxLimit+1))
	s.sql = "SELECT " + q.columns() + " FROM " + walked + " " + q.order(q.resultKey()) + " LIMIT " + s.bind(q.Limit+1)
	return s
}

// orgListByExternalID finds the one organization with the external id, and then applies
// the other filters. OFFSET 0 keeps the planner from starting with the other filters.
func orgListByExternalID(q listQuery) statement {
	var s statement
	found := fmt.Sprintf("(SELECT %s FROM orgs WHERE account_id = %s AND external_id = %s OFFSET 0) AS named",
		q.orgColumns(), s.bind(q.accountID), s.bind(q.ExternalID))
	if q.ofUser() {
		found += s.membership(q, "named.org_id")
	}
	s.sql = fmt.Sprintf("SELECT %s FROM %s WHERE %s %s LIMIT %s", q.columns(), found, s.rest(q), q.order(q.resultKey()), s.bind(q.Limit+1))
	return s
}

// orgListNearby reads only the next q.nearby organizations of the walk. It finds frequent
// matches in bounded time, whatever the planner estimates.
//
// If these organizations do not fill the page and more follow, the last row is all NULLs.
// It comes from the same snapshot. PostgreSQL runs the parts of a UNION ALL one after the
// other, so the second part costs nothing if the first fills the page.
func orgListNearby(q listQuery) statement {
	var s statement
	walk := s.walk(q)
	walked := s.walked(q, walk, fmt.Sprint(q.nearby))
	residual := s.residual(q)
	s.sql = fmt.Sprintf(`(SELECT %[1]s FROM %[2]s WHERE %[3]s %[4]s LIMIT %[5]s) UNION ALL (SELECT %[6]s %[7]s OFFSET %[8]d LIMIT 1) LIMIT %[5]s`,
		q.columns(), walked, residual, q.order(q.resultKey()), s.bind(q.Limit+1), nulls(q.columns()), walk, q.nearby)
	return s
}

// nulls returns a NULL for each column, for the row that reports that the walk continues.
func nulls(columns string) string {
	return strings.Repeat("NULL, ", strings.Count(columns, ",")) + "NULL"
}

// orgListIndexed finds rare matches of the residual filters. MATERIALIZED prevents the
// planner from reading the whole account in order instead. If there are more than
// maxSorted, the first row is all NULLs.
func orgListIndexed(q listQuery) statement {
	var s statement
	var member, limit string
	if q.ofUser() {
		member = fmt.Sprintf(" JOIN (SELECT org_id, %s %s) AS member USING (org_id)", membershipColumns, s.ofUser(q))
	}
	if q.maxSorted > 0 {
		limit = fmt.Sprintf(" LIMIT %d", q.maxSorted+1)
	}
	found := fmt.Sprintf("WITH named AS MATERIALIZED (SELECT %s FROM orgs WHERE account_id = %s%s%s%s)",
		q.orgColumns(), s.bind(q.accountID), s.indexed(q), s.past(q, q.orgKey()), limit)
	page := fmt.Sprintf("SELECT %s FROM named%s %s LIMIT %s", q.columns(), member, q.order(q.resultKey()), s.bind(q.Limit+1))
	if q.maxSorted > 0 {
		page = fmt.Sprintf("(SELECT %s FROM named OFFSET %d LIMIT 1) UNION ALL (%s)", nulls(q.columns()), q.maxSorted, page)
	}
	s.sql = found + " " + page
	return s
}

// indexed returns the conditions by which an index finds the matches: orgs_by_name for a
// whole name, and otherwise orgs_by_filter. If there are none, orgs_by_created finds the
// organizations of a range of times. If there are some, the range is compared in a form
// that orgs_by_created does not support: the planner expects few organizations in any
// range, and would choose that index.
func (s *statement) indexed(q listQuery) (conditions string) {
	switch {
	case q.nameIs != "":
		conditions = s.named(q) + " AND org_name_folded = " + s.bind(q.nameIs)
		if q.IsActive != nil {
			conditions += " AND is_active = " + s.bind(*q.IsActive)
		}
	case q.IsActive != nil:
		conditions = " AND is_active::integer = " + s.bind(*q.IsActive) + "::boolean::integer"
	}
	if q.folded != "" {
		conditions += s.contains(q)
	}
	if q.metadata != "" {
		conditions += " AND metadata @> " + s.bind(q.metadata)
	}
	if conditions == "" {
		return s.createdWithin(q, "created_at")
	}
	return conditions + s.createdWithin(q, "(created_at + interval '0')")
}

// orgListSorted looks up a user's organizations and sorts them by name. If there are more
// than maxSorted, the only row is all NULLs.
func orgListSorted(q listQuery) statement {
	var s statement
	walk := s.ofUser(q) + s.createdWithin(q, "org_created_at")
	walked := s.walked(q, walk, strconv.Itoa(q.maxSorted))
	s.sql = fmt.Sprintf(`WITH beyond AS MATERIALIZED (SELECT %s OFFSET %d LIMIT 1) SELECT %s FROM beyond`+
		` UNION ALL (SELECT %s FROM %s WHERE NOT EXISTS (SELECT FROM beyond) AND %s%s %s LIMIT %s)`,
		walk, q.maxSorted, nulls(q.columns()), q.columns(), walked, s.residual(q), s.past(q, q.resultKey()), q.order(q.resultKey()), s.bind(q.Limit+1))
	return s
}

// membership returns a FROM item that looks up the user's membership in the organization
// with the id orgID, a column of an earlier FROM item.
func (s *statement) membership(q listQuery, orgID string) string {
	return fmt.Sprintf(` CROSS JOIN LATERAL (SELECT %s FROM org_members WHERE account_id = %s AND org_id = %s AND user_id = %s OFFSET 0) AS member`,
		membershipColumns, s.bind(q.accountID), orgID, s.bind(*q.UserID))
}

// given returns a FROM item with the ids. A single id is not passed as an array: the
// planner does not know the length of an array parameter, and would plan every call
// again, which costs several times as much as the lookup.
func given[T any](s *statement, ids []T, kind string) string {
	if len(ids) == 1 {
		return fmt.Sprintf("(SELECT %s::%s) AS given (id)", s.bind(ids[0]), kind)
	}
	return fmt.Sprintf("unnest(%s::%s[]) AS given (id)", s.bind(ids), kind)
}

// orgListPicked looks up the given organizations one by one, and the user's membership in
// each of them.
func orgListPicked(q listQuery) statement {
	var s statement
	from := fmt.Sprintf(`%s CROSS JOIN LATERAL (SELECT %s FROM orgs WHERE account_id = %s AND org_id = given.id OFFSET 0) AS picked`,
		given(&s, q.distinctIDs(), "uuid"), q.orgColumns(), s.bind(q.accountID))
	if q.ofUser() {
		from += s.membership(q, "given.id")
	}
	conditions := s.rest(q)
	if q.ExternalID != "" {
		conditions += " AND external_id = " + s.bind(q.ExternalID)
	}
	s.sql = fmt.Sprintf("SELECT %s FROM %s WHERE %s %s LIMIT %s", q.columns(), from, conditions, q.order(q.resultKey()), s.bind(q.Limit+1))
	return s
}

// orgListWalked reads the organizations of a user, or those with one name, in order until
// the page is full, for filters that match many of them.
func orgListWalked(q listQuery) statement {
	var s statement
	walked := s.walked(q, s.walk(q), "ALL")
	s.sql = fmt.Sprintf(`SELECT %s FROM %s WHERE %s %s LIMIT %s`,
		q.columns(), walked, s.residual(q), q.order(q.resultKey()), s.bind(q.Limit+1))
	return s
}
