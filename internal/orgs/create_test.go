package orgs_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

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
		t.Errorf("%d calls created an organization, want 1; the calls returned %v; %d organizations are stored", fresh, made, len(page.Orgs))
	}
}

// A retry of an import without an idempotency key must not return the organization of a
// creation with different import fields.
func TestRetryOfAnotherImport(t *testing.T) {
	t.Parallel()
	b := setup(t)
	ctx := context.Background()
	at := time.Date(2020, 1, 2, 3, 4, 5, 0, time.UTC)
	first, err := b.repository.Create(ctx, b.firstTry(), orgs.NewOrg{Name: "Acme", Import: &orgs.Import{CreatedAt: at}})
	if err != nil {
		t.Fatal(err)
	}
	b.repository.AnswerLost(first)
	retry := b.firstTry()
	retry.IsRetry = true
	for _, other := range []*orgs.Import{nil, {}, {CreatedAt: at, Inactive: true}, {CreatedAt: at.Add(time.Microsecond)}, {CreatedAt: at, CreatedByUserID: userN(7)}} {
		made, err := b.repository.Create(ctx, retry, orgs.NewOrg{Name: "Acme", Import: other})
		if err != nil || made.Replayed {
			t.Errorf("%+v: %+v, %v", other, made, err)
		}
	}
	again, err := b.repository.Create(ctx, retry, orgs.NewOrg{Name: "Acme", Import: &orgs.Import{CreatedAt: at}})
	if err != nil || !again.Replayed || again.Org.ID != first.Org.ID {
		t.Errorf("%+v, %v; want %s", again, err, first.Org.ID)
	}
}
