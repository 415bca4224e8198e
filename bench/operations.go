package main

import (
	"net/http"
	"strings"
)

// operation is measured twice: as a request to orgd, and as the SQL that orgd sends.
type operation struct {
	name   string
	method string
	// In path and body, {id} is replaced by an organization's id and {n} by a number of nine
	// digits. Each request gets random ones.
	path, body string
	// calls is a part of the statement's text that identifies the statement.
	calls string
	// params are the values of $1, $2 … in the statement that pgbench runs.
	params []string
	status int // of a successful response
	// effect is a query whose result increases with each change. It is empty for an
	// operation that changes nothing.
	effect string
}

var operations = []operation{
	{
		name:   "create",
		method: http.MethodPost,
		path:   "/v1/orgs",
		body:   `{"orgName":"Kvarnby Logistics {n}","metadata":{"plan":"team","crm_id":"CRM-{n}"}}`,
		calls:  "org_create_",
		params: []string{
			sqlAccount, sqlNewID, sqlName, sqlFolded, sqlMetadata, sqlNull, // no external id
			"false", sqlNull, "true", sqlNull, // no import: the database's time, active, no creator
			sqlKeyID, sqlNull, ":request",
			sqlNull, sqlNull, sqlNull, sqlNull, // NULL, because the requests do not count their retries
		},
		status: http.StatusCreated,
		effect: "SELECT count(*) FROM orgs",
	},
	{
		name:   "retrieve",
		method: http.MethodGet,
		path:   "/v1/orgs/{id}",
		calls:  "version\nFROM orgs",
		params: []string{sqlAccount, sqlID},
		status: http.StatusOK,
	},
	{
		name:   "patch",
		method: http.MethodPatch,
		path:   "/v1/orgs/{id}",
		body:   `{"orgName":"Kvarnby Logistics {n}","metadata":{"plan":"team","crm_id":"CRM-{n}"}}`,
		calls:  "org_update_",
		params: []string{
			sqlAccount, sqlID, sqlNull, sqlNull, // any version and revision
			sqlName, sqlFolded, sqlMetadata, sqlNull, sqlNull, sqlNull, // no patch, external id or state
			sqlKeyID, sqlNull, ":request",
		},
		status: http.StatusOK,
		effect: "SELECT sum(revision) FROM orgs",
	},
}

// Values of parameters for pgbench. The variables that a script sets are numbers, so SQL
// builds the other types. This costs too little to affect the figures.
const (
	sqlAccount  = ":account"
	sqlKeyID    = ":key"
	sqlID       = `(lpad(to_hex(:high::bigint), 16, '0') || to_hex(:low::bigint))::uuid`
	sqlNewID    = `(lpad(to_hex(:born::bigint), 16, '0') || to_hex(:random::bigint))::uuid`
	sqlName     = `'Kvarnby Logistics ' || :n`
	sqlFolded   = `'kvarnby logistics ' || :n`
	sqlMetadata = `('{"plan":"team","crm_id":"CRM-' || :n || '"}')::jsonb`
	sqlNull     = ":nothing" // with --protocol prepared, a variable that is never set is NULL
)

// sample returns one request of the operation.
func (o operation) sample(id string) (path, body string) {
	replace := strings.NewReplacer("{id}", id, "{n}", "123456789").Replace
	return replace(o.path), replace(o.body)
}
