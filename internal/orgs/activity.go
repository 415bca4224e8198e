package orgs

import "fmt"

// The values of org_members.org_activity. A user's active or deactivated
// organizations are a range of an index that way, and not a look at every one.
const (
	activityAsk = -1 // see the organization: it is large, or an older release wrote the row
	activityNo  = 0
	activityYes = 1
)

// maxFollowed is the most members whose rows follow a change of the organization's
// activity. It stands in memberAdd (as the organization is before) and in migrations 00014 and 00015 too.
const maxFollowed = 1000

// ActivityOfMembers returns the org_activity of each member of an organization with
// that many members.
func ActivityOfMembers(userCount int64, isActive bool) int16 {
	switch {
	case userCount > maxFollowed:
		return activityAsk
	case isActive:
		return activityYes
	}
	return activityNo
}

// orgListByActivity lists a user's active or deactivated organizations. Those whose
// members' rows say the activity are a range of org_members_by_activity; the large ones
// are looked up one by one. Both conditions hold on the organization's own row too.
//
// Each range has its limit, so that the cost is bounded even if the planner sorts what
// they give instead of merging it.
func orgListByActivity(q listQuery) statement {
	var s statement
	known, asked := activityNo, activityAsk
	if *q.IsActive {
		known = activityYes
	}
	s.sql = fmt.Sprintf(`SELECT %s FROM ((%s) UNION ALL (%s)) AS either %s LIMIT %s`,
		orgColumns, s.ofActivity(q, known), s.ofActivity(q, asked), orgOrder, s.bind(q.Limit+1))
	return s
}

// ofActivity walks the user's memberships that say this of the activity. The user is
// compared as bytes, which org_members_by_activity alone has.
func (s *statement) ofActivity(q listQuery, activity int) string {
	walk := fmt.Sprintf("FROM org_members WHERE account_id = %s AND uuid_send(user_id) = uuid_send(%s) AND org_activity = %d%s ORDER BY org_created_at DESC, org_id DESC",
		s.bind(q.accountID), s.bind(*q.UserID), activity, s.after(q, "org_created_at"))
	walked := s.walked(q, walk, "ALL")
	return fmt.Sprintf("SELECT %s FROM %s WHERE is_active = %s %s LIMIT %s", orgColumns, walked, s.bind(*q.IsActive), orgOrder, s.bind(q.Limit+1))
}
