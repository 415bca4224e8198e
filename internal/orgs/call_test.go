package orgs_test

import (
	"context"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"orgd/internal/orgs"
	"orgd/internal/uuid"
)

// A change with an idempotency key is made once. A retry returns the same result.
func TestKeyedChangesAreReplayed(t *testing.T) {
	t.Parallel()
	b := setup(t)
	ctx := context.Background()
	acme := orgs.NewOrg{Name: "Acme", Metadata: map[string]string{"a": "b"}}
	first, err := b.repository.Create(ctx, b.keyed("k"), acme)
	if err != nil || first.Replayed {
		t.Fatalf("%+v, %v", first, err)
	}
	id, user := first.Org.ID, userN(1)
	for name, change := range map[string]func(orgs.Call) (orgs.Changed, error){
		"create": func(c orgs.Call) (orgs.Changed, error) { return b.repository.Create(ctx, c, acme) },
		"update": func(c orgs.Call) (orgs.Changed, error) {
			return b.repository.Update(ctx, c, id, nil, orgs.Changes{Name: ptr("Acme 2")})
		},
		"deactivate": func(c orgs.Call) (orgs.Changed, error) { return b.repository.SetActive(ctx, c, id, nil, false) },
		"reactivate": func(c orgs.Call) (orgs.Changed, error) { return b.repository.SetActive(ctx, c, id, nil, true) },
		"remove":     func(c orgs.Call) (orgs.Changed, error) { return b.repository.RemoveMember(ctx, c, id, nil, user) },
	} {
		t.Run(name, func(t *testing.T) {
			// The case "create" retries the creation above.
			key := "k-" + name
			if name == "create" {
				key = "k"
			}
			before, err := change(b.keyed(key))
			if err != nil {
				t.Fatal(err)
			}
			b.update(t, id, orgs.Changes{Metadata: &map[string]string{"meanwhile": name}})
			events := len(b.events(t, id))
			again, err := change(b.keyed(key))
			if err != nil || !again.Replayed {
				t.Fatalf("again: %+v, %v", again, err)
			}
			if diff := cmp.Diff(before.Org, again.Org); diff != "" {
				t.Errorf("result (-first +again):\n%s", diff)
			}
			if got := len(b.events(t, id)); got != events {
				t.Errorf("the retry changed the number of events from %d to %d", events, got)
			}
		})
	}
	if page := b.list(t, orgs.ListParams{Limit: 10}); len(page.Orgs) != 1 {
		t.Errorf("%d organizations", len(page.Orgs))
	}
}

// A key belongs to one call. A different call with the same key is rejected.
func TestKeyReusedForAnotherCall(t *testing.T) {
	t.Parallel()
	b := setup(t)
	ctx := context.Background()
	id, other := b.create(t, orgs.NewOrg{Name: "Acme"}).ID, b.create(t, orgs.NewOrg{Name: "Other"}).ID
	if _, err := b.repository.Update(ctx, b.keyed("k"), id, nil, orgs.Changes{Name: ptr("Acme 2")}); err != nil {
		t.Fatal(err)
	}
	if _, err := b.repository.AddMember(ctx, b.keyed("m"), id, nil, userN(1)); err != nil {
		t.Fatal(err)
	}
	otherUser := b.keyed("k")
	otherUser.UserID = userN(7)
	for name, err := range map[string]error{
		"other name":         second(b.repository.Update(ctx, b.keyed("k"), id, nil, orgs.Changes{Name: ptr("Acme 3")})),
		"other field":        second(b.repository.Update(ctx, b.keyed("k"), id, nil, orgs.Changes{})),
		"other organization": second(b.repository.Update(ctx, b.keyed("k"), other, nil, orgs.Changes{Name: ptr("Acme 2")})),
		"other version":      second(b.repository.Update(ctx, b.keyed("k"), id, &orgs.Precondition{Versions: orgs.Versions{1}}, orgs.Changes{Name: ptr("Acme 2")})),
		"member, version":    second(b.repository.AddMember(ctx, b.keyed("m"), id, orgs.Versions{}, userN(1))),
		"other user":         second(b.repository.Update(ctx, otherUser, id, nil, orgs.Changes{Name: ptr("Acme 2")})),
	} {
		t.Run(name, func(t *testing.T) {
			if !errors.Is(err, orgs.ErrKeyReused) {
				t.Errorf("%v, want ErrKeyReused", err)
			}
		})
	}
	// Another account can use the same key for another call.
	theirs := orgs.Call{AccountID: b.Account(t), RequestID: "r", IdempotencyKey: "k"}
	if made, err := b.repository.Create(ctx, theirs, orgs.NewOrg{Name: "Acme"}); err != nil || made.Replayed {
		t.Errorf("another account: %+v, %v", made, err)
	}
}

// If the organization's state caused an error, a retry returns the same error, even if
// the state has changed since.
func TestStoredErrorsAreReplayed(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	for _, tc := range []struct {
		name          string
		reject, allow string
		change        func(*orgs.Repository, orgs.Call, uuid.UUID) (orgs.Changed, error)
		want          error
	}{
		{
			name:   "inactive",
			reject: "UPDATE orgs SET is_active = false WHERE org_id = $1",
			allow:  "UPDATE orgs SET is_active = true WHERE org_id = $1",
			change: func(r *orgs.Repository, c orgs.Call, id uuid.UUID) (orgs.Changed, error) {
				return r.AddMember(ctx, c, id, nil, userN(0))
			},
			want: orgs.ErrInactive,
		},
		{
			name:   "version",
			reject: "UPDATE orgs SET version = 6 WHERE org_id = $1",
			allow:  "UPDATE orgs SET version = 7 WHERE org_id = $1",
			change: func(r *orgs.Repository, c orgs.Call, id uuid.UUID) (orgs.Changed, error) {
				return r.Update(ctx, c, id, &orgs.Precondition{Versions: orgs.Versions{7}}, orgs.Changes{})
			},
			want: orgs.ErrVersion,
		},
		{
			name:   "not found",
			reject: "DELETE FROM orgs WHERE org_id = $1",
			allow:  "INSERT INTO orgs (account_id, org_id, org_name, org_name_folded) SELECT id, $1, 'Acme', 'acme' FROM accounts",
			change: func(r *orgs.Repository, c orgs.Call, id uuid.UUID) (orgs.Changed, error) {
				return r.RemoveMember(ctx, c, id, nil, userN(0))
			},
			want: orgs.ErrNotFound,
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			b := setup(t)
			id := b.create(t, orgs.NewOrg{Name: "Acme"}).ID
			b.Exec(t, tc.reject, id)
			changed, first := tc.change(b.repository, b.keyed("k"), id)
			if !errors.Is(first, tc.want) || changed.Replayed {
				t.Errorf("%+v, %v", changed, first)
			}
			b.Exec(t, tc.allow, id)
			changed, again := tc.change(b.repository, b.keyed("k"), id)
			if !errors.Is(again, tc.want) || !changed.Replayed {
				t.Errorf("again: %+v, %v", changed, again)
			}
			var firstVersion, version orgs.VersionError
			if errors.As(first, &firstVersion); errors.As(again, &version) != (tc.want == orgs.ErrVersion) || version != firstVersion {
				t.Errorf("again: version %d, first %d", version.Current, firstVersion.Current)
			}
			if _, err := tc.change(b.repository, b.keyed("k2"), id); err != nil {
				t.Errorf("with another key: %v", err)
			}
		})
	}
}
