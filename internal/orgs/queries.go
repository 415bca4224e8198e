package orgs

import (
	"fmt"
	"strings"
)

const orgColumns = `org_id, org_name, is_active, metadata, user_count, created_at, updated_at, ` +
	`created_by_api_key_id, created_by_user_id`

const orgOrder = `ORDER BY created_at DESC, org_id DESC`

// statement is SQL and the arguments of its placeholders.
type statement struct {
	sql  string
	args []any
}

func (s *statement) bind(arg any) string {
	s.args = append(s.args, arg)
	return fmt.Sprintf("$%d", len(s.args))
}

// where returns the conditions of a list but for the name. The first page and
// the next are two statements: one with "$1 IS NULL OR …" would filter where
// this seeks. The row value is compared in the order of the index.
func (s *statement) where(q listQuery) string {
	conditions := []string{"account_id = " + s.bind(q.accountID)}
	if q.IsActive != nil {
		conditions = append(conditions, "is_active = "+s.bind(*q.IsActive))
	}
	if q.after != nil {
		conditions = append(conditions, "(created_at, org_id) < ("+s.bind(q.after.CreatedAt)+", "+s.bind(q.after.ID)+")")
	}
	return strings.Join(conditions, " AND ")
}

// orgList lists without a name filter.
//
// The inner limit is a literal, so that the planner knows how little is wanted
// when it makes the generic plan. With a parameter there it expects a tenth of
// the table, and plans anew for every call, which costs as much as the rows.
func orgList(q listQuery) statement {
	var s statement
	s.sql = fmt.Sprintf(`SELECT %[1]s FROM (SELECT %[1]s FROM orgs WHERE %[2]s %[3]s LIMIT %[4]d) AS page %[3]s LIMIT %[5]s`,
		orgColumns, s.where(q), orgOrder, MaxLimit+1, s.bind(q.Limit+1))
	return s
}

// orgListNearby looks for a name among the next nearby organizations only. It
// finds what is common in a bounded time, whatever the planner believes of it.
func orgListNearby(q listQuery) statement {
	var s statement
	s.sql = fmt.Sprintf(`SELECT %[1]s FROM (SELECT %[1]s, org_name_folded FROM orgs WHERE %[2]s %[3]s LIMIT %[4]d) AS nearby WHERE org_name_folded LIKE %[5]s %[3]s LIMIT %[6]s`,
		orgColumns, s.where(q), orgOrder, nearby, s.bind(q.namePattern()), s.bind(q.Limit+1))
	return s
}

// orgListIndexed finds what is rare by the trigrams of the name: MATERIALIZED
// keeps the planner from walking the whole account in order instead.
func orgListIndexed(q listQuery) statement {
	var s statement
	s.sql = fmt.Sprintf(`WITH named AS MATERIALIZED (SELECT %[1]s FROM orgs WHERE %[2]s AND org_name_folded LIKE %[4]s) SELECT %[1]s FROM named %[3]s LIMIT %[5]s`,
		orgColumns, s.where(q), orgOrder, s.bind(q.namePattern()), s.bind(q.Limit+1))
	return s
}

// orgListWalked looks at every name in order, for a name too short to have a
// trigram. The inner limit is there for the planner, as in orgList: without it
// it sorts the account.
func orgListWalked(q listQuery) statement {
	var s statement
	s.sql = fmt.Sprintf(`SELECT %[1]s FROM (SELECT %[1]s FROM orgs WHERE %[2]s AND org_name_folded LIKE %[4]s %[3]s LIMIT %[5]d) AS page %[3]s LIMIT %[6]s`,
		orgColumns, s.where(q), orgOrder, s.bind(q.namePattern()), MaxLimit+1, s.bind(q.Limit+1))
	return s
}

// nearby bounds the first look for a name. What fills no page there is mostly
// rare, and cheap to find by the index. A name that is common, but only among
// older organizations, costs a sort of all that have it.
const nearby = 10_000
