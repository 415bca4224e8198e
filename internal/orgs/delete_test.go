package orgs_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"

	"orgd/internal/idempotency"
	"orgd/internal/orgs"
	"orgd/internal/uuid"
)

func (b bundle) delete(t fataler, id uuid.UUID) {
	t.Helper()
	b.setActive(t, id, false)
	if err := b.repository.Delete(context.Background(), b.caller(), id, nil); err != nil {
		t.Fatalf("Delete: %v", err)
	}
}

func (b bundle) erase(t fataler) {
	t.Helper()
	if _, err := b.repository.Erase(context.Background()); err != nil {
		t.Fatalf("Erase: %v", err)
	}
}

// fill makes userN(1) to userN(n) members of the organization.
func (b bundle) fill(t testing.TB, id uuid.UUID, n int) {
	t.Helper()
	b.Exec(t, `
INSERT INTO org_members (account_id, org_id, user_id, added_at, org_created_at)
SELECT account_id, org_id, 'auth0|' || n, created_at + n * interval '1 microsecond', created_at
FROM orgs, generate_series(1, $2) AS n WHERE org_id = $1`, id, n)
	b.Exec(t, "UPDATE orgs SET user_count = $2 WHERE org_id = $1", id, n)
}

// dump returns every row of every table as text.
func (b bundle) dump(t testing.TB) string {
	t.Helper()
	ctx := context.Background()
	rows, err := b.Pool.Query(ctx, "SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY tablename")
	if err != nil {
		t.Fatal(err)
	}
	tables, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil || len(tables) < 8 {
		t.Fatalf("tables %v, %v", tables, err)
	}
	var all strings.Builder
	for _, table := range tables {
		name := pgx.Identifier{table}.Sanitize()
		rows, err := b.Pool.Query(ctx, fmt.Sprintf("SELECT r::text FROM %s AS r", name))
		if err != nil {
			t.Fatal(err)
		}
		texts, err := pgx.CollectRows(rows, pgx.RowTo[string])
		if err != nil {
			t.Fatal(err)
		}
		for _, text := range texts {
			all.WriteString(table + " " + text + "\n")
		}
	}
	return all.String()
}

// lacks checks that the dump contains none of the texts.
func lacks(t *testing.T, dump string, texts ...string) {
	t.Helper()
	for line := range strings.Lines(dump) {
		for _, text := range texts {
			if strings.Contains(line, text) {
				t.Errorf("%q is still in %s", text, line)
			}
		}
	}
}

func TestDelete(t *testing.T) {
	t.Parallel()
	b := setup(t)
	ctx := context.Background()
	id := b.create(t, orgs.NewOrg{Name: "Acme"}).ID
	other := b.create(t, orgs.NewOrg{Name: "Other"})
	remove := func(match orgs.Versions, revision *int64) error {
		return b.repository.Delete(ctx, b.caller(), id, &orgs.Precondition{Versions: match, Revision: revision})
	}
	if err := remove(nil, nil); !errors.Is(err, orgs.ErrActive) {
		t.Errorf("active: %v", err)
	}
	b.setActive(t, id, false)
	var version orgs.VersionError
	if err := remove(orgs.Versions{1}, nil); !errors.As(err, &version) || version.Current != 2 {
		t.Errorf("another version: %v", err)
	}
	var revision orgs.RevisionError
	if err := remove(nil, ptr(int64(1))); !errors.As(err, &revision) || revision != (orgs.RevisionError{Current: 2, Version: 2}) {
		t.Errorf("another revision: %v", err)
	}
	foreign := b.caller()
	foreign.AccountID = b.Account(t)
	if err := b.repository.Delete(ctx, foreign, id, nil); !errors.Is(err, orgs.ErrNotFound) {
		t.Errorf("another account: %v", err)
	}
	if err := remove(orgs.Versions{2}, ptr(int64(2))); err != nil {
		t.Fatal(err)
	}
	for name, call := range map[string]func() error{
		"get":    func() error { return second(b.repository.Get(ctx, b.account, id)) },
		"delete": func() error { return remove(nil, nil) },
		"update": func() error {
			return second(b.repository.Update(ctx, b.caller(), id, nil, orgs.Changes{Name: ptr("x")}))
		},
		"add":    func() error { return second(b.repository.AddMember(ctx, b.caller(), id, nil, userN(1))) },
		"remove": func() error { return second(b.repository.RemoveMember(ctx, b.caller(), id, nil, userN(1))) },
		"members": func() error {
			return second(b.repository.ListMembers(ctx, b.account, orgs.MemberListParams{OrgID: id, Limit: 1}))
		},
	} {
		t.Run(name, func(t *testing.T) {
			if err := call(); !errors.Is(err, orgs.ErrNotFound) {
				t.Errorf("%v, want ErrNotFound", err)
			}
		})
	}
	if got := b.walk(t, orgs.ListParams{Limit: 10}); len(got) != 1 || got[0].ID != other.ID {
		t.Errorf("the list has %v", names(got))
	}
}

// After the erasure, no table contains a name, a value or a user id of the organization,
// and only its events contain its id. The event org.deleted names the caller's key.
func TestNothingIsLeftOfADeletedOrganization(t *testing.T) {
	t.Parallel()
	b := setup(t)
	ctx := context.Background()
	caller := b.keyed("create")
	made, err := b.repository.Create(ctx, caller, orgs.NewOrg{Name: "Secret Ltd", Metadata: map[string]string{"hidden": "payload"}, ExternalID: "crm/1"})
	if err != nil {
		t.Fatal(err)
	}
	id := made.Org.ID
	counting := b.caller()
	counting.CountsRetries = true
	counted, err := b.repository.Create(ctx, counting, orgs.NewOrg{Name: "Secret Ltd"})
	if err != nil {
		t.Fatal(err)
	}
	b.repository.AnswerLost(counted)
	if err := b.repository.RecordLost(ctx); err != nil {
		t.Fatal(err)
	}
	b.fill(t, id, 2500)
	if _, err := b.repository.Create(ctx, b.keyed("taken"), orgs.NewOrg{Name: "Other", ExternalID: "crm/1"}); !errors.Is(err, orgs.ErrExternalIDTaken) {
		t.Errorf("a creation with the external id: %v", err)
	}
	other := b.Org(t, b.account, orgs.Org{Name: "Other"})
	if _, err := b.repository.Update(ctx, b.keyed("taken"), other.ID, nil, orgs.Changes{ExternalID: ptr("crm/1")}); !errors.Is(err, orgs.ErrExternalIDTaken) {
		t.Errorf("an update with the external id: %v", err)
	}
	if _, err := b.repository.AddMember(ctx, b.keyed("add"), id, nil, "auth0|guest"); err != nil {
		t.Fatal(err)
	}
	if _, err := b.repository.Update(ctx, b.keyed("update"), id, nil, orgs.Changes{Name: ptr("Hush Ltd")}); err != nil {
		t.Fatal(err)
	}
	b.delete(t, id)
	b.delete(t, counted.Org.ID)
	if n := b.count(t, "SELECT count(*) FROM idempotency_keys") + b.count(t, "SELECT count(*) FROM unanswered_creations"); n != 0 {
		t.Errorf("%d stored results are left", n)
	}
	b.erase(t)
	dump := b.dump(t)
	lacks(t, dump, "Secret", "Hush", "hidden", "payload", "auth0", "crm/1")
	for line := range strings.Lines(dump) {
		if strings.Contains(line, id.String()) && !strings.HasPrefix(line, "events ") {
			t.Errorf("the organization's id is still in %s", line)
		}
	}
	if _, err := b.repository.Update(ctx, b.keyed("update"), id, nil, orgs.Changes{Name: ptr("Hush Ltd")}); !errors.Is(err, orgs.ErrNotFound) {
		t.Errorf("a retry: %v", err)
	}
	if count, waited := b.repository.PendingErasures(); count != 0 || waited != 0 {
		t.Errorf("%d erasures are pending, for %s", count, waited)
	}
	want := event{Type: "org.deleted", Before: "{}", After: "{}", RequestID: caller.RequestID, KeyID: &caller.KeyID}
	events := b.events(t, id)
	if diff := cmp.Diff(want, events[len(events)-1]); diff != "" {
		t.Errorf("the last event (-want +got):\n%s", diff)
	}
}

// An erasure that stops between two pieces continues with the remaining rows. Until then,
// no list shows the deleted organization.
func TestErasureSurvivesACrash(t *testing.T) {
	t.Parallel()
	b := setup(t)
	id := b.create(t, orgs.NewOrg{Name: "Acme"}).ID
	b.fill(t, id, 2500)
	later := b.create(t, orgs.NewOrg{Name: "Later"}).ID
	b.fill(t, later, 10)
	b.delete(t, id)
	b.delete(t, later)
	b.Exec(t, "CREATE SEQUENCE deletions")
	b.Exec(t, `CREATE FUNCTION crash() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF OLD.org_id = '`+id.String()+`' AND nextval('deletions') = 1500 THEN RAISE EXCEPTION 'crash'; END IF;
    RETURN OLD;
END $$`)
	b.Exec(t, "CREATE TRIGGER crash BEFORE DELETE ON org_members FOR EACH ROW EXECUTE FUNCTION crash()")
	if _, err := b.repository.Erase(context.Background()); err == nil || !strings.Contains(err.Error(), "crash") {
		t.Fatalf("Erase: %v", err)
	}
	if n := b.count(t, "SELECT count(*) FROM org_members"); n != 1500 {
		t.Errorf("%d members are left, want 1500", n)
	}
	if count, _ := b.repository.PendingErasures(); count != 1 {
		t.Errorf("%d erasures are pending, want the one that failed", count)
	}
	if n := len(b.walk(t, orgs.ListParams{Limit: 10, UserID: ptr(userN(2500))})); n != 0 {
		t.Errorf("a list shows %d deleted organizations", n)
	}
	restarted := bundle{DB: b.DB, repository: orgs.NewRepository(b.Conns), account: b.account}
	restarted.erase(t)
	lacks(t, b.dump(t), "auth0", "Acme", "org_erasures ")
}

// A failover may undo the first pieces of an erasure while a server continues it. The
// server erases them again.
func TestErasureSurvivesAFailover(t *testing.T) {
	t.Parallel()
	b := setup(t)
	id := b.create(t, orgs.NewOrg{Name: "Acme"}).ID
	b.fill(t, id, 10)
	b.delete(t, id)
	b.Exec(t, "CREATE SEQUENCE updates")
	b.Exec(t, `CREATE FUNCTION undo() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF nextval('updates') = 1 THEN
        INSERT INTO org_members (account_id, org_id, user_id, added_at, org_created_at) VALUES (NEW.account_id, NEW.org_id, 'auth0|1', now(), now());
    END IF;
    RETURN NEW;
END $$`)
	b.Exec(t, "CREATE TRIGGER undo BEFORE UPDATE ON events FOR EACH ROW EXECUTE FUNCTION undo()") // runs after the members are erased
	b.erase(t)
	if n := b.count(t, "SELECT count(*) FROM updates WHERE is_called"); n == 0 {
		t.Error("nothing was undone")
	}
	lacks(t, b.dump(t), "auth0", "Acme", "org_erasures ")
}

// Several servers that erase concurrently leave nothing behind, and none of them fails.
func TestErasuresTogether(t *testing.T) {
	t.Parallel()
	b := setup(t)
	for range 3 {
		id := b.create(t, orgs.NewOrg{Name: "Acme"}).ID
		b.fill(t, id, 2100)
		b.delete(t, id)
	}
	together(4, func(int) {
		other := bundle{DB: b.DB, repository: orgs.NewRepository(b.Conns), account: b.account}
		other.erase(tb{t})
	})
	b.erase(t) // finishes a piece that a server above skipped because another was erasing
	lacks(t, b.dump(t), "auth0", "Acme", "org_erasures ")
}

// A user's lists are correct even before the user's memberships of thousands of deleted
// organizations have been erased.
func TestListsPassDeletedOrganizations(t *testing.T) {
	t.Parallel()
	b := setup(t)
	user := userN(1)
	want := make([]uuid.UUID, 0, 4)
	for i := range 4 {
		id := b.create(t, orgs.NewOrg{Name: fmt.Sprint("Kept ", i), Metadata: map[string]string{"k": "v"}}).ID
		if _, err := b.repository.AddMember(context.Background(), b.caller(), id, nil, user); err != nil {
			t.Fatal(err)
		}
		want = append([]uuid.UUID{id}, want...)
		// Memberships of 2,000 deleted organizations that were created at about the same
		// time.
		for _, activity := range []int{-1, 1} {
			b.Exec(t, `
INSERT INTO org_members (account_id, org_id, user_id, org_created_at, org_activity)
SELECT $1, gen_random_uuid(), $2, now() - n * interval '1 microsecond', $3 FROM generate_series(1, 1000) AS n`, b.account, user, activity)
		}
	}
	small := b
	small.repository = b.repository.WithNearby(100)
	for name, p := range map[string]orgs.ListParams{
		"plain":                {},
		"active":               {IsActive: ptr(true)},
		"by name":              {Name: "kept"},
		"by metadata":          {Metadata: map[string]string{"k": "v"}},
		"active, name, pairs":  {IsActive: ptr(true), Name: "kept", Metadata: map[string]string{"k": "v"}},
		"by a very short name": {Name: "t"},
	} {
		for _, limit := range []int{1, 3, 100} {
			t.Run(fmt.Sprint(name, " by ", limit), func(t *testing.T) {
				p.UserID, p.Limit = &user, limit
				for _, b := range []bundle{b, small} {
					var got []uuid.UUID
					for _, o := range b.walk(t, p) {
						got = append(got, o.ID)
					}
					if diff := cmp.Diff(want, got); diff != "" {
						t.Errorf("-want +got:\n%s", diff)
					}
				}
			})
		}
	}
}

// During a deletion, additions, updates and walks see the whole organization or none of
// it, and leave nothing behind.
func TestDeleteDuringOtherCalls(t *testing.T) {
	t.Parallel()
	b := setup(t)
	ctx := context.Background()
	kept := b.create(t, orgs.NewOrg{Name: "Kept"}).ID
	for round := range 10 {
		made := b.create(t, orgs.NewOrg{Name: "Doomed"})
		b.fill(t, made.ID, 20)
		var served, deleted atomic.Bool
		allowed := func(err error, also ...error) {
			if err == nil {
				served.Store(true)
			}
			for _, ok := range append(also, nil, orgs.ErrNotFound) {
				if errors.Is(err, ok) {
					return
				}
			}
			t.Error(err)
		}
		together(8, func(i int) {
			if i == 0 {
				for !served.Load() {
					time.Sleep(time.Millisecond)
				}
				defer deleted.Store(true) // also if the deletion fails: the walks wait for it
				b.delete(tb{t}, made.ID)
				return
			}
			walked := i < 6 // the other calls must walk once after the deletion
			for n := 0; n < 12 || !walked; n++ {
				switch i {
				case 1, 2:
					_, err := b.repository.AddMember(ctx, b.keyed(fmt.Sprint(round, i, n)), made.ID, nil, userN(100*i+n))
					allowed(err, orgs.ErrInactive)
				case 3, 4:
					_, err := b.repository.Update(ctx, b.keyed(fmt.Sprint(round, i, n)), made.ID, nil, orgs.Changes{Name: ptr(fmt.Sprint("Doomed ", i, n))})
					allowed(err)
				case 5:
					_, err := b.repository.ListMembers(ctx, b.account, orgs.MemberListParams{OrgID: made.ID, Limit: 5})
					allowed(err)
				default:
					gone := deleted.Load()
					walked = gone
					found := map[uuid.UUID]int{}
					for _, o := range b.walk(tb{t}, orgs.ListParams{Limit: 1}) {
						found[o.ID]++
					}
					if found[kept] != 1 || gone && found[made.ID] != 0 {
						t.Errorf("deleted %v, but a walk saw %v", gone, found)
					}
				}
			}
		})
	}
	b.erase(t)
	lacks(t, b.dump(t), "Doomed", "auth0|1", "org_members ")
	if n := b.count(t, "SELECT count(*) FROM events WHERE type = 'org.deleted'"); n != 10 {
		t.Errorf("%d events, want 10", n)
	}
}

// After the erasure of a user who was in 1,000 organizations and created some of them, no
// table contains the user's id. The version of each organization rises by one, and each
// gets one event.
func TestEraseUser(t *testing.T) {
	t.Parallel()
	b := setup(t)
	ctx := context.Background()
	gone := "google-oauth2|gone/é%"
	acting := b.keyed("create")
	acting.UserID = gone
	made, err := b.repository.Create(ctx, acting, orgs.NewOrg{Name: "Made by"})
	if err != nil {
		t.Fatal(err)
	}
	acting.IdempotencyKey = "update"
	if _, err := b.repository.Update(ctx, acting, made.Org.ID, nil, orgs.Changes{Name: ptr("Made by them")}); err != nil {
		t.Fatal(err)
	}
	b.Exec(t, `
INSERT INTO orgs (account_id, org_id, org_name, org_name_folded, user_count, created_by_user_id)
SELECT $1, gen_random_uuid(), 'Acme', 'acme', 2, CASE WHEN n % 10 = 0 THEN $2 END FROM generate_series(1, 1000) AS n`, b.account, gone)
	b.Exec(t, `
INSERT INTO org_members (account_id, org_id, user_id, added_at, org_created_at)
SELECT account_id, org_id, user_id, created_at + place * interval '1 microsecond', created_at
FROM orgs, unnest(ARRAY[$2, 'stays']) WITH ORDINALITY AS users (user_id, place) WHERE account_id = $1 AND user_count = 2`, b.account, gone)
	b.Exec(t, `
INSERT INTO events (account_id, type, org_id, user_id, actor_user_id, request_id)
SELECT account_id, 'org.member_added', org_id, $2, $2, 'r' FROM org_members WHERE account_id = $1`, b.account, gone)
	another := b.Account(t)
	b.Exec(t, "INSERT INTO events (account_id, type, user_id, request_id) VALUES ($1, 'x', $2, 'r')", another, gone)

	request := b.caller()
	request.UserID = ""
	pending, err := b.repository.EraseUser(ctx, request, gone)
	if err != nil || !pending {
		t.Fatalf("first call: %v, %v", pending, err)
	}
	if pending, err := b.repository.EraseUser(ctx, request, gone); err != nil || !pending {
		t.Errorf("second call: %v, %v", pending, err)
	}
	b.erase(t)
	if pending, err := b.repository.EraseUser(ctx, request, gone); err != nil || pending {
		t.Errorf("afterwards: %v, %v", pending, err)
	}
	b.Exec(t, "DELETE FROM events WHERE account_id = $1", another)
	lacks(t, b.dump(t), "gone/")
	if n := b.count(t, "SELECT count(*) FROM orgs WHERE user_count = 1 AND version = 2 AND revision = 1 AND updated_at > created_at"); n != 1000 {
		t.Errorf("%d organizations have one member and the next version, want 1000", n)
	}
	if n := b.count(t, "SELECT count(*) FROM org_members WHERE user_id = 'stays'"); n != 1000 {
		t.Errorf("%d other members, want 1000", n)
	}
	if n := b.count(t, "SELECT count(*) FROM (SELECT FROM events WHERE type = 'org.user_erased' AND actor_api_key_id = $1 GROUP BY org_id HAVING count(*) = 1) AS once", request.KeyID); n != 1001 {
		t.Errorf("%d organizations have one event, want 1001", n)
	}
	if n := b.count(t, "SELECT count(*) FROM events WHERE type = 'user.erased'"); n != 1 {
		t.Errorf("%d events user.erased, want 1", n)
	}
	acting.IdempotencyKey = "create"
	again, err := b.repository.Create(ctx, acting, orgs.NewOrg{Name: "Made by"})
	if err != nil || !again.Replayed || again.Org.ID != made.Org.ID || again.Org.CreatedByUserID != "" {
		t.Errorf("a retry: %+v, %v", again, err)
	}
}

// A user's erasure that stops between two pieces continues with the remaining
// organizations, each of which changes once. Another user's erasure does not wait for it.
func TestUserErasureSurvivesACrash(t *testing.T) {
	t.Parallel()
	b := setup(t)
	ctx := context.Background()
	gone, later := "auth0|gone", "auth0|later"
	b.Exec(t, `
INSERT INTO orgs (account_id, org_id, org_name, org_name_folded, user_count)
SELECT $1, gen_random_uuid(), 'Acme', 'acme', 1 FROM generate_series(1, 600)`, b.account)
	b.Exec(t, `
INSERT INTO org_members (account_id, org_id, user_id, added_at, org_created_at)
SELECT account_id, org_id, $2, created_at, created_at FROM orgs WHERE account_id = $1`, b.account, gone)
	other := b.create(t, orgs.NewOrg{Name: "Other"}).ID
	if _, err := b.repository.AddMember(ctx, b.caller(), other, nil, later); err != nil {
		t.Fatal(err)
	}
	for _, user := range []string{gone, later} {
		if pending, err := b.repository.EraseUser(ctx, b.caller(), user); err != nil || !pending {
			t.Fatalf("EraseUser(%s): %v, %v", user, pending, err)
		}
	}
	b.Exec(t, "CREATE SEQUENCE removals")
	b.Exec(t, `CREATE FUNCTION crash() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF OLD.user_id = '`+gone+`' AND nextval('removals') = 400 THEN RAISE EXCEPTION 'crash'; END IF;
    RETURN OLD;
END $$`)
	b.Exec(t, "CREATE TRIGGER crash BEFORE DELETE ON org_members FOR EACH ROW EXECUTE FUNCTION crash()")
	if _, err := b.repository.Erase(ctx); err == nil || !strings.Contains(err.Error(), "crash") {
		t.Fatalf("Erase: %v", err)
	}
	wantErased := func(erased int) {
		t.Helper()
		for sql, want := range map[string]int{
			"SELECT count(*) FROM org_members": 600 - erased,
			"SELECT count(*) FROM orgs WHERE org_name = 'Acme' AND user_count = 1 AND version = 1":       600 - erased,
			"SELECT count(*) FROM orgs WHERE org_name = 'Acme' AND user_count = 0 AND version = 2":       erased,
			"SELECT count(*) FROM events JOIN orgs USING (org_id) WHERE org_name = 'Acme'":               erased,
			"SELECT count(DISTINCT org_id) FROM events JOIN orgs USING (org_id) WHERE org_name = 'Acme'": erased,
		} {
			if n := b.count(t, sql); n != want {
				t.Errorf("%s: %d, want %d", sql, n, want)
			}
		}
	}
	wantErased(250) // the first piece
	if count, _ := b.repository.PendingErasures(); count != 1 {
		t.Errorf("%d erasures are pending, want the one that failed", count)
	}
	restarted := bundle{DB: b.DB, repository: orgs.NewRepository(b.Conns), account: b.account}
	restarted.erase(t)
	wantErased(600)
	lacks(t, b.dump(t), gone, later, "user_erasures ")
}

// User counts stay correct when an erasure runs during removals, deletions and
// additions.
func TestEraseUserDuringOtherCalls(t *testing.T) {
	t.Parallel()
	b := setup(t)
	ctx := context.Background()
	gone := userN(7)
	ids := make([]uuid.UUID, 0, 30)
	for range 30 {
		id := b.create(t, orgs.NewOrg{Name: "Acme"}).ID
		b.fill(t, id, 10)
		ids = append(ids, id)
	}
	if _, err := b.repository.EraseUser(ctx, b.caller(), gone); err != nil {
		t.Fatal(err)
	}
	together(6, func(i int) {
		for n, id := range ids {
			switch {
			case i == 0:
				b.erase(tb{t})
			case i == 1:
				if _, err := b.repository.RemoveMember(ctx, b.caller(), id, nil, gone); err != nil && !errors.Is(err, orgs.ErrNotFound) {
					t.Error(err)
				}
			case i == 2 && n%3 == 0:
				b.delete(tb{t}, id)
			case i > 3:
				if _, err := b.repository.AddMember(ctx, b.caller(), id, nil, userN(100*i)); err != nil && !errors.Is(err, orgs.ErrInactive) && !errors.Is(err, orgs.ErrNotFound) {
					t.Error(err)
				}
			}
		}
	})
	b.erase(t)
	for deadline := time.Now().Add(10 * time.Second); ; b.erase(t) {
		if pending, err := b.repository.EraseUser(ctx, b.caller(), gone); err != nil || !pending {
			if err != nil {
				t.Error(err)
			}
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("the erasure does not end")
		}
	}
	wrong := b.count(t, `SELECT count(*) FROM orgs WHERE user_count <> (SELECT count(*) FROM org_members AS m WHERE m.org_id = orgs.org_id)`)
	if n := b.count(t, "SELECT count(*) FROM orgs"); wrong > 0 || n != 20 {
		t.Errorf("%d of %d organizations have a wrong user count", wrong, n)
	}
	if n := b.count(t, "SELECT count(*) FROM org_members"); n != 20*(9+2) {
		t.Errorf("%d members, want 9 old ones and 2 new ones in each organization", n)
	}
	if n := b.count(t, "SELECT count(*) FROM org_members WHERE user_id = $1", gone); n != 0 {
		t.Errorf("%d memberships are left", n)
	}
}

// The sweep of stored results, a deletion and an erasure lock the rows that they have in
// common in the same order, the oldest first. Therefore they cannot deadlock.
func TestStoredResultsAreLockedInOrder(t *testing.T) {
	t.Parallel()
	for name, run := range map[string]func(bundle, uuid.UUID) error{
		"sweep": func(b bundle, _ uuid.UUID) error { return second(idempotency.Sweep(context.Background(), b.Conns)) },
		"deletion": func(b bundle, id uuid.UUID) error {
			return b.repository.Delete(context.Background(), b.caller(), id, nil)
		},
		"erasure": func(b bundle, _ uuid.UUID) error {
			if _, err := b.repository.EraseUser(context.Background(), b.caller(), b.caller().UserID); err != nil {
				return err
			}
			return second(b.repository.Erase(context.Background()))
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b, ctx := setup(t), context.Background()
			id := b.create(t, orgs.NewOrg{Name: "Acme"}).ID
			b.setActive(t, id, false)
			// A scan without ORDER BY finds the younger row first.
			for _, age := range []string{"25 hours", "26 hours"} {
				b.Exec(t, `
INSERT INTO idempotency_keys (account_id, key_digest, call_digest, org_id, result, created_at)
VALUES ($1, sha256(convert_to($3, 'UTF8')), sha256(''), $2, jsonb_build_object('Result', jsonb_build_object('CreatedByUserID', $4::text)), now() - $3::interval)`,
					b.account, id, age, b.caller().UserID)
			}
			const lock = "SELECT FROM idempotency_keys WHERE created_at > now() - $1::interval AND created_at < now() - $2::interval FOR UPDATE NOWAIT"
			tx, err := b.Pool.Begin(ctx)
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = tx.Rollback(ctx) }() // does nothing unless the test has failed
			if tag, err := tx.Exec(ctx, lock, "26 hours 10 minutes", "25 hours 50 minutes"); err != nil || tag.RowsAffected() != 1 {
				t.Fatalf("lock the older row: %v, %v", tag, err)
			}
			done := make(chan error, 1)
			go func() { done <- run(b, id) }()
			b.awaitLockWait(t, done)
			if tag, err := tx.Exec(ctx, lock, "25 hours 10 minutes", "24 hours 50 minutes"); err != nil || tag.RowsAffected() != 1 {
				t.Errorf("the younger row is locked before the older one: %v, %v", tag, err)
			}
			if err := tx.Rollback(ctx); err != nil {
				t.Fatal(err)
			}
			if err := <-done; err != nil {
				t.Error(err)
			}
		})
	}
}

// awaitLockWait waits until a session of the database waits for a lock.
func (b bundle) awaitLockWait(t *testing.T, done <-chan error) {
	t.Helper()
	for waiting := false; !waiting; time.Sleep(5 * time.Millisecond) {
		select {
		case err := <-done:
			t.Fatalf("the call ended without waiting: %v", err)
		default:
		}
		err := b.Pool.QueryRow(context.Background(), `
SELECT EXISTS (SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock')`).Scan(&waiting)
		if err != nil {
			t.Fatal(err)
		}
	}
}

// The cost of an erasure does not depend on the size of the tables, even if the statistics
// still say that the user is in every row.
func TestPlansOfAUsersErasure(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.Exec(t, `
INSERT INTO orgs (account_id, org_id, org_name, org_name_folded, created_by_user_id)
SELECT $1, gen_random_uuid(), 'a', 'a', 'u' FROM generate_series(1, 20000)`, b.account)
	b.Exec(t, `
INSERT INTO org_members (account_id, org_id, user_id, org_created_at)
SELECT $1, gen_random_uuid(), 'u', now() FROM generate_series(1, 20000)`, b.account)
	b.Exec(t, `
INSERT INTO events (account_id, type, org_id, user_id, actor_user_id, request_id)
SELECT $1, 'org.member_added', gen_random_uuid(), 'u', 'u', 'r' FROM generate_series(1, 20000)`, b.account)
	b.Vacuum(t, "ANALYZE orgs, org_members, events")
	for _, table := range []string{"orgs SET created_by_user_id", "org_members SET user_id", "events SET actor_user_id = 'v', user_id"} {
		b.Exec(t, "UPDATE "+table+" = 'v'")
	}
	b.Vacuum(t, "orgs, org_members, events") // does not update the statistics
	for _, mode := range planModes {
		conn := connWithPlans(t, b.DB, mode)
		isCheap := func(sql string) {
			t.Helper()
			explain(t, conn, sql, []any{b.account, "none"}) // plans the statements in the function
			if plan := explain(t, conn, sql, []any{b.account, "u"}); plan.buffers > 50 {
				t.Errorf("%s, %s: read %d buffers", mode, sql, plan.buffers)
			}
		}
		isCheap("SELECT user_erasure_request_1($1, $2, NULL, 'r')")
		b.Exec(t, "INSERT INTO user_erasures (account_id, user_id, request_id) VALUES ($1, 'none', 'r'), ($1, 'u', 'r')", b.account)
		isCheap("SELECT user_erase_1($1, $2, 10)")
	}
}
