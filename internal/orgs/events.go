package orgs

// The types of events in the audit trail.
const (
	eventCreated       = "org.created"
	eventUpdated       = "org.updated"
	eventDeactivated   = "org.deactivated"
	eventReactivated   = "org.reactivated"
	eventMemberAdded   = "org.member_added"
	eventMemberRemoved = "org.member_removed"
)

const eventColumns = `account_id, org_id, type, actor_key_id, actor_user_id, request_id, before, after, occurred_at`
