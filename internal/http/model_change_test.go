package http_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// operations are the calls that make a change.
var operations = map[string]struct{ method, suffix, event string }{
	"create":     {http.MethodPost, "", "org.created"},
	"update":     {http.MethodPatch, "", "org.updated"},
	"deactivate": {http.MethodPost, "/deactivate", "org.deactivated"},
	"reactivate": {http.MethodPost, "/reactivate", "org.reactivated"},
	"add":        {http.MethodPost, "/users", "org.member_added"},
	"remove":     {http.MethodDelete, "/users", "org.member_removed"},
}

// change is a call that makes a change.
type change struct {
	op        string
	by        *modelClient
	user      string // whom it acts for
	orgID     string // "" to create
	orgName   *string
	metadata  *map[string]string // to nil is null
	userID    string
	match     string // If-Match
	key       string // Idempotency-Key
	retries   string // X-Stainless-Retry-Count
	requestID string
}

func (c change) path() string {
	if c.op == "create" {
		return "/v1/orgs"
	}
	return "/v1/orgs/" + c.orgID + operations[c.op].suffix
}

func (c change) body(t testing.TB) string {
	t.Helper()
	fields := map[string]any{}
	if c.orgName != nil {
		fields["orgName"] = *c.orgName
	}
	if c.metadata != nil {
		fields["metadata"] = *c.metadata
	}
	if c.userID != "" {
		fields["userId"] = c.userID
	}
	body, err := json.Marshal(fields)
	if err != nil {
		t.Fatal(err)
	}
	if operations[c.op].suffix == "/reactivate" {
		return "" // as {} is
	}
	return string(body)
}

func (c change) headers() []string {
	headers := []string{"Authorization", "Bearer " + c.by.key, "X-Request-Id", c.requestID}
	for name, value := range map[string]string{
		"Orgd-User": c.user, "If-Match": c.match, "Idempotency-Key": c.key, "X-Stainless-Retry-Count": c.retries,
	} {
		if value != "" {
			headers = append(headers, name, value)
		}
	}
	return headers
}

// name is the name under which the first result is stored, "" if it is not stored.
func (c change) name() string {
	if c.key == "" || operations[c.op].method == http.MethodDelete {
		return ""
	}
	return c.op + " " + c.key
}

// said is what the repeats of a named call must repeat. White space around a name is
// not part of it, nor is the API key.
func (c change) said(t testing.TB) string {
	t.Helper()
	if c.orgName != nil {
		name := strings.TrimSpace(*c.orgName)
		c.orgName = &name
	}
	return fmt.Sprintf("%s %s %s as %s if %s", c.op, c.orgID, c.body(t), c.user, c.match)
}

// remember stores the answer that a repeat of the call gets.
func (c change) remember(t testing.TB, got answer) {
	t.Helper()
	account := c.by.account
	switch {
	case c.name() != "":
		account.firsts[c.name()] = firstCall{said: c.said(t), answer: got}
		account.keyed = append(account.keyed, c)
	case c.op == "create":
		account.made = append(account.made, c)
	}
}

// create adds the organization that the call created, with the values that the server
// chose. It is the newest of its account.
func (c change) create(t testing.TB, got answer) *modelOrg {
	t.Helper()
	made := got.organization(t, 201)
	o := &modelOrg{account: c.by.account, version: 1, members: map[string]time.Time{}, organization: organization{
		CreatedAt: made.CreatedAt, UpdatedAt: made.CreatedAt, OrgID: made.OrgID, IsActive: true,
		CreatedByAPIKeyID: c.by.id.String(), CreatedByUserID: c.user,
	}}
	c.put(o)
	o.trail = []action{c.action()}
	if orgs := o.account.orgs; len(orgs) > 0 && !o.entry(t).precedes(orgs[len(orgs)-1].entry(t).position) {
		t.Fatalf("made at %s, after one at %s", o.CreatedAt, orgs[len(orgs)-1].CreatedAt)
	}
	o.account.orgs = append(o.account.orgs, o)
	return o
}

// apply changes the organization, or returns the error code.
func (c change) apply(o *modelOrg) string {
	if o == nil {
		return "not_found"
	}
	if c.match != "" && c.match != "*" && !slices.Contains(strings.Split(unmarked.Replace(c.match), ", "), o.tag()) {
		return "precondition_failed"
	}
	before := o.organization
	switch _, isMember := o.members[c.userID]; {
	case c.op == "deactivate", c.op == "reactivate":
		o.IsActive = c.op == "reactivate"
	case c.op == "add" && !isMember && !o.IsActive:
		return "org_inactive"
	case c.op == "add" && !isMember:
		o.members[c.userID] = time.Time{}
	case c.op == "remove":
		delete(o.members, c.userID)
	default:
		c.put(o)
	}
	o.UserCount = len(o.members)
	if !cmp.Equal(before, o.organization) {
		o.version++
		o.unread = true
		o.trail = append(o.trail, c.action())
	}
	return ""
}

// put sets the fields that the body gives.
func (c change) put(o *modelOrg) {
	if c.orgName != nil {
		o.OrgName = strings.TrimSpace(*c.orgName)
	}
	if c.metadata != nil {
		o.Metadata = maps.Clone(*c.metadata)
		if len(o.Metadata) == 0 {
			o.Metadata = nil // left out when empty
		}
	}
}

func (c change) action() action {
	return action{Type: operations[c.op].event, RequestID: c.requestID, KeyID: c.by.id.String(), User: c.user}
}
