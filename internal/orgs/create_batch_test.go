package orgs_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"orgd/internal/dbtest"
	"orgd/internal/orgs"
	"orgd/internal/uuid"
)

func TestCreateBatchReturnsWhatIsStored(t *testing.T) {
	t.Parallel()
	b := setup(t)
	ctx := context.Background()
	at := time.Date(2020, 1, 2, 3, 4, 5, 678_901_000, time.UTC)
	made, replayed, err := b.repository.CreateBatch(ctx, b.caller(), []orgs.NewOrg{
		{Name: "Łódź", Metadata: map[string]string{"plan": "pro"}, ExternalID: "z"},
		{Name: "Plain"},
		{Name: "Old", ExternalID: "a", Import: &orgs.Import{OrgID: uuid.UUID{15: 1}, CreatedAt: at, Inactive: true, CreatedByUserID: userN(7)}},
	})
	if err != nil || replayed || len(made) != 3 {
		t.Fatalf("%+v, %v, %v", made, replayed, err)
	}
	for _, o := range made {
		if diff := cmp.Diff(b.get(t, o.ID), o); diff != "" {
			t.Errorf("(-stored +made):\n%s", diff)
		}
	}
	old := made[2]
	if old.ID != (uuid.UUID{15: 1}) || !old.CreatedAt.Equal(at) || old.IsActive || old.CreatedByUserID != userN(7) || !old.UpdatedAt.Equal(made[1].CreatedAt) {
		t.Errorf("imported %+v", old)
	}
	if page := b.list(t, orgs.ListParams{Limit: 3}); !slices.Equal(names(page.Orgs), []string{"Plain", "Łódź", "Old"}) {
		t.Errorf("listed %q", names(page.Orgs))
	}
	if page := b.list(t, orgs.ListParams{Limit: 3, Name: "lodz"}); len(page.Orgs) != 1 {
		t.Errorf("found %q", names(page.Orgs))
	}
}

// CreateBatch must check this, because org_create_batch_1 would retry forever.
func TestCreateBatchRejectsRepeatedIDs(t *testing.T) {
	t.Parallel()
	b := setup(t)
	for name, all := range map[string][]orgs.NewOrg{
		"external id": {{Name: "a", ExternalID: "x"}, {Name: "b", ExternalID: "x"}},
		"id":          {{Name: "a", Import: &orgs.Import{OrgID: uuid.UUID{1}}}, {Name: "b", Import: &orgs.Import{OrgID: uuid.UUID{1}}}},
	} {
		t.Run(name, func(t *testing.T) {
			if made, _, err := b.repository.CreateBatch(context.Background(), b.caller(), all); err == nil {
				t.Errorf("made %+v", made)
			}
		})
	}
}

// Batches in several processes use the same external ids and ids, in any order and any
// combination. Each creates all of its organizations or none, and each error names an
// organization that exists.
func TestConcurrentBatches(t *testing.T) {
	t.Parallel()
	b := setup(t)
	ctx := context.Background()
	processes := b.processes(t)
	for round := range 5 {
		var mu sync.Mutex
		made := map[uuid.UUID]bool{}
		var holders []uuid.UUID
		together(50, func(i int) {
			var all []orgs.NewOrg
			externals, ids := rand.Perm(20), rand.Perm(20)
			for n := range 5 {
				o := orgs.NewOrg{Name: "Acme", ExternalID: fmt.Sprint(round, "/", externals[n])}
				if i%3 == 0 {
					o.Import = &orgs.Import{OrgID: uuid.UUID{0: byte(round + 1), 15: byte(ids[n])}}
				}
				all = append(all, o)
			}
			created, _, err := processes[i%len(processes)].CreateBatch(ctx, b.caller(), all)
			mu.Lock()
			defer mu.Unlock()
			var refused orgs.BatchError
			switch {
			case errors.As(err, &refused):
				for _, fault := range refused.Faults {
					var taken orgs.ExternalIDTakenError
					if errors.As(fault.Err, &taken) {
						holders = append(holders, taken.OrgID)
					} else if !errors.Is(fault.Err, orgs.ErrOrgIDTaken) {
						t.Errorf("fault %+v", fault)
					}
				}
			case err != nil || len(created) != 5:
				t.Errorf("%+v, %v", created, err)
			}
			for _, o := range created {
				made[o.ID] = true
			}
		})
		for _, holder := range holders {
			if !made[holder] {
				t.Errorf("an error names %s, which no call created", holder)
			}
		}
		stored := b.count(t, fmt.Sprintf("SELECT count(*) FROM orgs WHERE external_id LIKE '%d/%%'", round))
		events := b.count(t, fmt.Sprintf("SELECT count(*) FROM events WHERE after->>'externalId' LIKE '%d/%%'", round))
		if len(made) == 0 || stored != len(made) || events != len(made) {
			t.Fatalf("round %d: %d organizations were returned, %d are stored, with %d events", round, len(made), stored, events)
		}
	}
}

// The stored result of each organization of a batch is the same as that of a single
// creation. The row of the idempotency key stores the number of organizations.
func TestStoredBatchOfVersion1(t *testing.T) {
	t.Parallel()
	b := setup(t)
	ctx := context.Background()
	golden := dbtest.StoredCalls(t, "testdata/v1.json")["create of a batch"]
	at := time.Date(2020, 1, 2, 3, 4, 5, 678_901_000, time.UTC)
	all := []orgs.NewOrg{
		{Name: "Müller & Söhne", Metadata: map[string]string{"a": "<b>"}, ExternalID: "crm/43"},
		{Name: "Acme", Import: &orgs.Import{OrgID: uuid.UUID{15: 13}, CreatedAt: at, Inactive: true, CreatedByUserID: userN(3)}},
	}
	made, _, err := b.repository.CreateBatch(ctx, b.keyed("k"), all)
	if err != nil {
		t.Fatal(err)
	}
	b.WantStored(t, golden, "")
	if n := b.count(t, "SELECT count(*) FROM idempotency_keys WHERE org_id IS NOT NULL AND result->>'Refusal' = ''"); n != 2 {
		t.Errorf("%d parts are stored, want 2", n)
	}
	var name string
	err = b.Pool.QueryRow(ctx, `
SELECT result #>> '{Result,Name}' FROM idempotency_keys
WHERE key_digest = sha256((SELECT key_digest FROM idempotency_keys WHERE org_id IS NULL) || '\x00000001')`).Scan(&name)
	if err != nil || name != "Acme" {
		t.Errorf("the second part is that of %q, want Acme (%v)", name, err)
	}
	again, replayed, err := b.repository.CreateBatch(ctx, b.keyed("k"), all)
	if diff := cmp.Diff(made, again); err != nil || !replayed || diff != "" {
		t.Errorf("%v, %v (-first +again):\n%s", replayed, err, diff)
	}
}
