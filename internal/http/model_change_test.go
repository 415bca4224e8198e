package http_test

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
)

// operations are the calls that change something, with the types of their events.
var operations = map[string]struct{ method, suffix, event string }{
	"create":     {http.MethodPost, "", "org.created"},
	"create all": {http.MethodPost, "", "org.created"},
	"put":        {http.MethodPut, "", "org.created"},
	"metadata":   {http.MethodPatch, "/metadata", "org.updated"},
	"update":     {http.MethodPatch, "", "org.updated"},
	"deactivate": {http.MethodPost, "/deactivate", "org.deactivated"},
	"reactivate": {http.MethodPost, "/reactivate", "org.reactivated"},
	"add":        {http.MethodPost, "/users", "org.member_added"},
	"remove":     {http.MethodDelete, "/users", "org.member_removed"},
	"delete":     {http.MethodDelete, "", "org.deleted"},
	"put member": {http.MethodPut, "/users/", ""},
	"end":        {http.MethodDelete, "/users/", ""},
	"batch":      {http.MethodPatch, "/users", ""},
	"erase":      {http.MethodDelete, "", "org.user_erased"},
}

// change is a call that makes a change.
type change struct {
	op        string
	by        *modelClient
	user      string // the acting user, or ""
	orgID     string // "" in a creation or an erasure
	orgName   *string
	metadata  *map[string]string // a pointer to nil is sent as null
	patch     map[string]*string // for the metadata
	external  *string            // a pointer to "" is sent as null
	imported  *modelImport       // of a creation; nil for none
	all       []change           // the creations of a batch
	revision  int                // 0 for none
	userID    string
	match     string // If-Match
	key       string // Idempotency-Key
	retries   string // X-Stainless-Retry-Count
	requestID string

	additions []addition // new members and new roles
	removals  []string
	did       membersDone // the expected answer to a batch
}

// modelImport has the fields of an import. Zero values are not sent.
type modelImport struct {
	OrgID           string `json:"orgId,omitempty"`
	CreatedAt       string `json:"createdAt,omitempty"`
	IsActive        *bool  `json:"isActive,omitempty"`
	CreatedByUserID string `json:"createdByUserId,omitempty"`
}

type addition struct {
	UserID string    `json:"userId"`
	Roles  *[]string `json:"roles,omitempty"`
}

// membersDone is the answer to a batch.
type membersDone struct{ Added, Removed, Updated, Unchanged, UserCount int }

func (c change) path() string {
	path := "/v1/orgs/" + c.orgID + operations[c.op].suffix
	switch {
	case c.op == "create":
		return "/v1/orgs"
	case c.op == "create all":
		return "/v1/orgs/batch"
	case c.op == "put":
		return "/v1/orgs/external/" + url.PathEscape(*c.external)
	case c.op == "erase":
		return "/v1/users/" + url.PathEscape(c.userID)
	case (c.op == "metadata" || c.op == "delete") && c.revision != 0:
		return path + "?revision=" + strconv.Itoa(c.revision)
	}
	if strings.HasSuffix(path, "/") {
		path += url.PathEscape(c.userID)
	}
	return path
}

func (c change) body(t testing.TB) string {
	fields := map[string]any{}
	if c.imported != nil {
		text, err := json.Marshal(c.imported)
		if err == nil {
			err = json.Unmarshal(text, &fields)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if c.op == "create all" {
		var bodies []json.RawMessage
		for _, one := range c.all {
			bodies = append(bodies, json.RawMessage(one.body(t)))
		}
		fields["organizations"] = bodies
	}
	if c.orgName != nil {
		fields["orgName"] = *c.orgName
	}
	if c.metadata != nil {
		fields["metadata"] = *c.metadata
	}
	switch c.op {
	case "add", "remove":
		fields["userId"] = c.userID
	case "put member":
		if roles := c.additions[0].Roles; roles != nil {
			fields["roles"] = *roles
		}
	case "batch":
		fields["add"], fields["remove"] = c.additions, c.removals
	}
	if c.revision != 0 && c.op != "delete" {
		fields["revision"] = c.revision
	}
	if c.external != nil && c.op != "put" {
		fields["externalId"] = c.external
		if *c.external == "" {
			fields["externalId"] = nil
		}
	}
	var sent any = fields
	if c.op == "metadata" {
		sent = c.patch
	}
	body, err := json.Marshal(sent)
	if err != nil {
		t.Fatal(err)
	}
	if (c.op == "reactivate" || c.op == "delete" || c.op == "erase") && len(fields) == 0 {
		return "" // has the same effect as {}
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

// name returns the operation with the Idempotency-Key. The first result is stored under
// this name. name returns "" if no result is stored.
func (c change) name() string {
	if c.key == "" || !takesKey(c.op) {
		return ""
	}
	return c.op + " " + c.key
}

func takesKey(op string) bool {
	return operations[op].method == http.MethodPost || operations[op].method == http.MethodPatch
}

// said returns what must be equal in a call with an Idempotency-Key and its repeats.
// White space around a name, and the API key of the caller, may differ.
func (c change) said(t testing.TB) string {
	t.Helper()
	if c.orgName != nil {
		name := strings.TrimSpace(*c.orgName)
		c.orgName = &name
	}
	return fmt.Sprintf("%s %s %s as %s if %s at %d", c.op, c.orgID, c.body(t), c.user, c.match, c.revision)
}

// remember stores the answer that repeats of the call get. A call whose id or external id
// was taken, or that lacked a scope, has no repeats: it runs again.
func (c change) remember(t testing.TB, got answer) {
	t.Helper()
	account := c.by.account
	switch {
	case got.status == 403, got.status == 409 && slices.Contains([]string{"external_id_taken", "org_id_taken"}, got.problem(t).Code):
	case c.name() != "":
		account.firsts[c.name()] = firstCall{said: c.said(t), answer: got}
		account.keyed = append(account.keyed, c)
	case c.op == "create":
		account.made = append(account.made, c)
	}
}

// create adds the created organization to the model, with the values that the server
// chose. It must be newer than all others of its account, except for imports.
func (c change) create(t testing.TB, made organization) *modelOrg {
	o := &modelOrg{account: c.by.account, version: 1, members: map[string]time.Time{}, roles: map[string][]string{}, organization: organization{
		CreatedAt: made.UpdatedAt, UpdatedAt: made.UpdatedAt, OrgID: made.OrgID, IsActive: true,
		CreatedByAPIKeyID: c.by.id.String(), CreatedByUserID: c.user, Revision: 1,
	}}
	c.put(o)
	o.trail = []action{c.action()}
	if i := c.imported; i != nil {
		o.imported = true
		o.OrgID = cmp.Or(i.OrgID, o.OrgID)
		o.CreatedAt = cmp.Or(i.CreatedAt, o.CreatedAt)
		o.IsActive = i.IsActive == nil || *i.IsActive
		o.CreatedByUserID = cmp.Or(i.CreatedByUserID, o.CreatedByUserID)
		o.trail[0].Member = o.CreatedByUserID
	}
	list := &walk{}
	for _, other := range o.account.orgs {
		if !o.imported && !other.imported && !list.precedes(list.entry(t, o.organization).position, list.entry(t, other.organization).position) {
			t.Fatalf("made at %s, after one at %s", o.CreatedAt, other.CreatedAt)
		}
	}
	o.account.orgs = append(o.account.orgs, o)
	return o
}

// refusal returns why the organization cannot be created: the code, and the organization
// that has the external id.
func (c change) refusal() (code string, holder *modelOrg) {
	if holder = c.holder(); holder != nil {
		return "external_id_taken", holder
	}
	a := c.by.account
	if i := c.imported; i != nil && i.OrgID != "" && slices.ContainsFunc(slices.Concat(a.orgs, a.deleted), func(o *modelOrg) bool { return o.OrgID == i.OrgID }) {
		return "org_id_taken", nil
	}
	return "", nil
}

// apply makes the change to the organization, or returns an error code.
func (c *change) apply(o *modelOrg) string {
	if o == nil {
		return "not_found"
	}
	if c.match != "" && c.match != "*" && !slices.Contains(strings.Split(unmarked.Replace(c.match), ", "), o.tag()) {
		return "precondition_failed"
	}
	if c.revision != 0 && c.revision != o.Revision {
		return "precondition_failed"
	}
	if holder := c.holder(); holder != nil && holder != o {
		return "external_id_taken"
	}
	if c.op == "delete" {
		return c.delete(o)
	}
	before := o.organization
	switch c.op {
	case "add":
		c.additions = []addition{{UserID: c.userID}}
	case "remove", "end":
		c.removals = []string{c.userID}
	}
	switch {
	case c.op == "deactivate", c.op == "reactivate":
		o.IsActive = c.op == "reactivate"
	case c.additions != nil || c.removals != nil:
		return c.applyMembers(o)
	case c.op == "metadata":
		o.Metadata = maps.Clone(o.Metadata)
		for key, value := range c.patch {
			switch {
			case value == nil:
				delete(o.Metadata, key)
			case o.Metadata == nil:
				o.Metadata = map[string]string{key: *value}
			default:
				o.Metadata[key] = *value
			}
		}
		if len(o.Metadata) == 0 {
			o.Metadata = nil // omitted in JSON
		}
	default:
		c.put(o)
	}
	if !gocmp.Equal(before, o.organization) {
		o.version++
		if c.userID == "" {
			o.Revision++
		}
		o.unread = true
		o.trail = append(o.trail, c.action())
	}
	return ""
}

// holder returns the organization that has the external id of the call, or nil.
func (c change) holder() *modelOrg {
	if c.external == nil || *c.external == "" {
		return nil
	}
	for _, o := range c.by.account.orgs {
		if o.ExternalID == *c.external {
			return o
		}
	}
	return nil
}

// delete removes the organization from its account, and forgets the stored results about
// it. The key of a batch that created it stays, but the call can no longer be repeated.
func (c change) delete(o *modelOrg) string {
	if o.IsActive {
		return "org_active"
	}
	a := o.account
	a.orgs = slices.DeleteFunc(a.orgs, func(other *modelOrg) bool { return other == o })
	a.deleted = append(a.deleted, o)
	a.keyed = slices.DeleteFunc(a.keyed, func(k change) bool {
		first := a.firsts[k.name()]
		about := k.orgID == o.OrgID || first.status < 400 && strings.Contains(string(first.body), o.OrgID)
		switch {
		case about && k.op == "create all":
			first.isIncomplete = true
			a.firsts[k.name()] = first
			return false
		case about:
			delete(a.firsts, k.name())
		}
		return about
	})
	return ""
}

// applyMembers changes the members of the organization, or returns an error code.
func (c *change) applyMembers(o *modelOrg) string {
	for _, a := range c.additions {
		if _, isMember := o.members[a.UserID]; !isMember && !o.IsActive {
			return "org_inactive"
		}
	}
	if _, isMember := o.members[c.userID]; c.op == "end" && !isMember {
		return "not_found"
	}
	trail := len(o.trail)
	for _, user := range c.removals {
		if _, isMember := o.members[user]; isMember {
			delete(o.members, user)
			delete(o.roles, user)
			c.did.Removed++
			o.trail = append(o.trail, c.actionOn(user, "org.member_removed"))
		}
	}
	for _, a := range c.additions {
		_, isMember := o.members[a.UserID]
		var wanted []string
		if a.Roles != nil {
			wanted = slices.Sorted(slices.Values(*a.Roles))
		}
		switch {
		case !isMember:
			c.did.Added++
			o.members[a.UserID] = time.Time{}
			o.trail = append(o.trail, c.actionOn(a.UserID, "org.member_added"))
		case a.Roles != nil && !slices.Equal(wanted, o.roles[a.UserID]):
			c.did.Updated++
			o.trail = append(o.trail, c.actionOn(a.UserID, "org.member_updated"))
		}
		if a.Roles != nil {
			o.roles[a.UserID] = wanted
		}
	}
	o.UserCount = len(o.members)
	changed := len(o.trail) - trail
	c.did.Unchanged, c.did.UserCount = len(c.additions)+len(c.removals)-changed, o.UserCount
	o.version += changed
	o.unread = o.unread || changed > 0
	return ""
}

// put sets the fields that the body has.
func (c change) put(o *modelOrg) {
	if c.orgName != nil {
		o.OrgName = strings.TrimSpace(*c.orgName)
	}
	if c.metadata != nil {
		o.Metadata = maps.Clone(*c.metadata)
		if len(o.Metadata) == 0 {
			o.Metadata = nil // omitted in JSON
		}
	}
	if c.external != nil {
		o.ExternalID = *c.external
	}
}

func (c change) action() action { return c.actionOn("", operations[c.op].event) }

func (c change) actionOn(member, event string) action {
	return action{Type: event, RequestID: c.requestID, KeyID: c.by.id.String(), User: c.user, Member: member}
}
