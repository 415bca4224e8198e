package http_test

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"orgd/internal/apikeys"
	"orgd/internal/idempotency"
	"orgd/internal/uuid"
	"orgd/internal/wire"
)

// model is an in-memory implementation of the API, for two accounts. Several clients make
// random sequences of calls. After each call the answer, everything that can be read, and
// the walks in progress must agree with the model. Only times and ids are chosen by the
// server: the model learns them when they are first served, checks that they are
// plausible, and expects them not to change.
type model struct {
	*api
	t        testing.TB
	accounts []*modelAccount
	clients  []*modelClient // of both accounts
	walks    []*walk
	touched  *modelOrg // the organization that the last call was about
	calls    int
}

type modelAccount struct {
	id       uuid.UUID
	clients  []*modelClient
	orgs     []*modelOrg // in the order in which they were created in this account
	deleted  []*modelOrg
	erasures []string             // request ids of the calls that erased something, in order
	firsts   map[string]firstCall // by operation and Idempotency-Key
	keyed    []change             // the calls of firsts, in order
	made     []change             // creations without a key, in order
	feed     *feedReader

	consumers modelConsumers
}

// firstCall is the first call with an Idempotency-Key and its answer.
type firstCall struct {
	said string
	answer
	isIncomplete bool // it created several organizations, one of which was deleted
}

type modelClient struct {
	account *modelAccount
	key     string
	id      uuid.UUID
	users   []string // possible acting users; "" stands for none
	imports bool
}

type modelOrg struct {
	organization // as the server returns it
	account      *modelAccount
	imported     bool
	version      int
	unread       bool                 // updatedAt of the last change is not known yet
	members      map[string]time.Time // time of addition; zero until the server has returned it
	roles        map[string][]string  // of the members that have roles
	trail        []action
}

func (o *modelOrg) path() string { return "/v1/orgs/" + o.OrgID }

func (o *modelOrg) userPath(user string) string {
	return o.path() + "/users/" + url.PathEscape(user)
}

func (o *modelOrg) tag() string { return fmt.Sprintf(`"%d"`, o.version) }

func TestModel(t *testing.T) {
	t.Parallel()
	a := newAPI(t)
	a.shapes = &shapes{}
	rapid.Check(t, func(rt *rapid.T) {
		m := newModel(a, rapidTB{TB: t, rt: rt})
		actions := map[string]func(*rapid.T){
			"": m.check, "repeat": m.repeat, "repeat more": m.repeat, "retry": m.retry, "forget and repeat": m.forgetAndRepeat, "rejected": m.rejected, "read": m.read, "feed": m.readFeed,
			"walk": m.beginWalk, "walk members": m.beginMemberWalk, "turn": m.turn, "page": m.page, "page more": m.page, "stray cursor": m.strayCursor,
			"import": m.importOrg, "keys": m.changeKeys, "consume": m.consume, "consume more": m.consume,
		}
		for op := range operations {
			actions[op] = func(rt *rapid.T) { m.send(m.draw(rt, op)) }
		}
		rt.Repeat(actions)
		m.finish()
	})
}

func newModel(a *api, t testing.TB) *model {
	m := &model{api: a, t: t}
	for range 2 {
		m.accounts = append(m.accounts, &modelAccount{id: a.Account(t), firsts: map[string]firstCall{}, consumers: newModelConsumers()})
	}
	m.client(m.accounts[0], []string{""}, apikeys.OrgsRead, apikeys.OrgsWrite, apikeys.OrgsDelete, apikeys.MembersWrite)
	m.client(m.accounts[0], []string{"", userOne, userTwo}, apikeys.Scopes...)
	m.client(m.accounts[1], []string{"", userOne}, apikeys.Scopes...)
	for _, account := range m.accounts {
		account.feed = m.newFeedReader(account)
	}
	return m
}

func (m *model) client(account *modelAccount, users []string, scopes ...apikeys.Scope) {
	made, err := apikeys.NewRepository(m.Conns).Create(context.Background(),
		apikeys.ByOperator(account.id), apikeys.NewAPIKey{Description: "Test", Scopes: scopes})
	if err != nil {
		m.t.Fatal(err)
	}
	c := &modelClient{account: account, key: made.Key.Reveal(), id: made.APIKey.ID, users: users, imports: slices.Contains(scopes, apikeys.OrgsImport)}
	account.clients = append(account.clients, c)
	m.clients = append(m.clients, c)
}

// rapidTB makes failures of the harness, which takes a testing.TB, fail the rapid check.
type rapidTB struct {
	testing.TB
	rt *rapid.T
}

func (t rapidTB) Helper()                           { t.rt.Helper() }
func (t rapidTB) Error(args ...any)                 { t.rt.Error(args...) }
func (t rapidTB) Errorf(format string, args ...any) { t.rt.Errorf(format, args...) }
func (t rapidTB) Fatal(args ...any)                 { t.rt.Fatal(args...) }
func (t rapidTB) Fatalf(format string, args ...any) { t.rt.Fatalf(format, args...) }

// send makes the call, compares the answer with the model, and updates the model.
func (m *model) send(c change) {
	m.calls++
	c.requestID = fmt.Sprint("call-", m.calls)
	m.touched = m.find(c.by.account, c.orgID)
	got := m.doAs(m.t, operations[c.op].method, c.path(), c.body(m.t), c.headers()...)
	first, known := c.by.account.firsts[c.name()]
	switch {
	case c.imports() && !c.by.imports:
		got.rejected(m.t, 403, "insufficient_scope")
	case known && first.said != c.said(m.t):
		got.rejected(m.t, 422, "idempotency_key_reused")
	case known && first.isIncomplete:
		got.rejected(m.t, 404, "not_found")
	case known:
		isReplay(m.t, first, got)
	default:
		m.effect(c, got)
		c.remember(m.t, got)
	}
	for _, w := range m.walks {
		w.forgive(m.t)
	}
}

// isReplay checks that an answer repeats that of the first call. For errors, it compares
// only the code, because the body contains the id of the request.
func isReplay(t testing.TB, first firstCall, got answer) {
	for _, name := range []string{"ETag", "Location", "Content-Type", "X-Should-Retry"} {
		if got.header.Get(name) != first.header.Get(name) {
			t.Errorf("%s %q, first %q", name, got.header.Get(name), first.header.Get(name))
		}
	}
	same := string(got.body) == string(first.body)
	if first.status >= 400 {
		same = got.problem(t).Code == first.problem(t).Code
	}
	if got.status != first.status || !same || got.header.Get("Idempotency-Replayed") != "true" {
		t.Fatalf("the repeat: %d %v %s\nthe first: %d %s", got.status, got.header, got.body, first.status, first.body)
	}
}

// effect checks the answer to a call that is not a repeat.
func (m *model) effect(c change, got answer) {
	switch c.op {
	case "create", "put":
		m.creation(c, got)
		return
	case "create all":
		m.creations(c, got)
		return
	}
	if replayed := got.header.Get("Idempotency-Replayed"); replayed != "" {
		m.t.Errorf("Idempotency-Replayed %q of a first call", replayed)
	}
	if c.op == "erase" {
		m.erase(c, got)
		return
	}
	o := c.by.account.find(c.orgID)
	switch code := c.apply(o); {
	case code == "external_id_taken":
		m.isTaken(c, got)
	case code != "":
		got.rejected(m.t, map[string]int{"not_found": 404, "precondition_failed": 412, "org_inactive": 409, "org_active": 409}[code], code)
		if tag := got.header.Get("ETag"); code == "precondition_failed" && tag != o.tag() || code != "precondition_failed" && tag != "" {
			m.t.Fatalf("%s with ETag %q", code, tag)
		}
	case c.op == "delete":
		m.isDeleted(o, got)
	case c.additions != nil || c.removals != nil:
		m.isDone(c, o, got)
	default:
		m.isServed(o, got, 200)
	}
}

// creation checks the answer to a call that creates an organization, or that finds one
// with its external id.
func (m *model) creation(c change, got answer) {
	code, holder := c.refusal()
	switch {
	case code == "":
		m.touched = c.create(m.t, got.organization(m.t, 201))
		m.made(m.touched, got)
	case code == "org_id_taken":
		if got.rejected(m.t, 409, code); got.header.Get("X-Should-Retry") != "false" {
			m.t.Fatalf("%v", got.header)
		}
	case c.op == "put":
		m.touched = holder
		m.isServed(holder, got, 200)
	default:
		m.isTaken(c, got)
	}
}

// creations checks the answer to a batch: it creates all organizations or, if any id is
// taken, none.
func (m *model) creations(c change, got answer) {
	var refused problem
	for i, one := range c.all {
		one.by = c.by
		code, holder := one.refusal()
		if code == "" {
			continue
		}
		fault := fieldProblem{Field: fmt.Sprintf("organizations.%d.%s", i, map[string]string{"external_id_taken": "externalId", "org_id_taken": "orgId"}[code]), Code: "taken"}
		if holder != nil {
			fault.OrgID = holder.OrgID
		}
		if refused.Errors = append(refused.Errors, fault); refused.Code == "" {
			refused.Code, refused.OrgID = code, fault.OrgID
		}
	}
	if refused.Code != "" {
		p := got.rejected(m.t, 409, refused.Code)
		for i := range p.Errors {
			p.Errors[i].Detail = ""
		}
		if diff := cmp.Diff(refused.Errors, p.Errors); diff != "" || p.OrgID != refused.OrgID {
			m.t.Fatalf("orgId %s, want %s; errors (-want +got):\n%s", p.OrgID, refused.OrgID, diff)
		}
		return
	}
	made := got.organizations(m.t, 201)
	if len(made) != len(c.all) {
		m.t.Fatalf("%d organizations, want %d", len(made), len(c.all))
	}
	for i, one := range c.all {
		one.by, one.user, one.requestID = c.by, c.user, c.requestID
		m.touched = one.create(m.t, made[i])
		if diff := cmp.Diff(m.touched.organization, made[i]); diff != "" {
			m.t.Fatalf("organization %d of a batch (-want +got):\n%s", i, diff)
		}
		m.isReadAlone(m.touched)
	}
}

func (m *model) isTaken(c change, got answer) {
	holder := c.holder()
	if p := got.rejected(m.t, 409, "external_id_taken"); p.OrgID != holder.OrgID || got.header.Get("X-Should-Retry") != "false" {
		m.t.Fatalf("%s has the external id: %s %v", holder.OrgID, got.body, got.header)
	}
}

// isDeleted checks the answer to a deletion, and that the organization can no longer be
// found.
func (m *model) isDeleted(o *modelOrg, got answer) {
	if m.touched = nil; got.status != 204 || len(got.body) > 0 {
		m.t.Fatalf("%d %s", got.status, got.body)
	}
	by := o.account.clients[m.calls%len(o.account.clients)]
	m.as(by, o.path()).rejected(m.t, 404, "not_found")
	m.as(by, o.path()+"/users").rejected(m.t, 404, "not_found")
	for user := range o.members {
		m.walkAll(o.account.walk(listFilter{user: user}))
	}
	// Walks over the members of the organization end.
	m.walks = slices.DeleteFunc(m.walks, func(w *walk) bool { return w.path == o.path()+"/users" })
}

// isDone checks the answer to a change of members that succeeded.
func (m *model) isDone(c change, o *modelOrg, got answer) {
	switch c.op {
	case "put member":
		status := 200
		if c.did.Added > 0 {
			status = 201
		}
		if made := read[listedMember](m.t, got, status); made.UserID != c.userID || !slices.Equal(made.Roles, o.roles[c.userID]) {
			m.t.Fatalf("put %+v, want roles %v", made, o.roles[c.userID])
		}
	case "end":
		if got.status != 204 || len(got.body) != 0 {
			m.t.Fatalf("%d %s", got.status, got.body)
		}
	case "batch":
		if diff := cmp.Diff(c.did, read[membersDone](m.t, got, 200)); diff != "" {
			m.t.Fatalf("a batch (-want +got):\n%s", diff)
		}
	default:
		got.ok(m.t)
	}
}

// made checks the answer to a creation.
func (m *model) made(o *modelOrg, got answer) {
	m.isServed(o, got, 201)
	if location := got.header.Get("Location"); location != publicURL+o.path() || got.header.Get("Idempotency-Replayed") != "" {
		m.t.Fatalf("Location %q, Idempotency-Replayed %q", location, got.header.Get("Idempotency-Replayed"))
	}
}

// isServed compares an answer that contains the organization with the model.
func (m *model) isServed(o *modelOrg, got answer, status int) {
	served := got.organization(m.t, status)
	if o.unread {
		if at := served.UpdatedAt; !readTime(m.t, at).After(readTime(m.t, o.UpdatedAt)) {
			m.t.Fatalf("a change set updatedAt to %s, but it was %s before", at, o.UpdatedAt)
		}
		o.UpdatedAt, o.unread = served.UpdatedAt, false
	}
	if diff := cmp.Diff(o.organization, served); diff != "" || got.header.Get("ETag") != o.tag() {
		m.t.Fatalf("ETag %s, want %s; served (-want +got):\n%s", got.header.Get("ETag"), o.tag(), diff)
	}
}

// check runs after every step. It checks that every read returns what was written, and
// that a consumer of the events holds the same.
func (m *model) check(*rapid.T) {
	m.isRead()
	m.areFollowed()
}

func (m *model) isRead() {
	o := m.touched
	if m.touched = nil; o == nil {
		return
	}
	m.isReadAlone(o)
	active := o.IsActive
	m.walkAll(o.account.walk(listFilter{name: o.OrgName, active: &active, metadata: o.Metadata}))
	if o.ExternalID != "" {
		m.walkAll(o.account.walk(listFilter{external: o.ExternalID, name: o.OrgName, active: &active}))
	}
	for user := range o.members {
		if one := read[listedMember](m.t, m.as(o.account.clients[0], o.userPath(user)), 200); one.UserID != user || !slices.Equal(one.Roles, o.roles[user]) {
			m.t.Fatalf("member %+v, want roles %v", one, o.roles[user])
		}
		m.walkAll(o.account.walk(listFilter{user: user, ids: []string{o.OrgID}}))
		m.walkAll(o.account.walk(listFilter{user: user, active: &active}))
	}
}

// isReadAlone checks the organization and the list of its members.
func (m *model) isReadAlone(o *modelOrg) {
	since := readTime(m.t, o.UpdatedAt)
	by := o.account.clients[m.calls%len(o.account.clients)]
	m.isServed(o, m.as(by, o.path()), 200)
	w := o.memberWalk("", nil, "")
	w.learn = func(served []entry) { m.learnMembers(o, since, served) }
	m.walkAll(w)
	if len(w.seen) != o.UserCount {
		m.t.Fatalf("%d members are listed, userCount is %d", len(w.seen), o.UserCount)
	}
}

// learnMembers takes the times of new members from the list. A new member must not have
// been added before the last known change, or after updatedAt.
func (m *model) learnMembers(o *modelOrg, since time.Time, served []entry) {
	for _, e := range served {
		if known, isMember := o.members[e.id]; !isMember || !known.IsZero() {
			continue
		}
		at := time.UnixMicro(e.at)
		if at.Before(since) || at.After(readTime(m.t, o.UpdatedAt)) {
			m.t.Fatalf("added at %s, want a time between %s and %s", at, since, o.UpdatedAt)
		}
		o.members[e.id] = at
	}
}

// finish compares all organizations and the audit trail with the model.
func (m *model) finish() {
	m.eraseAll()
	for _, account := range m.accounts {
		m.areRecorded(account)
		m.areReplayed(account)
		m.isFed(account)
		m.walkAll(account.walk(listFilter{}))
		trails := m.trails(m.t, account.id)
		if len(trails) != len(account.orgs)+len(account.deleted) {
			m.t.Fatalf("the audit trail has %d organizations, want %d", len(trails), len(account.orgs)+len(account.deleted))
		}
		for _, o := range account.deleted {
			m.isErased(o, trails[o.OrgID])
		}
		for _, o := range account.orgs {
			m.isReadAlone(o)
			m.isRecorded(o, trails[o.OrgID])
		}
	}
}

// isRecorded checks that the audit trail records exactly what happened to the
// organization.
func (m *model) isRecorded(o *modelOrg, events []event) {
	o.nameErased(events)
	var recorded []action
	for _, e := range events {
		recorded = append(recorded, e.action)
	}
	if diff := cmp.Diff(o.trail, recorded); diff != "" {
		m.t.Fatalf("audit trail of %s (-want +got):\n%s", o.OrgID, diff)
	}
	want := state{organization: o.organization, members: map[string]string{}, addedAt: map[string]string{}}
	for user, at := range o.members {
		want.members[user] = strings.Join(o.roles[user], ",")
		want.addedAt[user] = string(wire.AppendTime(nil, at))
	}
	states := replay(m.t, o.OrgID, events)
	if diff := cmp.Diff(want, states[len(states)-1], cmp.AllowUnexported(state{})); diff != "" || len(states) != o.version {
		m.t.Fatalf("%d events, version %d; replayed (-want +got):\n%s", len(states), o.version, diff)
	}
}

// isErased checks that the audit trail of a deleted organization contains no user ids and
// no values, but only types, times and other ids.
func (m *model) isErased(o *modelOrg, events []event) {
	if len(events) != o.version+1 || events[o.version].Type != "org.deleted" {
		m.t.Fatalf("%d events of %s, which had version %d", len(events), o.OrgID, o.version)
	}
	for _, e := range events {
		if e.User != "" || e.Member != "" || (e.KeyID == "") != strings.HasPrefix(e.RequestID, idempotency.OperatorPrefix) || e.before != (image{}) || e.after != (image{}) {
			m.t.Fatalf("after the deletion of %s, the event %+v is left", o.OrgID, e)
		}
	}
}

func (m *model) as(c *modelClient, target string, headers ...string) answer {
	return m.call(m.t, http.MethodGet, target, append(headers, "Authorization", "Bearer "+c.key)...)
}

// find returns the organization with this id in the account or, if there is none, in the
// other account.
func (m *model) find(first *modelAccount, id string) *modelOrg {
	for _, account := range append([]*modelAccount{first}, m.accounts...) {
		if o := account.find(id); o != nil {
			return o
		}
	}
	return nil
}

func (a *modelAccount) find(id string) *modelOrg {
	for _, o := range a.orgs {
		if o.OrgID == id {
			return o
		}
	}
	return nil
}

func readTime(t testing.TB, s string) time.Time {
	at, err := time.Parse(time.RFC3339Nano, s)
	if err != nil {
		t.Fatal(err)
	}
	return at
}

// rapid prints drawn values with GoString.
func (o *modelOrg) GoString() string { return o.OrgID + " " + o.OrgName }

func (a *modelAccount) GoString() string { return a.id.String() }

func (c *modelClient) GoString() string { return c.id.String() }
