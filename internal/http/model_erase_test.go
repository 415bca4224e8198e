package http_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"
	"pgregory.net/rapid"
)

// This file has the erasure of users in the model. A server erases in the background,
// while other calls may run. In this test, the erasure is complete before the next call.

// erased is the prefix of the name that replaces the id of an erased user in the model.
const erased = "erased by "

// erase completes an erasure, and checks its answers and its effect.
func (m *model) erase(c change, got answer) {
	account := c.by.account
	if account.names(c.userID) {
		if got.status != 202 || got.header.Get("Retry-After") == "" || len(got.body) > 0 {
			m.t.Fatalf("%d, Retry-After %q, %s", got.status, got.header.Get("Retry-After"), got.body)
		}
		m.eraseAll()
		m.forget(c)
		again := c
		again.requestID += "-again" // an event already has the request id of the first call
		got = m.doAs(m.t, operations[c.op].method, c.path(), c.body(m.t), again.headers()...)
	}
	if got.status != 204 || got.header.Get("Retry-After") != "" || len(got.body) > 0 {
		m.t.Fatalf("after the erasure of %s: %d %s", c.userID, got.status, got.body)
	}
	m.walkAll(account.walk(listFilter{user: c.userID}))
}

// eraseAll runs the pending erasures, as servers do in the background.
func (m *model) eraseAll() {
	if _, err := m.orgs.Erase(context.Background()); err != nil {
		m.t.Fatal(err)
	}
	for _, account := range m.accounts {
		for _, o := range account.deleted {
			o.trail = nil // isErased checks what is left
		}
	}
}

// names reports whether any stored event names the user.
func (a *modelAccount) names(user string) bool {
	return slices.ContainsFunc(slices.Concat(a.orgs, a.deleted), func(o *modelOrg) bool {
		return slices.ContainsFunc(o.trail, func(e action) bool { return e.User == user || e.Member == user })
	})
}

// forget removes the user from the account in the model, and checks the organizations
// that this changes.
func (m *model) forget(c change) {
	account, user := c.by.account, c.userID
	account.erasures = append(account.erasures, c.requestID)
	account.forgetCreator(m.t, user)
	account.forgetPast(user)
	for _, o := range account.orgs {
		o.forget(user, erased+c.requestID)
		_, isMember := o.members[user]
		if !isMember && o.CreatedByUserID != user {
			continue
		}
		delete(o.members, user)
		delete(o.roles, user)
		o.UserCount = len(o.members)
		if o.CreatedByUserID == user {
			o.CreatedByUserID = ""
		}
		o.version++
		o.unread = true
		c.user = "" // the event does not name the acting user
		o.trail = append(o.trail, c.actionOn(erased+c.requestID, operations[c.op].event))
		m.isReadAlone(o)
	}
}

// forget replaces the user in the trail of the organization.
func (o *modelOrg) forget(user, name string) {
	for i := range o.trail {
		if e := &o.trail[i]; e.User == user {
			e.User = ""
		}
		if e := &o.trail[i]; e.Member == user {
			e.Member = name
		}
	}
}

// forgetCreator removes the user from the stored results.
func (a *modelAccount) forgetCreator(t testing.TB, user string) {
	id, err := json.Marshal(user)
	if err != nil {
		t.Fatal(err)
	}
	for name, first := range a.firsts {
		first.body = bytes.ReplaceAll(first.body, fmt.Appendf(nil, `"createdByUserId":%s,`, id), nil)
		a.firsts[name] = first
	}
}

// nameErased sets the model's names of erased users in the events, where the audit trail
// has none.
func (o *modelOrg) nameErased(events []event) {
	for i, known := range o.trail[:min(len(o.trail), len(events))] {
		if strings.HasPrefix(known.Member, erased) && events[i].Member == "" {
			events[i].Member = known.Member
		}
	}
}

// areRecorded checks that the audit trail has exactly one event of each erasure.
func (m *model) areRecorded(account *modelAccount) {
	rows, err := m.Pool.Query(context.Background(), `
SELECT request_id
FROM events
WHERE account_id = $1 AND org_id IS NULL AND user_id IS NULL AND actor_user_id IS NULL AND type = 'user.erased'
ORDER BY id`, account.id)
	if err != nil {
		m.t.Fatal(err)
	}
	recorded, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		m.t.Fatal(err)
	}
	if !slices.Equal(account.erasures, recorded) {
		m.t.Fatalf("erasures (-want +got):\n%s", cmp.Diff(account.erasures, recorded))
	}
}

// forgetAndRepeat repeats a creation with an Idempotency-Key after the creator was erased
// or the organization was deleted.
func (m *model) forgetAndRepeat(t *rapid.T) {
	c := m.draw(t, "create")
	c.by = rapid.SampledFrom(m.clients[1:]).Draw(t, "client")
	c.user, c.key = userOne, fmt.Sprint("kept-", m.calls)
	m.send(c)
	made := m.touched
	if made == nil {
		return // another organization has its external id
	}
	if rapid.Bool().Draw(t, "erase") {
		m.send(change{op: "erase", by: c.by, userID: c.user})
	} else {
		m.send(change{op: "deactivate", by: c.by, orgID: made.OrgID})
		m.send(change{op: "delete", by: c.by, orgID: made.OrgID})
	}
	m.send(c)
}
