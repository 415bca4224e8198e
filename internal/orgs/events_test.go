package orgs_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"

	"orgd/internal/orgs"
	"orgd/internal/uuid"
)

// event is a row of the audit trail without its position and time. Subject is the user
// whom the event is about.
type event struct {
	Type, Before, After, RequestID string
	KeyID                          *uuid.UUID
	UserID, Subject                *string
}

// events returns the organization's events in order. In their before values, the time at
// which a member was added is replaced with "event N": the event of that addition, counted
// from 0.
func (b bundle) events(t testing.TB, orgID uuid.UUID) []event {
	t.Helper()
	rows, err := b.Pool.Query(context.Background(), `
SELECT type, before::text, after::text, request_id, actor_api_key_id, actor_user_id, user_id
FROM events WHERE account_id = $1 AND org_id = $2 ORDER BY id`, b.account, orgID)
	if err != nil {
		t.Fatal(err)
	}
	got, err := pgx.CollectRows(rows, pgx.RowToStructByPos[event])
	if err != nil {
		t.Fatal(err)
	}
	rows, err = b.Pool.Query(context.Background(), "SELECT occurred_at FROM events WHERE account_id = $1 AND org_id = $2 ORDER BY id", b.account, orgID)
	if err != nil {
		t.Fatal(err)
	}
	times, err := pgx.CollectRows(rows, pgx.RowTo[time.Time])
	if err != nil {
		t.Fatal(err)
	}
	for n, at := range times {
		if got[n].Type == "org.member_added" {
			for i := range got {
				got[i].Before = strings.ReplaceAll(got[i].Before, at.UTC().Format("2006-01-02T15:04:05.000000Z"), fmt.Sprint("event ", n))
			}
		}
	}
	return got
}

// Every change writes one event with its actor and the values before and after.
func TestEachChangeIsAudited(t *testing.T) {
	t.Parallel()
	b := setup(t)
	ctx := context.Background()
	user := userN(9)
	id := b.create(t, orgs.NewOrg{Name: "Acme", Metadata: map[string]string{"a": "b"}}).ID
	b.update(t, id, orgs.Changes{Name: ptr("Acme 2")})
	b.update(t, id, orgs.Changes{Name: ptr("Acme 3"), Metadata: &map[string]string{}})
	b.update(t, id, orgs.Changes{ExternalID: ptr("crm/42")})
	b.update(t, id, orgs.Changes{ExternalID: ptr("")})
	for _, change := range []func() (orgs.Changed, error){
		func() (orgs.Changed, error) {
			return b.repository.PatchMetadata(ctx, b.caller(), id, nil, orgs.MetadataPatch{"c": ptr("d"), "absent": nil})
		},
		func() (orgs.Changed, error) { return b.repository.AddMember(ctx, b.caller(), id, nil, user) },
		func() (orgs.Changed, error) { return b.repository.AddMember(ctx, b.caller(), id, nil, user) },
		func() (orgs.Changed, error) { return b.repository.SetActive(ctx, b.caller(), id, nil, false) },
		func() (orgs.Changed, error) { return b.repository.RemoveMember(ctx, b.caller(), id, nil, user) },
		func() (orgs.Changed, error) { return b.repository.RemoveMember(ctx, b.caller(), id, nil, user) },
		func() (orgs.Changed, error) {
			return b.repository.SetActive(ctx, orgs.Call{AccountID: b.account, RequestID: "r2"}, id, nil, true)
		},
	} {
		if _, err := change(); err != nil {
			t.Fatal(err)
		}
	}
	caller := b.caller()
	about := func(user string, e event) event {
		e.Subject = &user
		return e
	}
	by := func(kind, before, after string) event {
		return event{Type: kind, Before: before, After: after, RequestID: caller.RequestID, KeyID: &caller.KeyID, UserID: &caller.UserID}
	}
	want := []event{
		by("org.created", `{}`, `{"orgName": "Acme", "metadata": {"a": "b"}}`),
		by("org.updated", `{"orgName": "Acme"}`, `{"orgName": "Acme 2"}`),
		by("org.updated", `{"orgName": "Acme 2", "metadata": {"a": "b"}}`, `{"orgName": "Acme 3", "metadata": {}}`),
		by("org.updated", `{"externalId": null}`, `{"externalId": "crm/42"}`),
		by("org.updated", `{"externalId": "crm/42"}`, `{"externalId": null}`),
		by("org.updated", `{"metadata": {}}`, `{"metadata": {"c": "d"}}`),
		about(user, by("org.member_added", `{}`, `{}`)),
		by("org.deactivated", `{"isActive": true}`, `{"isActive": false}`),
		about(user, by("org.member_removed", `{"addedAt": "event 6"}`, `{}`)),
		{Type: "org.reactivated", Before: `{"isActive": false}`, After: `{"isActive": true}`, RequestID: "r2"},
	}
	if diff := cmp.Diff(want, b.events(t, id)); diff != "" {
		t.Errorf("events (-want +got):\n%s", diff)
	}
	var same bool
	err := b.Pool.QueryRow(ctx, `
SELECT (SELECT max(occurred_at) FROM events WHERE org_id = $1) = updated_at
   AND (SELECT min(occurred_at) FROM events WHERE org_id = $1) = created_at
FROM orgs WHERE org_id = $1`, id).Scan(&same)
	if err != nil || !same {
		t.Errorf("the times of the first and the last event are not the organization's createdAt and updatedAt (%v)", err)
	}
}
