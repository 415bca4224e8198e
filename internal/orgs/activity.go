package orgs

// The values of org_members.org_activity. With it, a user's active or deactivated
// organizations are a range of an index instead of a look-up for each organization.
const (
	activityAsk = -1 // look at the organization: it is large, or an older release wrote the row
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
