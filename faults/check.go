package main

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
)

// allowance is what a fault may cause without violating a promise.
type allowance struct {
	breaks  bool // client connections may break, because the fault hits the server itself
	limited bool // requests may be rejected with 429
	// losesPositions means that a promotion may lose positions that readers of the feed have
	// seen: they get 410 and begin again.
	losesPositions bool
	// restores means that acknowledged changes are lost on purpose. Only the state itself and
	// the feed are checked.
	restores bool
}

// verify compares the responses that clients got with the database, and returns every
// violation. It knows only the calls in the ledger.
func verify(l *ledger, s state, allowed allowance) (violations []string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	v := verifier{state: s, allowed: allowed, sent: map[string]*call{}, given: map[string]*call{}, deletions: map[string]*call{}}
	for _, c := range l.calls {
		if c.kind == deleteOrg {
			v.deletions[c.org] = c
		}
	}
	for _, c := range l.calls {
		v.answers(c)
		switch {
		case c.kind.creates():
			v.creation(c)
		case c.kind == createBatch:
			v.batch(c)
		}
		v.effects(c)
	}
	v.deleted()
	v.changes(l.calls)
	v.memberships(l.calls)
	v.unsent(l.calls)
	v.violations = append(v.violations, s.broken...)
	slices.Sort(v.violations)
	return v.violations
}

type verifier struct {
	state
	allowed    allowance
	sent       map[string]*call // by request id
	given      map[string]*call // the creation that returned an organization, by its id
	deletions  map[string]*call // by organization
	violations []string
}

func (v *verifier) add(format string, args ...any) {
	v.violations = append(v.violations, fmt.Sprintf(format, args...))
}

// answers checks each response by itself.
func (v *verifier) answers(c *call) {
	for _, a := range c.attempts {
		v.sent[a.requestID] = c
		switch {
		case a.flaw != "":
			v.add("flawed answer to %s: %s: %s", c.kind, a, a.flaw)
		case errors.Is(a.err, errHung):
			v.add("hung: %s: %s", c.kind, a)
		case a.status == 0 && !v.allowed.breaks:
			v.add("broken connection: %s: %s", c.kind, a)
		case a.status == 429 && !v.allowed.limited,
			a.status != 0 && !a.succeeded() && !isRetryable(a.status, a.code):
			v.add("unexpected answer to %s: %s", c.kind, a)
		}
	}
	if c.answer() == nil && c.kind != createOnce && !c.kind.reads() {
		v.add("never completed: %s %s, %d attempts", c.kind, c.value, len(c.attempts))
	}
}

// creation checks that an acknowledged organization exists, that no call created more
// organizations than its rule allows, and that no two calls got the same organization.
func (v *verifier) creation(c *call) {
	created, answer := v.created[c.value], c.answer()
	if answer != nil {
		switch {
		case slices.Contains(created, answer.orgID):
		case v.isDeleted(answer.orgID):
			created = append(slices.Clone(created), answer.orgID)
		default:
			v.add("lost: %s %s was answered with %s, but the database has %v", c.kind, c.value, answer.orgID, created)
		}
		if other := v.given[answer.orgID]; other != nil {
			v.add("merged: %s was returned to %s and to %s", answer.orgID, other.value, c.value)
		}
		v.given[answer.orgID] = c
	}
	allowed := c.unknowns()
	if answer != nil {
		allowed++
	}
	// A marked retry creates a second organization unless there is evidence that the first
	// answer was lost.
	if c.kind != createMarked {
		allowed = min(allowed, 1)
	}
	if len(created) > allowed {
		v.add("duplicate: %s %s made %d organizations, want at most %d", c.kind, c.value, len(created), allowed)
	}
}

// batch checks that the organizations of a batch were created once and together, and that
// an acknowledged batch still exists. The load deletes none of them.
func (v *verifier) batch(c *call) {
	var created []string
	for _, name := range c.names() {
		created = append(created, v.created[name]...)
		if len(v.created[name]) > 1 {
			v.add("duplicate: %s %s made %v", c.kind, name, v.created[name])
		}
	}
	answer := c.answer()
	switch {
	case answer != nil && !slices.Equal(created, answer.listed):
		v.add("lost: %s %s was answered with %v, but the database has %v", c.kind, c.value, answer.listed, created)
	case len(created) != 0 && len(created) != batchSize:
		v.add("partial: %s %s made %v", c.kind, c.value, created)
	}
}

// isDeleted reports whether the organization does not exist and a deletion may be the reason.
func (v *verifier) isDeleted(org string) bool {
	_, exists := v.metadata[org]
	c := v.deletions[org]
	return !exists && c != nil && c.mayHaveEffect()
}

// deleted checks that an organization whose deletion was acknowledged does not exist.
func (v *verifier) deleted() {
	for org, c := range v.deletions {
		if _, exists := v.metadata[org]; exists && c.answer() != nil {
			v.add("lost: the deletion of %s was acknowledged, but the organization still exists: %s", org, c.answer())
		}
	}
}

// effects checks that events match changes: at most one per attempt (a batch has one for
// each organization), none for a rejected attempt, at least one for an acknowledged change.
func (v *verifier) effects(c *call) {
	total, most := 0, max(1, len(c.names()))
	for _, a := range c.attempts {
		n := v.events[a.requestID]
		total += n
		switch {
		case n > most, n > 0 && n < len(c.names()):
			v.add("%d events of one attempt: %s: %s", n, c.kind, a)
		case n > 0 && (c.kind.reads() || a.rejected()):
			v.add("an event from an attempt that should have had no effect: %s: %s", c.kind, a)
		case n > 0 && a.replayed:
			v.add("an event of a replay: %s: %s", c.kind, a)
		}
	}
	if c.answer() != nil && !c.kind.reads() && total == 0 {
		v.add("lost: no event of %s %s, %s", c.kind, c.value, c.answer())
	}
}

// changes checks that an organization has the metadata of its last acknowledged change,
// or of a change with an unknown outcome, which may take effect late.
func (v *verifier) changes(calls []*call) {
	last, late := map[string]string{}, map[string][]string{}
	for _, c := range calls {
		if c.kind != change {
			continue
		}
		if c.answer() != nil {
			last[c.org] = c.value
		}
		if c.unknowns() > 0 {
			late[c.org] = append(late[c.org], c.value)
		}
	}
	for org, value := range last {
		if has := v.metadata[org]; has != value && !slices.Contains(late[org], has) && !v.isDeleted(org) {
			v.add("lost: %s has the metadata %q, but %q was acknowledged", org, has, value)
		}
	}
	for org, has := range v.metadata {
		if has != "" && last[org] == "" && !slices.Contains(late[org], has) {
			v.add("unsent: %s has the metadata %q", org, has)
		}
	}
}

// memberships checks that the members are exactly the users who were added and have not
// been removed, erased, or deleted with their organization. It also checks that no event
// contains the id of an erased user. Each user is added once.
func (v *verifier) memberships(calls []*call) {
	type history struct{ added, ended *call }
	of := map[string]*history{}
	for _, c := range calls {
		if c.kind != addMember && c.kind != removeMember && c.kind != eraseUser {
			continue
		}
		h := of[c.value]
		if h == nil {
			h = &history{}
			of[c.value] = h
		}
		if c.kind == addMember {
			h.added = c
		} else {
			h.ended = c
		}
	}
	for user, h := range of {
		_, is := v.members[user]
		ended := h.ended != nil && h.ended.answer() != nil && h.added.unknowns() == 0
		switch {
		case h.ended == nil && h.added.answer() != nil && !is && !v.isDeleted(h.added.org):
			v.add("lost: %s was added but is not a member", user)
		case ended && is:
			v.add("lost: %s of %s, who is still a member", h.ended.kind, user)
		case ended && h.ended.kind == eraseUser && v.named[user]:
			v.add("lost: %s of %s, but events still contain the user id", h.ended.kind, user)
		case is && v.members[user] != h.added.org:
			v.add("%s is a member of %s, but was added to %s", user, v.members[user], h.added.org)
		}
	}
	for user, org := range v.members {
		if of[user] == nil {
			v.add("unsent: %s is a member of %s", user, org)
		}
	}
}

// unsent finds changes that no client requested.
func (v *verifier) unsent(calls []*call) {
	asked := map[string]bool{}
	for _, c := range calls {
		for _, name := range c.names() {
			asked[name] = true
		}
	}
	for name, ids := range v.created {
		if !asked[name] {
			v.add("unsent: organization %q, %v", name, ids)
		}
	}
	for id, n := range v.events {
		if v.sent[id] == nil {
			v.add("unsent: %d events of the request %s", n, cmp.Or(id, "(none)"))
		}
	}
}
