package http_test

import (
	"cmp"
	"context"
	"encoding/json"
	"maps"
	"strings"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"

	"orgd/internal/uuid"
	"orgd/internal/wire"
)

// action is the type of an event and who caused it.
type action struct {
	Type, RequestID, KeyID, User string
	Member                       string // the user whose membership changed, or ""
}

// event is an event of the audit trail.
type event struct {
	action
	before, after image
	at            time.Time
}

// image is the part of an organization that an event records, before or after a change.
type image struct {
	OrgName    *string            `json:"orgName"`
	Metadata   *map[string]string `json:"metadata"`
	IsActive   *bool              `json:"isActive"`
	ExternalID rawJSON            `json:"externalId"` // "" if the event does not contain it
	Roles      *[]string          `json:"roles"`      // of the event's user
	AddedAt    string             `json:"addedAt"`    // of the membership
	CreatedBy  rawJSON            `json:"createdByUserId"`
	CreatedAt  string             `json:"createdAt"` // of an import
}

// rawJSON is a JSON value as text, including null.
type rawJSON string

func (r *rawJSON) UnmarshalJSON(text []byte) error {
	*r = rawJSON(text)
	return nil
}

// state is an organization at one of its versions.
type state struct {
	organization
	members map[string]string // the roles of each member, joined
	addedAt map[string]string // of each member
}

// trails returns the events of the account's organizations, by organization and in order.
func (a *api) trails(t testing.TB, account uuid.UUID) map[string][]event {
	t.Helper()
	rows, err := a.Pool.Query(context.Background(), `
SELECT 'org_' || replace(org_id::text, '-', ''), type, request_id, coalesce(actor_api_key_id::text, ''),
  coalesce(actor_user_id, ''), coalesce(user_id, ''), before, after, occurred_at
FROM events
WHERE account_id = $1 AND org_id IS NOT NULL
ORDER BY id`, account)
	if err != nil {
		t.Fatal(err)
	}
	trails := map[string][]event{}
	var id string
	var e event
	var before, after []byte
	_, err = pgx.ForEachRow(rows, []any{&id, &e.Type, &e.RequestID, &e.KeyID, &e.User, &e.Member, &before, &after, &e.at}, func() error {
		e.before, e.after = readImage(t, before), readImage(t, after)
		trails[id] = append(trails[id], e)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return trails
}

func readImage(t testing.TB, raw []byte) (i image) {
	if err := json.Unmarshal(raw, &i); err != nil {
		t.Fatal(err)
	}
	return i
}

// replay returns the state of the organization after each event. It fails if an event
// does not fit the state before it.
func replay(t testing.TB, id string, events []event) []state {
	t.Helper()
	var states []state
	now := state{organization: organization{OrgID: id, IsActive: true}}
	for i, e := range events {
		next := now.after(e)
		if diff := e.fault(now, next); diff != "" || !e.at.After(readTime(t, cmp.Or(now.UpdatedAt, "2000-01-01T00:00:00Z"))) {
			t.Fatalf("event %d of %s is %+v at %s, after %s; (-what changed +what it records):\n%s", i, id, e.action, e.at, now.UpdatedAt, diff)
		}
		states, now = append(states, next), next
	}
	return states
}

// after returns the state after the event.
func (s state) after(e event) state {
	s.UpdatedAt = string(wire.AppendTime(nil, e.at))
	if e.Type == "org.created" || e.Type == "org.imported" {
		s.CreatedAt, s.CreatedByAPIKeyID, s.CreatedByUserID = s.UpdatedAt, e.KeyID, e.User
		if e.after.CreatedAt != "" {
			s.CreatedAt, s.CreatedByUserID = e.after.CreatedAt, e.Member
		}
		if strings.HasPrefix(s.CreatedByUserID, erased) {
			s.CreatedByUserID = ""
		}
	}
	if e.after.OrgName != nil {
		s.OrgName = *e.after.OrgName
	}
	if e.after.Metadata != nil {
		s.Metadata = *e.after.Metadata
	}
	if len(s.Metadata) == 0 {
		s.Metadata = nil // omitted in JSON
	}
	if e.after.IsActive != nil {
		s.IsActive = *e.after.IsActive
	}
	if e.after.ExternalID != "" {
		s.ExternalID = strings.Trim(string(e.after.ExternalID), `"`)
		if e.after.ExternalID == "null" {
			s.ExternalID = ""
		}
	}
	if e.Member == "" || e.Type == "org.created" || e.Type == "org.imported" {
		s.Revision++
	}
	s.members, s.addedAt = maps.Clone(s.members), maps.Clone(s.addedAt)
	if s.members == nil {
		s.members, s.addedAt = map[string]string{}, map[string]string{}
	}
	switch {
	case e.Type == "org.member_removed", e.Type == "org.user_erased":
		delete(s.members, e.Member)
		delete(s.addedAt, e.Member)
	case e.Type == "org.created", e.Type == "org.imported":
	case e.Member != "" && e.after.Roles != nil:
		s.members[e.Member] = strings.Join(*e.after.Roles, ",")
	case e.Member != "":
		s.members[e.Member] = ""
	}
	switch e.Type {
	case "org.member_added":
		s.addedAt[e.Member] = s.UpdatedAt
	case "org.member_imported":
		s.addedAt[e.Member] = e.after.AddedAt
	}
	s.UserCount = len(s.members)
	return s
}

// fault returns "" if the event has the right type and records exactly the difference
// between was and is. Otherwise it returns what is wrong.
func (e event) fault(was, is state) string {
	before, after := images(was, is)
	kind, user := "org.updated", ""
	for id := range was.members {
		if roles, isMember := is.members[id]; !isMember {
			kind, user, before.Roles, before.AddedAt = "org.member_removed", id, rolesOf(was.members[id]), was.addedAt[id]
		} else if roles != was.members[id] {
			kind, user, before.AddedAt = "org.member_updated", id, was.addedAt[id]
			before.Roles, after.Roles = orNone(rolesOf(was.members[id])), orNone(rolesOf(roles))
		}
	}
	for id := range is.members {
		if _, isMember := was.members[id]; !isMember {
			kind, user, after.Roles = "org.member_added", id, rolesOf(is.members[id])
			if e.Type == "org.member_imported" {
				kind, after.AddedAt = e.Type, is.addedAt[id]
			}
		}
	}
	switch {
	case was.OrgName == "":
		kind, before = "org.created", image{}
		if e.after.CreatedAt != "" {
			user, after.CreatedAt = e.Member, is.CreatedAt
		}
		if e.Type == "org.imported" {
			kind = e.Type
		}
	case kind == "org.member_added" && !was.IsActive:
		return "a member was added while the organization was deactivated"
	case e.Type == "org.user_erased": // the event does not record which user it was
		kind, user, before, after = e.Type, e.Member, image{AddedAt: was.addedAt[e.Member]}, image{}
		if after.CreatedBy = e.after.CreatedBy; after.CreatedBy != "" {
			after.CreatedBy = "null"
		}
	case user != "":
	case after.IsActive != nil && *after.IsActive:
		kind = "org.reactivated"
	case after.IsActive != nil:
		kind = "org.deactivated"
	case before == after: // no recorded field differs
		return "nothing changed"
	}
	return gocmp.Diff(kind, e.Type) + gocmp.Diff(user, e.Member) + gocmp.Diff(before, e.before) + gocmp.Diff(after, e.after)
}

// images returns the fields in which two states differ, except the members.
func images(was, is state) (before, after image) {
	if was.OrgName != is.OrgName {
		before.OrgName, after.OrgName = &was.OrgName, &is.OrgName
	}
	if !maps.Equal(was.Metadata, is.Metadata) {
		before.Metadata, after.Metadata = orEmpty(was.Metadata), orEmpty(is.Metadata)
	}
	if was.IsActive != is.IsActive {
		before.IsActive, after.IsActive = &was.IsActive, &is.IsActive
	}
	if was.ExternalID != is.ExternalID {
		before.ExternalID, after.ExternalID = orNull(was.ExternalID), orNull(is.ExternalID)
	}
	return before, after
}

func orNull(text string) rawJSON {
	if text == "" {
		return "null"
	}
	return rawJSON(`"` + text + `"`) // the external ids of the model need no escapes
}

// rolesOf returns the roles in the form of an event. nil means no roles.
func rolesOf(joined string) *[]string {
	if joined == "" {
		return nil
	}
	roles := strings.Split(joined, ",")
	return &roles
}

func orNone(roles *[]string) *[]string {
	if roles == nil {
		roles = &[]string{}
	}
	return roles
}

func orEmpty(m map[string]string) *map[string]string {
	if m == nil {
		m = map[string]string{}
	}
	return &m
}
