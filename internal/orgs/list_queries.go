package orgs

import (
	"fmt"
	"strconv"
	"strings"

	"orgd/internal/cursor"
)

const orgOrder = `ORDER BY created_at DESC, org_id DESC`

// statement is SQL with the arguments for its placeholders.
type statement struct {
	sql  string
	args []any
}

func (s *statement) bind(arg any) string {
	s.args = append(s.args, arg)
	return fmt.Sprintf("$%d", len(s.args))
}

// after returns the condition that selects the next page, or nothing for the first page.
// One statement for both, with "$1 IS NULL OR …", would filter rows instead of seeking in
// the index. The row value is compared in the order of the index.
func (s *statement) after(q listQuery, createdAt string) string {
	if q.after == nil {
		return ""
	}
	return fmt.Sprintf(" AND (%s, org_id) < (%s, %s)", createdAt, s.bind(q.after.CreatedAt), s.bind(q.after.ID))
}

// walk returns the part of a statement from FROM to ORDER BY that reads a list in the
// order of an index: the organizations of the account, or those of one user.
func (s *statement) walk(q listQuery) string {
	if q.ofUser() {
		return s.ofUser(q) + s.after(q, "org_created_at") + " ORDER BY org_created_at DESC, org_id DESC"
	}
	walk := "FROM orgs WHERE account_id = " + s.bind(q.accountID)
	if q.IsActive != nil {
		walk += " AND is_active = " + s.bind(*q.IsActive)
	}
	return walk + s.after(q, "created_at") + " " + orgOrder
}

// ofUser returns the FROM and WHERE clauses for all memberships of the user. The last
// condition is true for every row. It lets the planner use org_members_by_user.
func (s *statement) ofUser(q listQuery) string {
	return fmt.Sprintf("FROM org_members WHERE account_id = %s AND user_id = %s AND org_created_at > '-infinity'", s.bind(q.accountID), s.bind(*q.UserID))
}

// walked returns a FROM item with the first organizations of a walk, up to the limit.
// OFFSET 0 makes the planner look up a user's organizations one by one; other plans would
// read and sort all of them.
func (s *statement) walked(q listQuery, walk, limit string) string {
	columns := orgColumns
	if q.folded != "" {
		columns += ", org_name_folded"
	}
	if !q.ofUser() {
		return "(SELECT " + columns + " " + walk + " LIMIT " + limit + ") AS walked"
	}
	return fmt.Sprintf(`(SELECT org_id, org_created_at AS created_at, `+membershipColumns+` %s LIMIT %s) AS member`+
		` JOIN LATERAL (SELECT %s FROM orgs WHERE account_id = %s AND org_id = member.org_id OFFSET 0) AS walked USING (org_id, created_at)`,
		walk, limit, columns, s.bind(q.accountID))
}

// membershipColumns are the columns of org_members that make a Membership.
const membershipColumns = `array_to_string(roles, ',') AS member_roles, added_at`

// columns returns the columns of a list's result.
func (l listQuery) columns() string {
	if l.ofUser() {
		return orgColumns + ", member_roles, added_at"
	}
	return orgColumns
}

// residual returns the conditions that the index of the walk does not cover, or "true" if
// there are none.
func (s *statement) residual(q listQuery) string {
	var conditions []string
	if q.folded != "" {
		conditions = append(conditions, "org_name_folded LIKE "+s.bind(q.namePattern()))
	}
	if q.metadata != "" {
		conditions = append(conditions, "metadata @> "+s.bind(q.metadata))
	}
	if q.ofUser() && q.IsActive != nil {
		conditions = append(conditions, "is_active = "+s.bind(*q.IsActive))
	}
	if len(conditions) == 0 {
		return "true"
	}
	return strings.Join(conditions, " AND ")
}

// rest returns all conditions for organizations that were looked up one by one.
func (s *statement) rest(q listQuery) string {
	rest := s.residual(q) + s.after(q, "created_at")
	if q.IsActive != nil && !q.ofUser() { // for a user, residual has this condition
		rest += " AND is_active = " + s.bind(*q.IsActive)
	}
	return rest
}

// orgList lists without residual conditions.
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
	s.sql = "SELECT " + q.columns() + " FROM " + walked + " " + orgOrder + " LIMIT " + s.bind(q.Limit+1)
	return s
}

// orgListByExternalID finds the one organization with the external id, and then applies
// the other filters. OFFSET 0 keeps the planner from starting with the other filters.
func orgListByExternalID(q listQuery) statement {
	var s statement
	found := fmt.Sprintf("(SELECT %s, org_name_folded FROM orgs WHERE account_id = %s AND external_id = %s OFFSET 0) AS named",
		orgColumns, s.bind(q.accountID), s.bind(q.ExternalID))
	if q.ofUser() {
		found += s.membership(q, "named.org_id")
	}
	s.sql = fmt.Sprintf("SELECT %s FROM %s WHERE %s %s LIMIT %s", q.columns(), found, s.rest(q), orgOrder, s.bind(q.Limit+1))
	return s
}

// orgListByActivity lists a user's active or deactivated organizations. The first part
// reads the memberships whose org_activity has the wanted value, which are a range of
// org_members_by_activity. The second part reads those whose org_activity is unknown,
// which belong to large organizations. Both parts look up each organization and test its
// is_active.
//
// Each part has a limit, so the cost is bounded even if the planner sorts the parts
// instead of merging them.
func orgListByActivity(q listQuery) statement {
	var s statement
	known, asked := activityNo, activityAsk
	if *q.IsActive {
		known = activityYes
	}
	s.sql = fmt.Sprintf(`SELECT %s FROM ((%s) UNION ALL (%s)) AS either %s LIMIT %s`,
		q.columns(), s.ofActivity(q, known), s.ofActivity(q, asked), orgOrder, s.bind(q.Limit+1))
	return s
}

// ofActivity reads the user's memberships with this value of org_activity. It selects the
// user by an expression that only org_members_by_activity contains, so the planner uses
// no other index.
func (s *statement) ofActivity(q listQuery, activity int) string {
	walk := fmt.Sprintf("FROM org_members WHERE account_id = %s AND (user_id || '') = %s AND org_activity = %d%s ORDER BY org_created_at DESC, org_id DESC",
		s.bind(q.accountID), s.bind(*q.UserID), activity, s.after(q, "org_created_at"))
	walked := s.walked(q, walk, "ALL")
	return fmt.Sprintf("SELECT %s FROM %s WHERE is_active = %s %s LIMIT %s", q.columns(), walked, s.bind(*q.IsActive), orgOrder, s.bind(q.Limit+1))
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
		q.columns(), walked, residual, orgOrder, s.bind(q.Limit+1), nulls(q.columns()), walk, q.nearby)
	return s
}

// nulls returns a NULL for each column, for the row that reports that the walk continues.
func nulls(columns string) string {
	return strings.Repeat("NULL, ", strings.Count(columns, ",")) + "NULL"
}

// orgListIndexed finds rare matches by name or metadata. MATERIALIZED prevents the
// planner from reading the whole account in order instead.
func orgListIndexed(q listQuery) statement {
	var s statement
	var member string
	if q.ofUser() {
		member = fmt.Sprintf(" JOIN (SELECT org_id, %s %s) AS member USING (org_id)", membershipColumns, s.ofUser(q))
	}
	s.sql = fmt.Sprintf(`WITH named AS MATERIALIZED (SELECT %s FROM orgs WHERE account_id = %s%s%s) SELECT %s FROM named%s %s LIMIT %s`,
		orgColumns, s.bind(q.accountID), s.indexed(q), s.after(q, "created_at"), q.columns(), member, orgOrder, s.bind(q.Limit+1))
	return s
}

// indexed returns the conditions that orgs_by_filter covers. A text without a trigram is
// found by its grams and then compared with strpos. With LIKE, the planner would expect
// to read the whole index, because the text has no trigrams.
func (s *statement) indexed(q listQuery) string {
	var conditions string
	if q.IsActive != nil {
		conditions = " AND is_active::integer = " + s.bind(*q.IsActive) + "::boolean::integer"
	}
	switch {
	case hasTrigram(q.folded):
		conditions += " AND org_name_folded LIKE " + s.bind(q.namePattern())
	case q.folded != "":
		conditions += ` AND org_name_grams(org_name_folded) COLLATE "C" @> ` + s.bind(grams(q.folded)) +
			" AND strpos(org_name_folded, " + s.bind(q.folded) + ") > 0"
	}
	if q.metadata != "" {
		conditions += " AND metadata @> " + s.bind(q.metadata)
	}
	return conditions
}

// membership returns a FROM item that looks up the user's membership in each organization
// of the items before it.
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
	columns := orgColumns
	if q.folded != "" {
		columns += ", org_name_folded"
	}
	from := fmt.Sprintf(`%s CROSS JOIN LATERAL (SELECT %s FROM orgs WHERE account_id = %s AND org_id = given.id OFFSET 0) AS picked`,
		given(&s, q.distinctIDs(), "uuid"), columns, s.bind(q.accountID))
	if q.ofUser() {
		from += s.membership(q, "given.id")
	}
	conditions := s.rest(q)
	if q.ExternalID != "" {
		conditions += " AND external_id = " + s.bind(q.ExternalID)
	}
	s.sql = fmt.Sprintf("SELECT %s FROM %s WHERE %s %s LIMIT %s", q.columns(), from, conditions, orgOrder, s.bind(q.Limit+1))
	return s
}

// orgListWalked reads the organizations of a user in order until the page is full, for
// filters that match many of them.
func orgListWalked(q listQuery) statement {
	var s statement
	walked := s.walked(q, s.walk(q), "ALL")
	s.sql = fmt.Sprintf(`SELECT %s FROM %s WHERE %s %s LIMIT %s`,
		q.columns(), walked, s.residual(q), orgOrder, s.bind(q.Limit+1))
	return s
}

// namePattern returns the LIKE pattern for names that contain the filter literally.
func (l listQuery) namePattern() string {
	return "%" + likeLiteral.Replace(l.folded) + "%"
}

var likeLiteral = strings.NewReplacer(`\`, `\\`, `%`, `\%`, `_`, `\_`)

// hasTrigram reports whether pg_trgm can look up s: it needs three letters or digits in a
// row. Characters beyond ASCII do not count, because the database's locale decides which
// of them are letters.
func hasTrigram(s string) bool {
	run := 0
	for _, r := range s {
		if !isASCIIAlphanumeric(r) {
			run = 0
			continue
		}
		if run++; run == 3 {
			return true
		}
	}
	return false
}

func isASCIIAlphanumeric(r rune) bool {
	return 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9'
}

// grams returns the values of org_name_grams that every name containing s has: each pair
// of adjacent characters, or the only character.
func grams(s string) []string {
	runes := []rune(s)
	if len(runes) == 1 {
		return []string{s}
	}
	pairs := make([]string, 0, len(runes))
	for i := range len(runes) - 1 {
		pairs = append(pairs, string(runes[i:i+2]))
	}
	return pairs
}
