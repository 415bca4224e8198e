package http_test

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// A consumer keeps a copy of an account up to date, following the rules in docs/api.md. It
// uses only GET /v1/events, unless it starts from the lists.
type consumer struct {
	cursor   string
	position int // of the last event that it applied
	orgs     map[string]*heldOrg
	keys     map[string]apiKey
}

// heldOrg is an organization as a consumer holds it. userCount is the number of members.
type heldOrg struct {
	organization
	members map[string]listedMember // by addedAt; the userId is empty if the user has been erased
}

func newConsumer() *consumer {
	return &consumer{orgs: map[string]*heldOrg{}, keys: map[string]apiKey{}}
}

// all is more events than any test writes.
const all = 1_000_000

// follow applies at most limit further events.
func (c *consumer) follow(t testing.TB, a *api, key string, limit int) {
	t.Helper()
	for more := limit > 0; more; {
		page := a.feed(t, key, c.cursor, min(limit, 100))
		for _, e := range page.Events {
			c.apply(t, e)
			c.position = e.Position
		}
		c.cursor = page.Cursor
		limit -= len(page.Events)
		more = page.HasMore && limit > 0
	}
}

// feed returns a page of the feed of the key's account. cursor is "" for the beginning.
func (a *api) feed(t testing.TB, key, cursor string, limit int) feedPage {
	t.Helper()
	target := fmt.Sprint("/v1/events?limit=", limit)
	if cursor != "" {
		target += "&cursor=" + cursor
	}
	return read[feedPage](t, a.call(t, "GET", target, "Authorization", "Bearer "+key), 200)
}

// wholeFeed returns all events of the key's account.
func (a *api) wholeFeed(t testing.TB, key string) (events []feedEvent) {
	t.Helper()
	for page := (feedPage{HasMore: true}); page.HasMore; {
		page = a.feed(t, key, page.Cursor, 100)
		events = append(events, page.Events...)
	}
	return events
}

func (c *consumer) apply(t testing.TB, e feedEvent) {
	t.Helper()
	switch {
	case e.OrgID != "":
		c.applyToOrg(t, e)
	case e.APIKeyID != "":
		c.applyToKey(t, e)
	}
}

// contents are the fields of before and after that a consumer uses.
type contents struct {
	OrgName    string            `json:"orgName"`
	CreatedAt  string            `json:"createdAt"`
	Metadata   map[string]string `json:"metadata"`
	ExternalID string            `json:"externalId"`
	AddedAt    string            `json:"addedAt"`
	Roles      []string          `json:"roles"`
}

func (c *consumer) applyToOrg(t testing.TB, e feedEvent) {
	t.Helper()
	var before, after contents
	into(t, e.Before, &before)
	into(t, e.After, &after)
	o := c.orgs[e.OrgID]
	switch {
	case e.Type == "org.deleted":
		delete(c.orgs, e.OrgID)
		return
	case (e.Type == "org.created" || e.Type == "org.imported") && o == nil && after.OrgName != "":
		o = &heldOrg{members: map[string]listedMember{}, organization: organization{
			OrgID: e.OrgID, IsActive: true, CreatedAt: e.OccurredAt, CreatedByAPIKeyID: e.ActorAPIKeyID, CreatedByUserID: e.ActorUserID,
		}}
		if after.CreatedAt != "" { // an import
			o.CreatedByUserID = e.UserID
		}
		c.orgs[e.OrgID] = o
	case o == nil: // the organization has since been deleted
		return
	case !readTime(t, e.OccurredAt).After(readTime(t, o.UpdatedAt)): // begin read a state that includes this event
		return
	}
	o.UpdatedAt = e.OccurredAt
	switch e.Type {
	case "org.created", "org.imported", "org.updated", "org.deactivated", "org.reactivated":
		into(t, e.After, &o.organization)
		o.Revision++
		if after.Metadata != nil {
			o.Metadata = after.Metadata // not merged with the old one
		}
		if len(o.Metadata) == 0 {
			o.Metadata = nil
		}
	case "org.member_added":
		o.members[e.OccurredAt] = listedMember{UserID: e.UserID, AddedAt: e.OccurredAt, Roles: after.Roles}
	case "org.member_imported":
		o.members[after.AddedAt] = listedMember{UserID: e.UserID, AddedAt: after.AddedAt, Roles: after.Roles}
	case "org.member_updated":
		if member, ok := o.members[before.AddedAt]; ok {
			member.Roles = after.Roles
			o.members[before.AddedAt] = member
		}
	case "org.member_removed":
		delete(o.members, before.AddedAt)
	case "org.user_erased":
		delete(o.members, before.AddedAt)
		into(t, e.After, &o.organization)
	}
	o.UserCount = len(o.members)
}

func (c *consumer) applyToKey(t testing.TB, e feedEvent) {
	t.Helper()
	k := c.keys[e.APIKeyID]
	if e.Type == "api_key.created" {
		k = apiKey{APIKeyID: e.APIKeyID, CreatedAt: e.OccurredAt, CreatedByAPIKeyID: e.ActorAPIKeyID}
	}
	into(t, e.After, &k)
	c.keys[e.APIKeyID] = k
}

// into sets the fields that the JSON object has. null removes a value.
func into(t testing.TB, object map[string]any, v any) {
	t.Helper()
	fields := map[string]any{}
	for name, value := range object {
		if fields[name] = value; value == nil {
			fields[name] = "" // every field that can be null is a string
		}
	}
	text, err := json.Marshal(fields)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, v); err != nil {
		t.Fatalf("%v in %s", err, text)
	}
}

// begin loads the organizations and keys that the API lists, as a consumer that starts
// late does. Take a cursor of the feed before this call, and call readMembers after it.
func (c *consumer) begin(t testing.TB, a *api, key string) {
	t.Helper()
	c.orgs = map[string]*heldOrg{}
	c.keys = a.listedKeys(t, key)
	for cursor := ""; ; {
		entries, next := readOrgs(t, a.call(t, "GET", "/v1/orgs?limit=100"+cursor, "Authorization", "Bearer "+key))
		for _, e := range entries {
			c.orgs[e.org.OrgID] = &heldOrg{organization: e.org, members: map[string]listedMember{}}
		}
		if next == "" {
			return
		}
		cursor = "&cursor=" + next
	}
}

// readMembers reads the members of the organizations that begin loaded. It removes
// organizations that have since been deleted.
func (c *consumer) readMembers(t testing.TB, a *api, key string) {
	t.Helper()
	for id, o := range c.orgs {
		got := a.call(t, "GET", "/v1/orgs/"+id+"/users?limit=100", "Authorization", "Bearer "+key)
		if got.status == 404 {
			delete(c.orgs, id)
			continue
		}
		for _, m := range got.members(t).Users {
			o.members[m.AddedAt] = m
		}
	}
}

// listedKeys returns the keys that the API lists, by their ids. It clears lastUsedAt,
// because no event contains it.
func (a *api) listedKeys(t testing.TB, key string) map[string]apiKey {
	t.Helper()
	keys := map[string]apiKey{}
	for cursor := ""; ; {
		var page struct {
			Cursor  string
			APIKeys []apiKey
		}
		a.call(t, "GET", "/v1/api-keys?limit=100"+cursor, "Authorization", "Bearer "+key).decode(t, &page)
		for _, k := range page.APIKeys {
			k.LastUsedAt = ""
			keys[k.APIKeyID] = k
		}
		if page.Cursor == "" {
			return keys
		}
		cursor = "&cursor=" + page.Cursor
	}
}

// isAt compares what the consumer holds with the account.
func (c *consumer) isAt(t testing.TB, orgs map[string]*heldOrg, keys map[string]apiKey) {
	t.Helper()
	if diff := cmp.Diff(orgs, c.orgs, cmp.AllowUnexported(heldOrg{}), cmpopts.EquateEmpty()); diff != "" {
		t.Fatalf("at event %d, the consumer holds other organizations (-account +consumer):\n%s", c.position, diff)
	}
	if diff := cmp.Diff(keys, c.keys, cmpopts.EquateEmpty()); diff != "" {
		t.Fatalf("at event %d, the consumer holds other keys (-account +consumer):\n%s", c.position, diff)
	}
}

// listed returns what the API lists.
func (a *api) listed(t testing.TB, key string) (map[string]*heldOrg, map[string]apiKey) {
	t.Helper()
	c := newConsumer()
	c.begin(t, a, key)
	c.readMembers(t, a, key)
	return c.orgs, c.keys
}

// Wherever a consumer stopped, it ends up without the erased user, and no event that it can
// still read contains the user's id.
func TestConsumerOfAnErasure(t *testing.T) {
	t.Parallel()
	a := newAPI(t)
	acting := []string{"Authorization", "Bearer " + a.key, "Orgd-User", userOne}
	paths := map[string]string{}
	for _, name := range []string{"member", "left", "again", "created", "deleted"} {
		by := acting
		if name != "created" {
			by = acting[:2:2]
		}
		path := "/v1/orgs/" + a.doAs(t, "POST", "/v1/orgs", `{"orgName":"`+name+`"}`, by...).organization(t, 201).OrgID
		paths[name] = path
		a.do(t, "PATCH", path+"/users", `{"add":[{"userId":"`+userOne+`","roles":["owner"]},{"userId":"`+userTwo+`"}]}`)
		a.do(t, "PATCH", path+"/users", `{"add":[{"userId":"`+userOne+`","roles":["billing:read"]},{"userId":"`+userTwo+`","roles":["owner"]}]}`)
	}
	for _, name := range []string{"left", "again"} {
		a.do(t, "DELETE", paths[name]+"/users", member(userOne)).ok(t)
	}
	a.doAs(t, "POST", paths["again"]+"/users", member(userOne), acting...).ok(t)
	a.do(t, "POST", paths["deleted"]+"/deactivate", "")

	// One consumer stopped at each position in the feed.
	var stopped []*consumer
	for n := range len(a.wholeFeed(t, a.key)) + 1 {
		c := newConsumer()
		c.follow(t, a, a.key, n)
		stopped = append(stopped, c)
	}
	orgs, keys := a.listed(t, a.key)
	stopped[len(stopped)-1].isAt(t, orgs, keys)

	a.do(t, "DELETE", paths["deleted"], "")
	a.do(t, "DELETE", "/v1/users/"+userOnePath, "")
	for pieces, done := 0, false; !done; pieces++ {
		if err := a.Pool.QueryRow(context.Background(), "SELECT done FROM user_erase_1($1, $2, 1)", a.account, userOne).Scan(&done); err != nil {
			t.Fatal(err)
		}
		for n, c := range stopped {
			if (n+pieces)%4 == 0 {
				c.follow(t, a, a.key, 3)
			}
		}
		c := newConsumer()
		c.follow(t, a, a.key, all)
		orgs, keys = a.listed(t, a.key)
		c.isAt(t, orgs, keys)
	}
	if _, err := a.orgs.Erase(context.Background()); err != nil { // the deleted organization
		t.Fatal(err)
	}
	for _, e := range a.wholeFeed(t, a.key) {
		if e.UserID == userOne || e.ActorUserID == userOne {
			t.Errorf("%+v names the user", e)
		}
	}
	for n, c := range stopped {
		c.follow(t, a, a.key, all)
		c.isAt(t, orgs, keys)
		if t.Failed() {
			t.Fatalf("stopped after %d events", n)
		}
	}

	// The member count is right after every event, even though the events about the erased
	// user no longer contain the user's id.
	c := newConsumer()
	var counts []int
	for _, e := range a.wholeFeed(t, a.key) {
		if c.apply(t, e); "/v1/orgs/"+e.OrgID == paths["again"] {
			counts = append(counts, c.orgs[e.OrgID].UserCount)
		}
	}
	if want := []int{0, 1, 2, 2, 2, 1, 2, 1}; !slices.Equal(counts, want) {
		t.Errorf("userCount %v, want %v", counts, want)
	}
}

const userOnePath = "auth0%7C0197f3a1"

// Every change of a key is in the feed.
func TestConsumerOfKeys(t *testing.T) {
	t.Parallel()
	a := newAPI(t)
	c := newConsumer()
	step := func(status int, method, target, body string) apiKey {
		t.Helper()
		k := a.do(t, method, target, body).apiKey(t, status)
		c.follow(t, a, a.key, all)
		orgs, keys := a.listed(t, a.key)
		c.isAt(t, orgs, keys)
		return k
	}
	one := step(201, "POST", "/v1/api-keys", `{"description":"CI","scopes":["orgs:read","orgs:write"],"expiresAt":`+own+`}`)
	path := "/v1/api-keys/" + one.APIKeyID
	step(200, "PATCH", path, `{"description":"Nightly","expiresAt":`+later+`}`)
	step(200, "PATCH", path, `{"expiresAt":null}`)
	step(200, "PATCH", path, `{"expiresAt":`+later+`}`)
	two := step(201, "POST", path+"/rotate", "")
	step(200, "POST", path+"/revoke", "")
	step(200, "POST", path+"/revoke", "")
	for _, overlap := range []int{0, 60} {
		two = step(201, "POST", "/v1/api-keys/"+two.APIKeyID+"/rotate", fmt.Sprintf(`{"overlapSeconds":%d}`, overlap))
	}
}
