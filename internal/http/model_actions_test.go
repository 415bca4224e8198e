package http_test

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"pgregory.net/rapid"

	"orgd/internal/uuid"
)

// This file has the actions of the model's clients, and the functions that draw random
// values for them.

const userThree = "ünïcode/%41+b@example.com"

var modelUsers = []string{userOne, userTwo, userThree}

var (
	modelNames     = []string{"Acme", "acme two", "Zürich AG", "Zurich", "a", "100%", "x_y"}
	modelExternals = []string{"crm/4711", "50%+ä b", "org.1|😀"}
	modelIDs       = []string{"org_00000000000000000000000000000001", "org_80000000000000000000000000000000", "org_ffffffffffffffffffffffffffffffff"}
	modelMetadata  = []map[string]string{{"plan": "pro"}, {"plan": "free", "region": "eu"}, {"Ключ": "", "n": "\n\""}}
)

// draw returns a random new call of the operation. It is not a repeat.
func (m *model) draw(t *rapid.T, op string) change {
	clients := m.clients
	if op == "erase" {
		clients = clients[1:] // the first client may not erase users
	}
	c := change{op: op, by: rapid.SampledFrom(clients).Draw(t, "client")}
	c.user = rapid.SampledFrom(c.by.users).Draw(t, "acting")
	if takesKey(op) && rapid.Bool().Draw(t, "named") {
		c.key = fmt.Sprint("key-", m.calls)
	}
	if op != "create" && op != "create all" && op != "put" && op != "erase" {
		c.orgID = m.drawID(t, c.by.account)
	}
	c.match = m.drawMatch(t, c)
	c.drawBody(t)
	c.revision = m.drawRevision(t, c)
	return c
}

// drawRevision draws a revision, for a call that takes one.
func (m *model) drawRevision(t *rapid.T, c change) int {
	o := m.find(c.by.account, c.orgID)
	if o == nil || strings.HasPrefix(operations[c.op].suffix, "/users") {
		return 0
	}
	return rapid.SampledFrom([]int{0, 0, 0, o.Revision, o.Revision + 1, max(o.Revision-1, 1)}).Draw(t, "revision")
}

func (c *change) drawBody(t *rapid.T) {
	switch c.op {
	case "create", "put":
		name := rapid.SampledFrom(modelNames).Draw(t, "name")
		c.orgName = &name
		if rapid.Bool().Draw(t, "with metadata") {
			c.metadata = rapid.Ptr(rapid.SampledFrom(modelMetadata), false).Draw(t, "metadata")
		}
		c.retries = rapid.SampledFrom([]string{"", "0", "1"}).Draw(t, "retries")
		if c.op == "put" || rapid.IntRange(0, 3).Draw(t, "with an external id") == 0 {
			c.external = rapid.Ptr(rapid.SampledFrom(modelExternals), false).Draw(t, "externalId")
		}
		if c.imported = nil; c.op == "create" {
			c.imported = drawImport(t, modelIDs)
		}
	case "create all":
		externals, ids := rapid.Permutation(modelExternals).Draw(t, "external ids"), rapid.Permutation(modelIDs).Draw(t, "ids")
		c.all = nil
		for n := range rapid.IntRange(1, 3).Draw(t, "organizations") {
			one := change{op: "create", by: c.by, orgName: new(rapid.SampledFrom(modelNames).Draw(t, "name")), imported: drawImport(t, ids[n:n+1])}
			if rapid.IntRange(0, 2).Draw(t, "with an external id") == 0 {
				one.external = &externals[n]
			}
			c.all = append(c.all, one)
		}
	case "metadata":
		c.patch = rapid.SampledFrom([]map[string]*string{
			{}, {"plan": new("pro")}, {"plan": nil}, {"plan": new("free"), "region": nil, "Ключ": new("")}, {"region": new("eu"), "absent": nil},
		}).Draw(t, "patch")
	case "update":
		c.orgName = rapid.Ptr(rapid.SampledFrom(append(modelNames, " Acme\t")), true).Draw(t, "name")
		values := append([]map[string]string{nil}, modelMetadata...)
		if c.key == "" { // {} and null have the same effect, but the API does not define whether one repeats the other
			values = append(values, map[string]string{})
		}
		c.metadata = rapid.Ptr(rapid.SampledFrom(values), true).Draw(t, "metadata")
		c.external = rapid.SampledFrom([]*string{nil, nil, nil, new(""), &modelExternals[0], &modelExternals[1]}).Draw(t, "externalId")
	case "add", "remove", "end", "erase":
		c.userID = rapid.SampledFrom(modelUsers).Draw(t, "user")
	case "put member":
		c.userID = rapid.SampledFrom(modelUsers).Draw(t, "user")
		c.additions = []addition{drawAddition(t, c.userID)}
	case "batch":
		c.additions, c.removals = []addition{}, []string{}
		for _, user := range rapid.Permutation(modelUsers).Draw(t, "users") {
			switch rapid.IntRange(0, 3).Draw(t, "what") {
			case 0, 1:
				c.additions = append(c.additions, drawAddition(t, user))
			case 2:
				c.removals = append(c.removals, user)
			}
		}
	}
}

// drawImport returns nil for most creations.
func drawImport(t *rapid.T, ids []string) *modelImport {
	if rapid.IntRange(0, 3).Draw(t, "import") > 0 {
		return nil
	}
	i := modelImport{
		OrgID:           rapid.SampledFrom(append([]string{""}, ids...)).Draw(t, "orgId"),
		CreatedAt:       rapid.SampledFrom([]string{"", "2019-02-03T03:05:06.789000Z", "2020-01-01T00:00:00Z", "2020-01-01T00:00:00.000001Z"}).Draw(t, "createdAt"),
		CreatedByUserID: rapid.SampledFrom([]string{"", userOne, userThree}).Draw(t, "createdByUserId"),
	}
	if i == (modelImport{}) || rapid.Bool().Draw(t, "deactivated") {
		i.IsActive = new(i == (modelImport{}) && rapid.Bool().Draw(t, "active"))
	}
	return &i
}

// imports reports whether the call needs the scope orgs:import.
func (c change) imports() bool {
	return c.imported != nil || slices.ContainsFunc(c.all, change.imports)
}

func drawAddition(t *rapid.T, user string) addition {
	// Two roles are always in the same order: orgd ignores their order when it compares a
	// repeat with the first call, but said does not.
	return addition{UserID: user, Roles: rapid.Ptr(rapid.SampledFrom([][]string{{}, {"owner"}, {"owner", "billing:read"}}), true).Draw(t, "roles")}
}

// drawID usually returns the id of one of the account's own organizations, otherwise one
// of another account or an unknown one.
func (m *model) drawID(t *rapid.T, account *modelAccount) string {
	whose := rapid.IntRange(0, 9).Draw(t, "whose")
	of := account
	if whose == 1 {
		of = m.accounts[1-slices.Index(m.accounts, account)]
	}
	if whose == 0 || len(of.orgs) == 0 {
		return orgID(uuid.UUID(rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "id")))
	}
	return rapid.SampledFrom(of.orgs).Draw(t, "org").OrgID
}

// drawMatch draws an If-Match header, for a call that takes one.
func (m *model) drawMatch(t *rapid.T, c change) string {
	o := m.find(c.by.account, c.orgID)
	if o == nil {
		return ""
	}
	stale := fmt.Sprintf(`"%d"`, rapid.IntRange(0, o.version-1).Draw(t, "old version"))
	values := []string{"", "", "", o.tag(), stale}
	if c.key == "" { // the API does not define whether a call with * repeats one without the header
		values = append(values, "*", stale+", "+o.tag(), marked(o.tag()), marked(stale))
	}
	return rapid.SampledFrom(values).Draw(t, "match")
}

// marked returns a tag as a compressing proxy changes it.
func marked(tag string) string { return "W/" + strings.TrimSuffix(tag, `"`) + `-gzip"` }

var unmarked = strings.NewReplacer("W/", "", "-gzip", "")

// repeat sends an earlier call with an Idempotency-Key again: either the same call, or
// another call with the same key.
func (m *model) repeat(t *rapid.T) {
	first := m.drawFirst(t, func(a *modelAccount) []change { return a.keyed })
	c := first
	switch rapid.SampledFrom([]string{"same", "same", "same", "body", "client", "user", "id", "match", "operation"}).Draw(t, "but another") {
	case "body":
		c.drawBody(t)
	case "client":
		c.by = rapid.SampledFrom(m.clients).Draw(t, "client")
		if !slices.Contains(c.by.users, c.user) {
			c.user = ""
		}
	case "user":
		c.by = c.by.account.clients[len(c.by.account.clients)-1]
		c.user = rapid.SampledFrom(c.by.users).Draw(t, "acting")
	case "id":
		if c.op != "create" && c.op != "create all" {
			c.orgID = m.drawID(t, c.by.account)
		}
	case "match":
		c.match = m.drawMatch(t, c)
	case "operation":
		c = m.draw(t, rapid.SampledFrom([]string{"create", "create all", "update", "metadata", "deactivate", "reactivate", "add", "remove", "batch"}).Draw(t, "op"))
		c.by, c.user, c.key, c.match = first.by, first.user, first.key, ""
		if c.op == "update" {
			c.metadata = nil
		}
	}
	m.send(c)
}

// retry repeats a creation without an Idempotency-Key, like an official client. The first
// attempt was answered, so another organization is created.
func (m *model) retry(t *rapid.T) {
	c := m.drawFirst(t, func(a *modelAccount) []change { return a.made })
	c.retries = rapid.SampledFrom([]string{"1", "2", "0"}).Draw(t, "retries")
	switch rapid.SampledFrom([]string{"same", "same", "body", "client"}).Draw(t, "but another") {
	case "body":
		retries := c.retries
		c.metadata, c.external = nil, nil
		c.drawBody(t)
		c.retries = retries
	case "client":
		c.by = rapid.SampledFrom(m.clients).Draw(t, "client")
		c.user = rapid.SampledFrom(c.by.users).Draw(t, "acting")
	}
	m.send(c)
}

func (m *model) drawFirst(t *rapid.T, of func(*modelAccount) []change) change {
	var all []change
	for _, account := range m.accounts {
		all = append(all, of(account)...)
	}
	if len(all) == 0 {
		t.Skip("there is no call to repeat") // rapid draws another action
	}
	return rapid.SampledFrom(all).Draw(t, "first")
}

// rejected makes calls that are rejected before they run. They change nothing, and the
// Idempotency-Key can still be used.
func (m *model) rejected(t *rapid.T) {
	c := m.draw(t, rapid.SampledFrom([]string{"create", "update"}).Draw(t, "op"))
	c.key = fmt.Sprint("free-", m.calls)
	c.match = ""
	if c.metadata != nil && len(*c.metadata) == 0 {
		c.metadata = nil
	}
	method := operations[c.op].method
	bad := func(body string, headers ...string) answer {
		return m.doAs(m.t, method, c.path(), body, append(headers, c.headers()...)...)
	}
	bad(`{"orgName":""}`).rejected(m.t, 422, "invalid_field")
	bad(`{`).rejected(m.t, 400, "invalid_body")
	if method == http.MethodPatch {
		bad(`{"orgName":"Stolen"}`, "If-Match", "7").rejected(m.t, 400, "invalid_request")
	}
	plain := m.clients[0] // does not have the scope act-as-user
	m.doAs(m.t, method, c.path(), `{"orgName":"Stolen"}`, "Authorization", "Bearer "+plain.key,
		"Idempotency-Key", c.key, "Orgd-User", userOne).rejected(m.t, 403, "insufficient_scope")
	m.send(c)
}

// read is a GET, with an If-None-Match if the organization exists.
func (m *model) read(t *rapid.T) {
	by := rapid.SampledFrom(m.clients).Draw(t, "client")
	id := m.drawID(t, by.account)
	o := by.account.find(id)
	if o == nil {
		m.as(by, "/v1/orgs/"+id, "If-None-Match", "*").rejected(m.t, 404, "not_found")
		m.as(by, "/v1/orgs/"+id+"/users").rejected(m.t, 404, "not_found")
		m.as(by, "/v1/orgs/"+id+"/users/"+url.PathEscape(userThree)).rejected(m.t, 404, "not_found")
		return
	}
	old := fmt.Sprintf(`"%d"`, rapid.IntRange(0, o.version-1).Draw(t, "old version"))
	known := rapid.SampledFrom([]string{o.tag(), "W/" + o.tag(), "*", old + ", " + o.tag()}).Draw(t, "known")
	if got := m.as(by, o.path(), "If-None-Match", known); got.status != 304 || len(got.body) != 0 || got.header.Get("ETag") != o.tag() {
		m.t.Fatalf("If-None-Match %s: %d, ETag %s %s", known, got.status, got.header.Get("ETag"), got.body)
	}
	for _, user := range modelUsers {
		if _, isMember := o.members[user]; !isMember {
			m.as(by, o.userPath(user)).rejected(m.t, 404, "not_found")
		}
	}
	m.isServed(o, m.as(by, o.path(), "If-None-Match", rapid.SampledFrom([]string{old, "W/" + old}).Draw(t, "unknown")), 200)
}

func (m *model) beginWalk(t *rapid.T) {
	account := rapid.SampledFrom(m.accounts).Draw(t, "account")
	m.walks = append(m.walks, account.walk(account.drawFilter(t)))
}

func (m *model) beginMemberWalk(t *rapid.T) {
	account := rapid.SampledFrom(m.accounts).Draw(t, "account")
	if len(account.orgs) == 0 {
		t.Skip("there is no organization") // rapid draws another action
	}
	m.walks = append(m.walks, rapid.SampledFrom(account.orgs).Draw(t, "org").memberWalk(
		rapid.SampledFrom([]string{"", "", "owner", "billing:read", "nobody"}).Draw(t, "role"),
		rapid.SampledFrom([][]string{nil, nil, {userOne}, {userThree, "unknown", userTwo}}).Draw(t, "users"),
		rapid.SampledFrom([]string{"", "-addedAt", "addedAt", "userId"}).Draw(t, "order")))
}

// turn begins a walk back to the beginning of a list.
func (m *model) turn(t *rapid.T) {
	m.walks = append(m.walks, m.drawWalk(t, func(w *walk) bool { return w.previous != "" }).back())
}

// page reads the next page of a walk, with any client of the account.
func (m *model) page(t *rapid.T) {
	w := m.drawWalk(t, func(w *walk) bool { return !w.done })
	by := rapid.SampledFrom(w.account.clients).Draw(t, "client")
	w.page(m, by, rapid.IntRange(1, 3).Draw(t, "limit"))
}

// strayCursor checks that a cursor is rejected in another list or account.
func (m *model) strayCursor(t *rapid.T) {
	w := m.drawWalk(t, func(w *walk) bool { return w.path == "/v1/orgs" && w.cursor != "" })
	for _, c := range m.clients {
		query := w.pageQuery(1)
		if c.account == w.account {
			query.Set("orgName", query.Get("orgName")+"x")
		}
		m.as(c, w.path+"?"+query.Encode()).rejected(m.t, 400, "invalid_cursor")
	}
}

func (m *model) drawWalk(t *rapid.T, which func(*walk) bool) *walk {
	var fit []*walk
	for _, w := range m.walks {
		if which(w) {
			fit = append(fit, w)
		}
	}
	if len(fit) == 0 {
		t.Skip("there is no such walk") // rapid draws another action
	}
	return rapid.SampledFrom(fit).Draw(t, "walk")
}
