package http_test

import (
	"fmt"
	"maps"
	"slices"

	"pgregory.net/rapid"

	"orgd/internal/wire"
)

// modelConsumers are the consumers of an account's events. One follows every step, one lags
// behind or starts again in the middle, and one replays everything at the end.
type modelConsumers struct {
	follower, laggard *consumer
	begins            []func() // what the laggard does before it can read events
	past              []pastAccount
	keys              map[string]apiKey // as they were last served
	extra             []string          // the ids of the keys that no client uses
}

// pastAccount is an account as it was directly after one of its events.
type pastAccount struct {
	position int
	orgs     map[string]*heldOrg
	keys     map[string]apiKey
}

func newModelConsumers() modelConsumers {
	return modelConsumers{follower: newConsumer(), laggard: newConsumer()}
}

// held returns what a consumer of the account must hold.
func (a *modelAccount) held() map[string]*heldOrg {
	held := map[string]*heldOrg{}
	for _, o := range a.orgs {
		h := &heldOrg{organization: o.organization, members: map[string]listedMember{}}
		for user, at := range o.members {
			addedAt := string(wire.AppendTime(nil, at))
			h.members[addedAt] = listedMember{UserID: user, AddedAt: addedAt, Roles: o.roles[user]}
		}
		held[o.OrgID] = h
	}
	return held
}

// manager is a client that may do everything in the account.
func (a *modelAccount) manager() *modelClient { return a.clients[len(a.clients)-1] }

// areFollowed checks the followers after a step.
func (m *model) areFollowed() {
	for _, account := range m.accounts {
		c := &account.consumers
		before := c.follower.position
		if c.follower.follow(m.t, m.api, account.manager().key, all); c.keys == nil {
			c.keys = m.listedKeys(m.t, account.manager().key)
		}
		held := account.held()
		c.follower.isAt(m.t, held, c.keys)
		if c.follower.position > before {
			c.past = append(c.past, pastAccount{c.follower.position, held, c.keys})
		}
	}
}

// forgetPast removes the user from the past states, as a consumer that starts now would see
// them.
func (a *modelAccount) forgetPast(user string) {
	for _, past := range a.consumers.past {
		for _, o := range past.orgs {
			if o.CreatedByUserID == user {
				o.CreatedByUserID = ""
			}
			for at, member := range o.members {
				if member.UserID == user {
					member.UserID = ""
					o.members[at] = member
				}
			}
		}
	}
}

// areReplayed checks two consumers at the end. The laggard catches up. A new consumer reads
// from the first event: after each step, it holds the account as it was then, without the
// users and organizations that have since been erased.
func (m *model) areReplayed(account *modelAccount) {
	c := &account.consumers
	for range 3 { // it may have to start first
		m.lag(account, all)
	}
	c.laggard.isAt(m.t, account.held(), c.keys)
	late := newConsumer()
	events := m.wholeFeed(m.t, account.manager().key)
	for _, past := range c.past {
		for len(events) > 0 && events[0].Position <= past.position {
			late.apply(m.t, events[0])
			late.position, events = events[0].Position, events[1:]
		}
		for _, o := range account.deleted {
			delete(past.orgs, o.OrgID)
		}
		late.isAt(m.t, past.orgs, past.keys)
	}
}

// consume lets the laggard of an account read some events, or begin again.
func (m *model) consume(t *rapid.T) {
	account := rapid.SampledFrom(m.accounts).Draw(t, "account")
	if rapid.IntRange(0, 5).Draw(t, "begin again") > 0 {
		m.lag(account, rapid.IntRange(0, 5).Draw(t, "events"))
		return
	}
	c, key := &account.consumers, account.manager().key
	c.laggard = newConsumer()
	c.laggard.cursor = m.feed(m.t, key, "now", 1).Cursor
	c.begins = []func(){
		func() { c.laggard.begin(m.t, m.api, key) },
		func() { c.laggard.readMembers(m.t, m.api, key) },
	}
}

// lag lets the laggard read at most limit events, or take the next step of its start.
func (m *model) lag(account *modelAccount, limit int) {
	c := &account.consumers
	if len(c.begins) > 0 {
		c.begins[0]()
		c.begins = c.begins[1:]
		return
	}
	c.laggard.follow(m.t, m.api, account.manager().key, limit)
}

// changeKeys changes the keys of an account that no client uses. Which changes are allowed
// is not part of the model.
func (m *model) changeKeys(t *rapid.T) {
	account := rapid.SampledFrom(m.accounts).Draw(t, "account")
	c := &account.consumers
	end := rapid.SampledFrom([]string{never, sooner, later}).Draw(t, "expiresAt")
	method, target := "POST", "/v1/api-keys"
	body := `{"description":"New","scopes":["orgs:write","orgs:read"]}`
	if end != never {
		body = `{"description":"New","scopes":["orgs:read"],"expiresAt":` + end + `}`
	}
	if len(c.extra) > 0 {
		one := target + "/" + rapid.SampledFrom(c.extra).Draw(t, "key")
		switch rapid.SampledFrom([]string{"create", "describe", "expire", "rotate", "revoke"}).Draw(t, "what") {
		case "describe":
			method, target = "PATCH", one
			body = rapid.SampledFrom([]string{`{"description":"A"}`, `{"description":"B","expiresAt":` + end + `}`}).Draw(t, "changes")
		case "expire":
			method, target, body = "PATCH", one, `{"expiresAt":`+end+`}`
		case "rotate":
			target, body = one+"/rotate", fmt.Sprintf(`{"overlapSeconds":%d}`, rapid.SampledFrom([]int{0, 60}).Draw(t, "overlap"))
		case "revoke":
			target, body = one+"/revoke", ""
		}
	}
	got := m.doAs(m.t, method, target, body, "Authorization", "Bearer "+account.manager().key)
	if got.status >= 300 && got.status != 409 {
		m.t.Fatalf("%s %s %s: %d %s", method, target, body, got.status, got.body)
	}
	c.keys = m.listedKeys(m.t, account.manager().key)
	c.extra = slices.Sorted(maps.Keys(c.keys))
	c.extra = slices.DeleteFunc(c.extra, func(id string) bool {
		return id == account.feed.keyID || slices.ContainsFunc(account.clients, func(by *modelClient) bool { return by.id.String() == id })
	})
}
