package apikeys

import (
	"slices"

	"orgd/internal/uuid"
)

// Scope is a permission of a key.
type Scope string

// The scopes, with their names in the API and in the schema.
const (
	OrgsRead       Scope = "orgs:read"
	OrgsWrite      Scope = "orgs:write"
	OrgsDelete     Scope = "orgs:delete"
	OrgsImport     Scope = "orgs:import"
	MembersWrite   Scope = "members:write"
	UsersErase     Scope = "users:erase"
	KeysManage     Scope = "keys:manage"
	EventsRead     Scope = "events:read"
	WebhooksManage Scope = "webhooks:manage"
	ActAsUser      Scope = "act-as-user"
)

// Scopes lists every scope.
var Scopes = []Scope{OrgsRead, OrgsWrite, OrgsDelete, OrgsImport, MembersWrite, UsersErase, KeysManage, EventsRead, WebhooksManage, ActAsUser}

// Principal is the identity of a request. It can access only what belongs to AccountID.
type Principal struct {
	AccountID uuid.UUID
	KeyID     uuid.UUID
	Scopes    []Scope
	RateLimit *int32 // requests per second; 0 for no limit, nil for the server's default
}

// Has reports whether the principal has the scope.
func (p Principal) Has(s Scope) bool { return slices.Contains(p.Scopes, s) }
