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
	// digits. Each request gets new ones.
	path, body string
	// params are the values of $1, $2 … of the statement for pgbench.
	params []string
	status int // of the answer
}

var operations = []operation{
	{
		name:   "create",
		method: http.MethodPost,
		path:   "/v1/orgs",
		body:   `{"orgName":"Kvarnby Logistics {n}","metadata":{"plan":"team","crm_id":"CRM-{n}"}}`,
		params: []string{
			sqlAccount, sqlNewID, sqlName, sqlFolded, sqlMetadata, sqlKeyID, sqlNull, ":created", ":request",
			sqlNull, sqlNull, sqlNull, sqlNull, // because the requests do not count their retries
		},
		status: http.StatusCreated,
	},
	{
		name:   "retrieve",
		method: http.MethodGet,
		path:   "/v1/orgs/{id}",
		params: []string{sqlAccount, sqlID},
		status: http.StatusOK,
	},
	{
		name:   "patch",
		method: http.MethodPatch,
		path:   "/v1/orgs/{id}",
		body:   `{"orgName":"Kvarnby Logistics {n}","metadata":{"plan":"team","crm_id":"CRM-{n}"}}`,
		params: []string{
			sqlAccount, sqlID, sqlName, sqlFolded, sqlMetadata, sqlNull, sqlNull, ":updated", sqlKeyID, sqlNull, ":request",
			":low",
		},
		status: http.StatusOK,
	},
}

// Values of parameters for pgbench. Its variables are numbers, except constants, so SQL
// builds the other types. Its cost is too small to show in the time of a statement.
const (
	sqlAccount  = ":account"
	sqlKeyID    = ":key"
	sqlID       = `(lpad(to_hex(:high::bigint), 16, '0') || to_hex(:low::bigint))::uuid`
	sqlNewID    = `(lpad(to_hex(:born::bigint), 16, '0') || to_hex(:random::bigint))::uuid`
	sqlName     = `'Kvarnby Logistics ' || :n`
	sqlFolded   = `'kvarnby logistics ' || :n`
	sqlMetadata = `('{"plan":"team","crm_id":"CRM-' || :n || '"}')::jsonb`
	sqlNull     = ":nothing" // a variable that is never set is NULL, given --protocol prepared
)

// sample returns one request of the operation.
func (o operation) sample(id string) (path, body string) {
	replace := strings.NewReplacer("{id}", id, "{n}", "123456789").Replace
	return replace(o.path), replace(o.body)
}
