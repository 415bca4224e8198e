package orgs

import (
	"context"
	"fmt"
	"strconv"

	"orgd/internal/db"
)

// runByActivity runs a list of a user's active or deactivated organizations with other
// filters. Like run, it takes the whole page from one statement.
func (l listQuery) runByActivity(ctx context.Context, q db.Querier) (collected, error) {
	found, err := l.fetch(ctx, q, orgListByActivityNearby(l))
	// Few users are in many large organizations. The other part has usually read l.nearby.
	if err == nil && !found.full && found.more && l.shouldWalk(len(found.orgs)) {
		l.nearby = l.reach
		found, err = l.fetch(ctx, q, orgListByActivityNearby(l))
	}
	if err != nil || found.full || !found.more {
		return found, err
	}
	l.maxSorted = 0
	return l.fetch(ctx, q, orgListIndexed(l))
}

// orgListByActivity lists a user's active or deactivated organizations. The first part
// reads the memberships whose org_activity has the wanted value, which are a range of
// org_members_by_activity. The second part reads those whose org_activity is unknown,
// which belong to large organizations. Both parts look up each organization and test its
// is_active. The statement is for lists without other filters.
//
// Each part has a limit, so the cost is bounded even if the planner sorts the parts
// instead of merging them.
func orgListByActivity(q listQuery) statement {
	var s statement
	known, asked := s.activityWalks(q)
	s.sql = fmt.Sprintf(`SELECT %s FROM ((%s) UNION ALL (%s)) AS either %s LIMIT %s`,
		q.columns(), s.matchesOf(q, known, "ALL"), s.matchesOf(q, asked, "ALL"), q.order("created_at"), s.bind(q.Limit+1))
	return s
}

// orgListByActivityNearby is orgListNearby for the two parts of orgListByActivity: it
// reads only the next q.nearby memberships of each.
//
// If a part does not fill the page, its unread memberships may contain matches that come
// before those of the other part. The statement therefore leaves out matches at or beyond
// the time of the first unread membership.
func orgListByActivityNearby(q listQuery) statement {
	var s statement
	known, asked := s.activityWalks(q)
	first, end, before := "max", "'-infinity'", ">"
	if !q.descending() {
		first, end, before = "min", "'infinity'", "<"
	}
	limit, columns, full := strconv.Itoa(q.nearby), q.columns(), s.bind(q.Limit+1)
	unread := func(part, walk string) string {
		return fmt.Sprintf("SELECT at FROM (SELECT org_created_at AS at %s OFFSET %s LIMIT 1) AS next WHERE (SELECT count(*) FROM %s) < %s", walk, limit, part, full)
	}
	s.sql = fmt.Sprintf(`WITH known AS MATERIALIZED (%[1]s), asked AS MATERIALIZED (%[2]s),`+
		` unread AS MATERIALIZED (SELECT %[3]s(at) AS at FROM ((%[4]s) UNION ALL (%[5]s)) AS next)`+
		` (SELECT %[6]s FROM (SELECT %[6]s FROM known UNION ALL SELECT %[6]s FROM asked) AS either`+
		` WHERE created_at %[7]s (SELECT coalesce(at, %[8]s) FROM unread) %[9]s LIMIT %[10]s)`+
		` UNION ALL (SELECT %[11]s FROM unread WHERE at IS NOT NULL) LIMIT %[10]s`,
		s.matchesOf(q, known, limit), s.matchesOf(q, asked, limit), first, unread("known", known), unread("asked", asked),
		columns, before, end, q.order("created_at"), full, nulls(columns))
	return s
}

// activityWalks returns the walks through the user's memberships whose org_activity has
// the wanted value, and through those whose org_activity is unknown. They select the user
// by an expression that only org_members_by_activity contains, so the planner uses no
// other index.
func (s *statement) activityWalks(q listQuery) (known, asked string) {
	walk := func(activity int) string {
		return fmt.Sprintf("FROM org_members WHERE account_id = %s AND (user_id || '') = %s AND org_activity = %d%s%s %s",
			s.bind(q.accountID), s.bind(*q.UserID), activity, s.createdWithin(q, "org_created_at"), s.past(q, "org_created_at"), q.order("org_created_at"))
	}
	if *q.IsActive {
		return walk(activityYes), walk(activityAsk)
	}
	return walk(activityNo), walk(activityAsk)
}

// matchesOf returns the statement that reads the matches among the first organizations of
// a walk, up to the limit.
func (s *statement) matchesOf(q listQuery, walk, limit string) string {
	return fmt.Sprintf("SELECT %s FROM %s WHERE %s %s LIMIT %s", q.columns(), s.walked(q, walk, limit), s.residual(q), q.order("created_at"), s.bind(q.Limit+1))
}
