package orgs_test

import (
	"context"
	"errors"
	"testing"

	"orgd/internal/orgs"
	"orgd/internal/uuid"
)

// Another account's organization looks like one that does not exist, and cannot be
// changed.
func TestOrganizationOfAnotherAccountIsNotFound(t *testing.T) {
	t.Parallel()
	b := setup(t)
	ctx := context.Background()
	theirs := b.Org(t, b.Account(t), orgs.Org{Name: "Theirs", IsActive: true})
	for title, id := range map[string]uuid.UUID{"of another account": theirs.ID, "unknown": uuid.NewV7(), "zero": {}} {
		_, get := b.repository.Get(ctx, b.account, id)
		_, update := b.repository.Update(ctx, b.caller(), id, nil, orgs.Changes{Name: ptr("Mine")})
		_, match := b.repository.Update(ctx, b.caller(), id, &orgs.Precondition{Versions: orgs.Versions{1}}, orgs.Changes{})
		_, deactivate := b.repository.SetActive(ctx, b.caller(), id, nil, false)
		_, add := b.repository.AddMember(ctx, b.caller(), id, nil, userN(1))
		_, remove := b.repository.RemoveMember(ctx, b.caller(), id, nil, userN(1))
		_, members := b.repository.ListMembers(ctx, b.account, orgs.MemberListParams{OrgID: id, Limit: 1})
		for name, err := range map[string]error{"get": get, "update": update, "match": match, "deactivate": deactivate, "add": add, "remove": remove, "members": members} {
			if !errors.Is(err, orgs.ErrNotFound) {
				t.Errorf("%s, %s: %v", title, name, err)
			}
		}
	}
	var name string
	var version, events int
	err := b.Pool.QueryRow(ctx, "SELECT org_name, version, (SELECT count(*) FROM events) FROM orgs WHERE org_id = $1", theirs.ID).Scan(&name, &version, &events)
	if err != nil || name != "Theirs" || version != 1 || events != 0 {
		t.Errorf("theirs: %s %d %d %v", name, version, events, err)
	}
}
