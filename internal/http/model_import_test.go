package http_test

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"pgregory.net/rapid"

	"orgd/internal/idempotency"
	"orgd/internal/orgs"
	"orgd/internal/uuid"
	"orgd/internal/wire"
)

// importOrg imports an organization into one of the accounts, as `server import` does.
func (m *model) importOrg(t *rapid.T) {
	account := rapid.SampledFrom(m.accounts).Draw(t, "account")
	m.calls++
	requestID := fmt.Sprint(idempotency.OperatorPrefix, m.calls)
	begun := time.Now().Truncate(time.Microsecond)
	// A zero time stands for the time of the import. The other times are in the past.
	past := func(name string) time.Time {
		if rapid.Bool().Draw(t, name+" is open") {
			return time.Time{}
		}
		return begun.Add(-time.Duration(rapid.IntRange(1, 3).Draw(t, name)) * time.Hour).UTC()
	}
	line := orgs.ImportOrg{
		ID: uuid.NewV7(), IDIsOwn: true, Name: rapid.SampledFrom(modelNames).Draw(t, "name"),
		Metadata:        rapid.SampledFrom(append([]map[string]string{nil}, modelMetadata...)).Draw(t, "metadata"),
		IsActive:        rapid.Ptr(rapid.Bool(), true).Draw(t, "isActive"),
		CreatedAt:       past("createdAt"),
		CreatedByUserID: rapid.SampledFrom([]string{"", userOne, userTwo}).Draw(t, "creator"),
	}
	if rapid.Bool().Draw(t, "with an external id") {
		line.ExternalID = rapid.SampledFrom(modelExternals).Draw(t, "externalId")
	}
	for _, user := range rapid.Permutation(modelUsers).Draw(t, "users")[:rapid.IntRange(0, 3).Draw(t, "members")] {
		line.Members = append(line.Members, orgs.ImportMember{
			UserID: user, AddedAt: past("addedAt"),
			Roles: rapid.SampledFrom([][]string{nil, {}, {"billing:read", "owner"}}).Draw(t, "roles"),
		})
	}
	block := []orgs.ImportOrg{line}
	for range 2 { // the second time as after a crash
		done, err := m.orgs.NewImporter(account.id, requestID, false).Add(context.Background(), block)
		if err != nil {
			m.t.Fatal(err)
		}
		switch taken := (change{by: account.clients[0], external: &line.ExternalID}).holder(); {
		case taken != nil && taken != m.touched:
			if done[0].Outcome != orgs.ImportRefused || !strings.Contains(done[0].Reason, "externalId") || orgID(done[0].OrgID) != taken.OrgID {
				m.t.Fatalf("%s has the external id: %+v", taken.OrgID, done[0])
			}
			return
		case m.touched != nil:
			if done[0].Outcome != orgs.ImportPresent {
				m.t.Fatalf("imported again: %+v", done[0])
			}
		case done[0].Outcome != orgs.ImportAdded:
			m.t.Fatalf("imported: %+v", done[0])
		default:
			m.touched = m.imported(account, block[0], requestID, begun)
		}
	}
	for _, w := range m.walks {
		w.forgive(m.t)
	}
}

// imported adds the organization to the model. The members are in the order of their
// events.
func (m *model) imported(account *modelAccount, line orgs.ImportOrg, requestID string, begun time.Time) *modelOrg {
	o := &modelOrg{
		account: account, version: 1 + len(line.Members), unread: true, members: map[string]time.Time{}, roles: map[string][]string{},
		organization: organization{
			OrgID: orgID(line.ID), OrgName: line.Name, ExternalID: line.ExternalID, IsActive: line.IsActive == nil || *line.IsActive,
			Metadata: maps.Clone(line.Metadata), UserCount: len(line.Members), CreatedByUserID: line.CreatedByUserID, Revision: 1,
			CreatedAt: string(wire.AppendTime(nil, line.CreatedAt)), UpdatedAt: string(wire.AppendTime(nil, begun)),
		},
		trail: []action{{Type: "org.imported", RequestID: requestID, Member: line.CreatedByUserID}},
	}
	for _, member := range line.Members {
		o.members[member.UserID] = member.AddedAt
		if len(member.Roles) > 0 {
			o.roles[member.UserID] = member.Roles
		}
		o.trail = append(o.trail, action{Type: "org.member_imported", RequestID: requestID, Member: member.UserID})
	}
	if line.CreatedAt.IsZero() {
		if o.CreatedAt = m.as(account.clients[0], o.path()).organization(m.t, 200).CreatedAt; readTime(m.t, o.CreatedAt).Before(begun) {
			m.t.Fatalf("created at %s, before %s", o.CreatedAt, begun)
		}
	}
	at, _ := slices.BinarySearchFunc(account.orgs, o, func(a, b *modelOrg) int {
		return readTime(m.t, a.CreatedAt).Compare(readTime(m.t, b.CreatedAt))
	})
	account.orgs = slices.Insert(account.orgs, at, o)
	return o
}
