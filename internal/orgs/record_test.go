package orgs_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"strconv"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"orgd/internal/dbtest"
	"orgd/internal/orgs"
	"orgd/internal/uuid"
)

// During an upgrade, the first call and its retry may reach different releases. Every
// release must therefore write the JSON of the golden file, and be able to read it.
func TestStoredCallsOfVersion1(t *testing.T) {
	t.Parallel()
	golden := dbtest.StoredCalls(t, "testdata/v1.json")
	ctx := context.Background()
	full := orgs.Org{
		ID: uuid.UUID{15: 10}, Name: "Müller & Söhne", IsActive: true, Metadata: `{"a": "<b>"}`,
		CreatedAt: time.Date(2026, 1, 2, 3, 4, 5, 678_901_000, time.UTC), UpdatedAt: time.Date(2026, 2, 3, 4, 5, 6, 700_000_000, time.UTC),
		CreatedByAPIKeyID: uuid.UUID{15: 1}, CreatedByUserID: userN(2), ExternalID: "crm/42", Revision: 1, Version: 1,
	}
	created := full
	created.ExternalID = "crm/43"
	tooMany := orgs.MetadataPatch{}
	for i := range 51 {
		tooMany[strconv.Itoa(i)] = ptr("")
	}
	bare := orgs.Org{ID: uuid.UUID{15: 11}, Name: "Acme", Metadata: "{}", CreatedAt: full.CreatedAt, UpdatedAt: full.CreatedAt, Revision: 1, Version: 1}
	imported := orgs.Org{
		ID: uuid.UUID{15: 13}, Name: "Acme", Metadata: "{}", CreatedAt: time.Date(2020, 1, 2, 3, 4, 5, 678_901_000, time.UTC), UpdatedAt: full.UpdatedAt,
		CreatedByAPIKeyID: uuid.UUID{15: 1}, CreatedByUserID: userN(3), Revision: 1, Version: 1,
	}
	metadata, user := map[string]string{"a": "<b>"}, userN(3)
	for name, tc := range map[string]struct {
		change func(*orgs.Repository, orgs.Call) (orgs.Changed, error)
		// random lists the fields whose values differ between two runs.
		random string
		want   orgs.Org
		err    error
	}{
		"create": {
			change: func(r *orgs.Repository, c orgs.Call) (orgs.Changed, error) {
				return r.Create(ctx, c, orgs.NewOrg{Name: full.Name, Metadata: metadata, ExternalID: created.ExternalID})
			},
			random: "{ID,CreatedAt,UpdatedAt}",
			want:   created,
		},
		"create of an import": {
			change: func(r *orgs.Repository, c orgs.Call) (orgs.Changed, error) {
				return r.Create(ctx, c, orgs.NewOrg{Name: imported.Name, Import: &orgs.Import{
					OrgID: imported.ID, CreatedAt: imported.CreatedAt, Inactive: true, CreatedByUserID: imported.CreatedByUserID,
				}})
			},
			random: "{UpdatedAt}",
			want:   imported,
		},
		"update of every field": {
			change: func(r *orgs.Repository, c orgs.Call) (orgs.Changed, error) {
				return r.Update(ctx, c, full.ID, &orgs.Precondition{Versions: orgs.Versions{7, 1}, Revision: ptr[int64](1)},
					orgs.Changes{Name: &full.Name, Metadata: &metadata, ExternalID: &full.ExternalID})
			},
			want: full,
		},
		"update of nothing": {
			change: func(r *orgs.Repository, c orgs.Call) (orgs.Changed, error) {
				return r.Update(ctx, c, bare.ID, nil, orgs.Changes{})
			},
			want: bare,
		},
		"deactivation": {
			change: func(r *orgs.Repository, c orgs.Call) (orgs.Changed, error) {
				return r.SetActive(ctx, c, bare.ID, nil, false)
			},
			want: bare,
		},
		"reactivation of another version": {
			change: func(r *orgs.Repository, c orgs.Call) (orgs.Changed, error) {
				return r.SetActive(ctx, c, bare.ID, &orgs.Precondition{Versions: orgs.Versions{7}}, true)
			},
			err: orgs.VersionError{Current: 1},
		},
		"reactivation of another revision": {
			change: func(r *orgs.Repository, c orgs.Call) (orgs.Changed, error) {
				return r.SetActive(ctx, c, bare.ID, &orgs.Precondition{Revision: ptr[int64](7)}, true)
			},
			err: orgs.RevisionError{Current: 1, Version: 1},
		},
		"patch of the metadata": {
			change: func(r *orgs.Repository, c orgs.Call) (orgs.Changed, error) {
				return r.PatchMetadata(ctx, c, full.ID, nil, orgs.MetadataPatch{"a": ptr("<b>"), "b": nil})
			},
			want: full,
		},
		"patch with too many pairs": {
			change: func(r *orgs.Repository, c orgs.Call) (orgs.Changed, error) {
				return r.PatchMetadata(ctx, c, bare.ID, nil, tooMany)
			},
			err: orgs.ErrTooManyPairs,
		},
		"addition of a member": {
			change: func(r *orgs.Repository, c orgs.Call) (orgs.Changed, error) {
				return r.AddMember(ctx, c, full.ID, nil, user)
			},
		},
		"addition to a deactivated organization": {
			change: func(r *orgs.Repository, c orgs.Call) (orgs.Changed, error) {
				return r.AddMember(ctx, c, bare.ID, orgs.Versions{1}, user)
			},
			err: orgs.ErrInactive,
		},
		"removal from an unknown organization": {
			change: func(r *orgs.Repository, c orgs.Call) (orgs.Changed, error) {
				return r.RemoveMember(ctx, c, uuid.UUID{15: 12}, orgs.Versions{}, user)
			},
			err: orgs.ErrNotFound,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b, golden := setup(t), golden[name]
			b.Org(t, b.account, full)
			b.Org(t, b.account, bare)
			if changed, err := tc.change(b.repository, b.keyed("k")); changed.Replayed || !errors.Is(err, tc.err) {
				t.Fatalf("first: %+v, %v", changed, err)
			}
			b.WantStored(t, golden, tc.random)
			b.Exec(t, "UPDATE idempotency_keys SET result = $1::jsonb", string(golden.Result))
			again, err := tc.change(b.repository, b.keyed("k"))
			if !again.Replayed || !errors.Is(err, tc.err) {
				t.Errorf("again: %+v, %v; want %v", again, err, tc.err)
			}
			if diff := cmp.Diff(tc.want, again.Org); diff != "" {
				t.Errorf("read (-want +got):\n%s", diff)
			}
		})
	}
}

// A change of several members is stored as a membersRecord, not as an organization.
func TestStoredMembersChangesOfVersion1(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	id, roles := uuid.UUID{15: 10}, []string{"owner", "billing:read"}
	for name, tc := range map[string]struct {
		match orgs.Versions
		users orgs.MembersChange
		want  orgs.MembersChanged
		err   error
	}{
		"change of members": {
			users: orgs.MembersChange{Add: []orgs.NewMember{{UserID: userN(3), Roles: &roles}, {UserID: userN(4)}}, Remove: []string{userN(5)}},
			want:  orgs.MembersChanged{Added: 2, Unchanged: 1, UserCount: 2, Replayed: true},
		},
		"change of members of another version": {
			match: orgs.Versions{7},
			users: orgs.MembersChange{Remove: []string{userN(5)}},
			want:  orgs.MembersChanged{Replayed: true},
			err:   orgs.VersionError{Current: 1},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b, golden := setup(t), dbtest.StoredCalls(t, "testdata/v1.json")[name]
			b.Org(t, b.account, orgs.Org{ID: id, IsActive: true})
			if changed, err := b.repository.ChangeMembers(ctx, b.keyed("k"), id, tc.match, tc.users); changed.Replayed || !errors.Is(err, tc.err) {
				t.Fatalf("first: %+v, %v", changed, err)
			}
			b.WantStored(t, golden, "")
			b.Exec(t, "UPDATE idempotency_keys SET result = $1::jsonb", string(golden.Result))
			again, err := b.repository.ChangeMembers(ctx, b.keyed("k"), id, tc.match, tc.users)
			if again != tc.want || !errors.Is(err, tc.err) {
				t.Errorf("again: %+v, %v; want %+v, %v", again, err, tc.want, tc.err)
			}
		})
	}
}

// A retry without an idempotency key finds an identical creation by its digest, which is
// stored too.
func TestStoredCreationOfVersion1(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.account = uuid.UUID{0: 1, 6: 0x70, 8: 0x80, 15: 1}
	b.Exec(t, "INSERT INTO accounts (id, name) VALUES ($1, 'Test')", b.account)
	made, err := b.repository.Create(context.Background(), b.firstTry(), orgs.NewOrg{Name: "Müller & Söhne", Metadata: map[string]string{"a": "<b>"}})
	if err != nil {
		t.Fatal(err)
	}
	b.repository.AnswerLost(made)
	if err := b.repository.RecordLost(context.Background()); err != nil {
		t.Fatal(err)
	}
	golden := dbtest.StoredCalls(t, "testdata/v1.json")["create without a key"]
	want := sha256.Sum256(golden.Call)
	var got []byte
	if err := b.Pool.QueryRow(context.Background(), "SELECT call_digest FROM unanswered_creations").Scan(&got); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want[:]) {
		t.Errorf("the digest is not that of %s", golden.Call)
	}
}
