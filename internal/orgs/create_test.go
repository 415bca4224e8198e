package orgs_test

import (
	"context"
	"errors"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"orgd/internal/orgs"
	"orgd/internal/uuid"
)

func TestCreateReturnsWhatIsStored(t *testing.T) {
	t.Parallel()
	b := setup(t)
	made := b.create(t, orgs.NewOrg{Name: "Łódź \"9\" <&>", Metadata: map[string]string{"plan": "pro", "a<b": "\n\"\u2028"}})
	if made.Name != "Łódź \"9\" <&>" || !made.IsActive || made.UserCount != 0 || made.Version != 1 ||
		made.CreatedByAPIKeyID != b.caller().KeyID || made.CreatedByUserID != b.caller().UserID || !made.UpdatedAt.Equal(made.CreatedAt) {
		t.Errorf("made %+v", made)
	}
	if diff := cmp.Diff(made, b.get(t, made.ID)); diff != "" {
		t.Errorf("stored (-made +stored):\n%s", diff)
	}
	if page := b.list(t, orgs.ListParams{Limit: 1, Name: "lodz"}); len(page.Orgs) != 1 || page.Orgs[0].Metadata != made.Metadata {
		t.Errorf("listed %+v", page.Orgs)
	}
	bare := b.create(t, orgs.NewOrg{Name: "Bare"})
	if bare.Metadata != "{}" {
		t.Errorf("metadata %s", bare.Metadata)
	}
}

// A creation without metadata and one with empty metadata are the same call.
func TestKeyedCreationWithoutMetadata(t *testing.T) {
	t.Parallel()
	b := setup(t)
	for i, metadata := range []map[string]string{nil, {}} {
		made, err := b.repository.Create(context.Background(), b.keyed("k"), orgs.NewOrg{Name: "Acme", Metadata: metadata})
		if err != nil || made.Replayed != (i == 1) {
			t.Errorf("%d: %+v, %v", i, made, err)
		}
	}
}

// Of many concurrent creations with one key, one creates the organization. The others
// return it or fail with ErrInProgress.
func TestConcurrentCreationsWithOneKey(t *testing.T) {
	t.Parallel()
	b := setup(t)
	var mu sync.Mutex
	made := map[uuid.UUID]int{}
	fresh := 0
	together(50, func(int) {
		changed, err := b.repository.Create(context.Background(), b.keyed("k"), orgs.NewOrg{Name: "Acme"})
		mu.Lock()
		defer mu.Unlock()
		switch {
		case err == nil:
			made[changed.Org.ID]++
			if !changed.Replayed {
				fresh++
			}
		case !errors.Is(err, orgs.ErrInProgress):
			t.Error(err)
		}
	})
	if page := b.list(t, orgs.ListParams{Limit: 10}); fresh != 1 || len(made) != 1 || len(page.Orgs) != 1 {
		t.Errorf("%d creations were not replays, all returned %v; %d organizations are stored", fresh, made, len(page.Orgs))
	}
}
