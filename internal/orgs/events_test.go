package orgs_test

import (
	"context"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"

	"orgd/internal/orgs"
	"orgd/internal/uuid"
)

// event is a row of the audit trail without its position and time.
type event struct {
	Type, Before, After, RequestID string
	KeyID, UserID                  *uuid.UUID
}

// events returns the organization's events in the order of a feed.
func (b bundle) events(t testing.TB, orgID uuid.UUID) []event {
	t.Helper()
	rows, err := b.Pool.Query(context.Background(), `
SELECT type, before::text, after::text, request_id, actor_key_id, actor_user_id
FROM org_events WHERE account_id = $1 AND org_id = $2 ORDER BY epoch, xact_id, id`, b.account, orgID)
	if err != nil {
		t.Fatal(err)
	}
	got, err := pgx.CollectRows(rows, pgx.RowToStructByPos[event])
	if err != nil {
		t.Fatal(err)
	}
	return got
}

// Every change writes one event with its actor and the values before and after.
func TestEachChangeIsAudited(t *testing.T) {
	t.Parallel()
	b := setup(t)
	ctx := context.Background()
	user := uuid.UUID{15: 9}
	id := b.create(t, orgs.NewOrg{Name: "Acme", Metadata: map[string]string{"a": "b"}}).ID
	b.update(t, id, orgs.Changes{Name: ptr("Acme 2")})
	b.update(t, id, orgs.Changes{Name: ptr("Acme 3"), Metadata: &map[string]string{}})
	for _, change := range []func() (orgs.Changed, error){
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
	by := func(kind, before, after string) event {
		return event{Type: kind, Before: before, After: after, RequestID: caller.RequestID, KeyID: &caller.KeyID, UserID: &caller.UserID}
	}
	want := []event{
		by("org.created", `{}`, `{"orgName": "Acme", "metadata": {"a": "b"}}`),
		by("org.updated", `{"orgName": "Acme"}`, `{"orgName": "Acme 2"}`),
		by("org.updated", `{"orgName": "Acme 2", "metadata": {"a": "b"}}`, `{"orgName": "Acme 3", "metadata": {}}`),
		by("org.member_added", `{}`, `{"userId": "usr_00000000000000000000000000000009"}`),
		by("org.deactivated", `{"isActive": true}`, `{"isActive": false}`),
		by("org.member_removed", `{"userId": "usr_00000000000000000000000000000009"}`, `{}`),
		{Type: "org.reactivated", Before: `{"isActive": false}`, After: `{"isActive": true}`, RequestID: "r2"},
	}
	if diff := cmp.Diff(want, b.events(t, id)); diff != "" {
		t.Errorf("events (-want +got):\n%s", diff)
	}
	var same bool
	err := b.Pool.QueryRow(ctx, `
SELECT (SELECT max(occurred_at) FROM org_events WHERE org_id = $1) = updated_at
   AND (SELECT min(occurred_at) FROM org_events WHERE org_id = $1) = created_at
FROM orgs WHERE org_id = $1`, id).Scan(&same)
	if err != nil || !same {
		t.Errorf("the events' times are not the organization's (%v)", err)
	}
}

// The reader that the migration describes misses no event and sees none twice, even if the
// event with the smaller transaction id is committed last.
func TestEventsCanBeReadWithoutGaps(t *testing.T) {
	t.Parallel()
	b := setup(t)
	ctx := context.Background()
	slow, err := b.Pool.Begin(ctx)
	if err != nil {
		t.Fatal(err)
	}
	defer slow.Rollback(ctx)
	const insert = `INSERT INTO org_events (account_id, org_id, type, request_id, before, after, occurred_at) VALUES ($1, $1, 'org.test', $2, '{}', '{}', now())`
	if _, err := slow.Exec(ctx, insert, b.account, "first"); err != nil {
		t.Fatal(err)
	}
	b.Exec(t, insert, b.account, "second")

	reader := feed{bundle: b}
	if got := reader.next(t); len(got) != 0 {
		t.Errorf("while the first is in progress: %v", got)
	}
	if err := slow.Commit(ctx); err != nil {
		t.Fatal(err)
	}
	b.Exec(t, insert, b.account, "third")
	var seen []string
	// Transactions in other databases also delay the events.
	for deadline := time.Now().Add(time.Minute); len(seen) < 3 && time.Now().Before(deadline); {
		seen = append(seen, reader.next(t)...)
	}
	if diff := cmp.Diff([]string{"first", "second", "third"}, seen); diff != "" {
		t.Errorf("seen (-want +got):\n%s", diff)
	}
}

// feed reads the account's events from its last position.
type feed struct {
	bundle
	epoch  int
	xactID uint64
	id     int64
}

func (f *feed) next(t *testing.T) (requests []string) {
	t.Helper()
	rows, err := f.Pool.Query(context.Background(), `
SELECT epoch, xact_id, id, request_id
FROM org_events
WHERE account_id = $1
  AND (epoch, xact_id, id) > ($2, $3, $4)
  AND (epoch < 1 OR xact_id < pg_snapshot_xmin(pg_current_snapshot()))
ORDER BY epoch, xact_id, id
LIMIT 2`, f.account, f.epoch, f.xactID, f.id)
	if err != nil {
		t.Fatal(err)
	}
	var request string
	_, err = pgx.ForEachRow(rows, []any{&f.epoch, &f.xactID, &f.id, &request}, func() error {
		requests = append(requests, request)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return requests
}
