package orgs_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"orgd/internal/orgs"
	"orgd/internal/uuid"
)

// The revision rises with each change of the organization's own fields, and with no other
// change.
func TestRevision(t *testing.T) {
	t.Parallel()
	b := setup(t)
	ctx := context.Background()
	id := b.create(t, orgs.NewOrg{Name: "Acme"}).ID
	want := int64(1)
	for _, step := range []struct {
		name   string
		rises  int64
		change func(*orgs.Precondition) (orgs.Changed, error)
	}{
		{"name", 1, func(on *orgs.Precondition) (orgs.Changed, error) {
			return b.repository.Update(ctx, b.caller(), id, on, orgs.Changes{Name: ptr("Acme 2")})
		}},
		{"same name", 0, func(on *orgs.Precondition) (orgs.Changed, error) {
			return b.repository.Update(ctx, b.caller(), id, on, orgs.Changes{Name: ptr("Acme 2")})
		}},
		{"external id", 1, func(on *orgs.Precondition) (orgs.Changed, error) {
			return b.repository.Update(ctx, b.caller(), id, on, orgs.Changes{ExternalID: ptr("crm/42")})
		}},
		{"metadata", 1, func(on *orgs.Precondition) (orgs.Changed, error) {
			return b.repository.Update(ctx, b.caller(), id, on, orgs.Changes{Metadata: &map[string]string{"a": "b"}})
		}},
		{"patch", 1, func(on *orgs.Precondition) (orgs.Changed, error) {
			return b.repository.PatchMetadata(ctx, b.caller(), id, on, orgs.MetadataPatch{"a": nil})
		}},
		{"patch of nothing", 0, func(on *orgs.Precondition) (orgs.Changed, error) {
			return b.repository.PatchMetadata(ctx, b.caller(), id, on, orgs.MetadataPatch{"a": nil})
		}},
		{"member", 0, func(*orgs.Precondition) (orgs.Changed, error) {
			return b.repository.AddMember(ctx, b.caller(), id, nil, userN(1))
		}},
		{"deactivation", 1, func(on *orgs.Precondition) (orgs.Changed, error) {
			return b.repository.SetActive(ctx, b.caller(), id, on, false)
		}},
		{"end of membership", 0, func(*orgs.Precondition) (orgs.Changed, error) {
			return b.repository.RemoveMember(ctx, b.caller(), id, nil, userN(1))
		}},
		{"reactivation", 1, func(on *orgs.Precondition) (orgs.Changed, error) {
			return b.repository.SetActive(ctx, b.caller(), id, on, true)
		}},
	} {
		before := b.get(t, id)
		for _, other := range []int64{want - 1, want + 1} {
			_, err := step.change(&orgs.Precondition{Revision: &other})
			var revision orgs.RevisionError
			switch {
			case strings.Contains(step.name, "member"): // membership changes take no revision
				continue
			case !errors.As(err, &revision) || revision.Current != want || revision.Version != before.Version:
				t.Fatalf("%s at revision %d: %v", step.name, other, err)
			}
		}
		if !strings.Contains(step.name, "member") {
			if diff := cmp.Diff(before, b.get(t, id)); diff != "" {
				t.Fatalf("%s at other revisions (-before +after):\n%s", step.name, diff)
			}
		}
		if _, err := step.change(&orgs.Precondition{Revision: &want}); err != nil {
			t.Fatalf("%s: %v", step.name, err)
		}
		want += step.rises
		if got := b.get(t, id); got.Revision != want {
			t.Fatalf("%s changed the revision from %d to %d, want %d", step.name, before.Revision, got.Revision, want)
		}
	}
}

// The version is checked before the revision.
func TestVersionAndRevision(t *testing.T) {
	t.Parallel()
	b := setup(t)
	id := b.create(t, orgs.NewOrg{Name: "Acme"}).ID
	for _, tc := range []struct {
		version, revision int64
		want              error
	}{
		{2, 2, orgs.ErrVersion}, {2, 1, orgs.ErrVersion}, {1, 2, orgs.ErrRevision}, {1, 1, nil},
	} {
		_, err := b.repository.SetActive(context.Background(), b.caller(), id, &orgs.Precondition{Versions: orgs.Versions{tc.version}, Revision: &tc.revision}, true)
		if !errors.Is(err, tc.want) {
			t.Errorf("version %d, revision %d: %v", tc.version, tc.revision, err)
		}
	}
}

func TestPatchMetadata(t *testing.T) {
	t.Parallel()
	b := setup(t)
	ctx := context.Background()
	id := b.create(t, orgs.NewOrg{Name: "Acme", Metadata: map[string]string{"a": "1", "b": "2"}}).ID
	for _, step := range []struct {
		patch orgs.MetadataPatch
		want  orgs.Metadata
	}{
		{orgs.MetadataPatch{}, `{"a": "1", "b": "2"}`},
		{orgs.MetadataPatch{"a": ptr("1"), "c": nil}, `{"a": "1", "b": "2"}`},
		{orgs.MetadataPatch{"a": ptr("x"), "b": nil, "c": ptr("")}, `{"a": "x", "c": ""}`},
		{orgs.MetadataPatch{"a": nil, "c": nil}, `{}`},
		{orgs.MetadataPatch{"ü\"\\": ptr("<null>")}, `{"ü\"\\": "<null>"}`},
	} {
		changed, err := b.repository.PatchMetadata(ctx, b.caller(), id, nil, step.patch)
		if err != nil || changed.Org.Metadata != step.want {
			t.Fatalf("%v: %s, %v; want %s", step.patch, changed.Org.Metadata, err, step.want)
		}
		if got := b.get(t, id); got != changed.Org {
			t.Errorf("stored %+v, returned %+v", got, changed.Org)
		}
	}
	if _, err := b.repository.PatchMetadata(ctx, b.caller(), uuid.NewV7(), nil, orgs.MetadataPatch{}); !errors.Is(err, orgs.ErrNotFound) {
		t.Errorf("an unknown organization: %v", err)
	}
}

// The limit on metadata pairs applies to the result, not to the patch.
func TestPatchOfFullMetadata(t *testing.T) {
	t.Parallel()
	b := setup(t)
	ctx := context.Background()
	full, replace := map[string]string{}, orgs.MetadataPatch{}
	for i := range orgs.MaxMetadataPairs {
		key := fmt.Sprint("old ", i)
		full[key], replace[key], replace[fmt.Sprint("new ", i)] = "", nil, ptr("x")
	}
	id := b.create(t, orgs.NewOrg{Name: "Acme", Metadata: full}).ID
	before := b.get(t, id)
	if _, err := b.repository.PatchMetadata(ctx, b.caller(), id, nil, orgs.MetadataPatch{"one more": ptr(""), "absent": nil}); !errors.Is(err, orgs.ErrTooManyPairs) {
		t.Errorf("51 pairs: %v", err)
	}
	if diff := cmp.Diff(before, b.get(t, id)); diff != "" {
		t.Errorf("a rejected patch had an effect (-before +after):\n%s", diff)
	}
	for _, patch := range []orgs.MetadataPatch{{"old 0": ptr("y")}, {"old 0": nil, "one more": ptr("")}, {"one more": nil, "old 0": ptr("")}, replace} {
		if _, err := b.repository.PatchMetadata(ctx, b.caller(), id, nil, patch); err != nil {
			t.Errorf("%v: %v", patch, err)
		}
	}
}

// Concurrent patches of different pairs are all kept, and none has to be retried.
func TestConcurrentPatchesAreAllKept(t *testing.T) {
	t.Parallel()
	b := setup(t)
	id := b.create(t, orgs.NewOrg{Name: "Acme"}).ID
	const editors = 20
	together(editors, func(i int) {
		patch := orgs.MetadataPatch{fmt.Sprint("key ", i): ptr(fmt.Sprint(i))}
		if _, err := b.repository.PatchMetadata(context.Background(), b.caller(), id, nil, patch); err != nil {
			t.Error(err)
		}
	})
	var got map[string]string
	o := b.get(t, id)
	if err := json.Unmarshal([]byte(o.Metadata), &got); err != nil {
		t.Fatal(err)
	}
	for i := range editors {
		if got[fmt.Sprint("key ", i)] != fmt.Sprint(i) {
			t.Errorf("the pair of editor %d is %q", i, got[fmt.Sprint("key ", i)])
		}
	}
	if len(got) != editors || o.Revision != 1+editors {
		t.Errorf("%d pairs at revision %d", len(got), o.Revision)
	}
}
