package orgs

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
