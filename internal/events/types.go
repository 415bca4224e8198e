package events

// Types lists the type of every event that this release writes.
var Types = []string{
	"account.created",
	"account.resumed",
	"account.suspended",
	"api_key.created",
	"api_key.revoked",
	"api_key.rotated",
	"api_key.updated",
	"org.created",
	"org.deactivated",
	"org.deleted",
	"org.member_added",
	"org.member_removed",
	"org.member_updated",
	"org.reactivated",
	"org.updated",
	"org.user_erased",
	"user.erased",
	"webhook.created",
	"webhook.deleted",
	"webhook.disabled",
	"webhook.enabled",
	"webhook.replayed",
	"webhook.secret_rotated",
	"webhook.updated",
}
