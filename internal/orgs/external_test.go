package orgs_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"orgd/internal/orgs"
	"orgd/internal/uuid"
)

// An external id belongs to at most one organization of an account. Another organization
// can take the id once its owner has given it up.
func TestExternalIDsAreUniqueInTheAccount(t *testing.T) {
	t.Parallel()
	b := setup(t)
	ctx := context.Background()
	first := b.create(t, orgs.NewOrg{Name: "First", ExternalID: "crm/42"})
	if first.ExternalID != "crm/42" || first.Revision != 1 {
		t.Errorf("made %+v", first)
	}
	if diff := cmp.Diff(first, b.get(t, first.ID)); diff != "" {
		t.Errorf("stored (-made +stored):\n%s", diff)
	}
	// Ids are compared byte by byte.
	for _, id := range []string{"CRM/42", "crm/42 b", "crm/4", "", ""} {
		b.create(t, orgs.NewOrg{Name: "Other", ExternalID: id})
	}
	stranger := bundle{DB: b.DB, repository: b.repository, account: b.Account(t)}
	stranger.create(t, orgs.NewOrg{Name: "Stranger", ExternalID: "crm/42"})
	later := b.create(t, orgs.NewOrg{Name: "Second"})
	counting := b.caller()
	counting.CountsRetries = true
	for name, err := range map[string]error{
		"create":          second(b.repository.Create(ctx, b.caller(), orgs.NewOrg{Name: "Third", ExternalID: "crm/42"})),
		"counting create": second(b.repository.Create(ctx, counting, orgs.NewOrg{Name: "Third", ExternalID: "crm/42"})),
		"update":          second(b.repository.Update(ctx, b.caller(), later.ID, nil, orgs.Changes{Name: ptr("2"), ExternalID: ptr("crm/42")})),
	} {
		t.Run(name, func(t *testing.T) {
			var taken orgs.ExternalIDTakenError
			if !errors.As(err, &taken) || taken.OrgID != first.ID {
				t.Errorf("%v, want an ExternalIDTakenError for %s", err, first.ID)
			}
		})
	}
	if diff := cmp.Diff(later, b.get(t, later.ID)); diff != "" {
		t.Errorf("a rejected change had an effect (-before +after):\n%s", diff)
	}
	var left int
	if err := b.Pool.QueryRow(ctx, "SELECT count(*) FROM unanswered_creations").Scan(&left); err != nil || left != 0 {
		t.Errorf("%d unanswered creations are left (%v)", left, err)
	}
	b.update(t, first.ID, orgs.Changes{ExternalID: ptr("")})
	if got := b.update(t, later.ID, orgs.Changes{ExternalID: ptr("crm/42")}); got.ExternalID != "crm/42" || got.Version != 2 || got.Revision != 2 {
		t.Errorf("after taking the free id: %+v", got)
	}
	again := b.update(t, later.ID, orgs.Changes{ExternalID: ptr("crm/42")})
	if again.Version != 2 {
		t.Errorf("setting the current id again changed the organization: %+v", again)
	}
	if page := b.list(t, orgs.ListParams{Limit: 5, ExternalID: "crm/42"}); len(page.Orgs) != 1 || page.Orgs[0].ID != later.ID {
		t.Errorf("found %+v", page.Orgs)
	}
}

func TestEnsure(t *testing.T) {
	t.Parallel()
	b := setup(t)
	ctx := context.Background()
	// An idempotency key and a retry count have no effect on Ensure.
	caller := b.keyed("k")
	caller.CountsRetries, caller.IsRetry = true, true
	made, isNew, err := b.repository.Ensure(ctx, caller, orgs.NewOrg{Name: "Acme", ExternalID: "crm/42", Metadata: map[string]string{"a": "b"}})
	if err != nil || !isNew || made.Name != "Acme" || made.ExternalID != "crm/42" || made.Metadata != `{"a": "b"}` || made.Version != 1 {
		t.Fatalf("%+v, %v, %v", made, isNew, err)
	}
	for _, n := range []orgs.NewOrg{{Name: "Acme", ExternalID: "crm/42"}, {Name: "Other", ExternalID: "crm/42", Metadata: map[string]string{"c": "d"}}} {
		got, isNew, err := b.repository.Ensure(ctx, caller, n)
		if err != nil || isNew {
			t.Fatalf("%+v, %v, %v", got, isNew, err)
		}
		if diff := cmp.Diff(made, got); diff != "" {
			t.Errorf("%+v (-made +got):\n%s", n, diff)
		}
	}
	if got := b.events(t, made.ID); len(got) != 1 {
		t.Errorf("%d events", len(got))
	}
	var kept int
	if err := b.Pool.QueryRow(ctx, "SELECT (SELECT count(*) FROM unanswered_creations) + (SELECT count(*) FROM idempotency_keys)").Scan(&kept); err != nil || kept != 0 {
		t.Errorf("%d rows were stored for retries (%v)", kept, err)
	}
}

// Of many concurrent calls with one external id in several processes, one creates the
// organization. The others return it, or name it in their error.
func TestConcurrentCallsWithOneExternalID(t *testing.T) {
	t.Parallel()
	b := setup(t)
	ctx := context.Background()
	processes := b.processes(t)
	for round := range 10 {
		n := orgs.NewOrg{Name: "Acme", ExternalID: fmt.Sprint("crm/", round)}
		var mu sync.Mutex
		created, seen := 0, map[uuid.UUID]int{}
		together(50, func(i int) {
			process := processes[i%len(processes)]
			var org orgs.Org
			var isNew bool
			var err error
			if i%5 == 0 {
				var made orgs.Changed
				var taken orgs.ExternalIDTakenError
				made, err = process.Create(ctx, b.caller(), n)
				org, isNew = made.Org, err == nil
				if errors.As(err, &taken) {
					org.ID, err = taken.OrgID, nil
				}
			} else {
				org, isNew, err = process.Ensure(ctx, b.caller(), n)
			}
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				t.Error(err)
			}
			if isNew {
				created++
			}
			seen[org.ID]++
		})
		if created != 1 || len(seen) != 1 {
			t.Fatalf("round %d: %d created, seen %v", round, created, seen)
		}
	}
}

// Of concurrent updates that give one external id to different organizations, one
// succeeds.
func TestConcurrentUpdatesToOneExternalID(t *testing.T) {
	t.Parallel()
	b := setup(t)
	var made []orgs.Org
	for range 10 {
		made = append(made, b.create(t, orgs.NewOrg{Name: "Acme"}))
	}
	for round := range 10 {
		external := fmt.Sprint("crm/", round)
		var mu sync.Mutex
		var winners, holders []uuid.UUID
		together(len(made), func(i int) {
			_, err := b.repository.Update(context.Background(), b.caller(), made[i].ID, nil, orgs.Changes{ExternalID: &external})
			mu.Lock()
			defer mu.Unlock()
			var taken orgs.ExternalIDTakenError
			switch {
			case err == nil:
				winners = append(winners, made[i].ID)
			case errors.As(err, &taken):
				holders = append(holders, taken.OrgID)
			default:
				t.Error(err)
			}
		})
		if len(winners) != 1 || len(holders) != len(made)-1 {
			t.Fatalf("round %d: %d updates succeeded and %d found the id taken", round, len(winners), len(holders))
		}
		for _, holder := range holders {
			if holder != winners[0] {
				t.Fatalf("round %d: %s has the id, but an error names %s", round, winners[0], holder)
			}
		}
	}
}

// While an external id moves back and forth between two organizations, Ensure always
// returns an organization with that id: one of the two, or a new one.
// A deadlock over external ids ends one of two changes, which then runs again.
func TestUpdateAfterDeadlock(t *testing.T) {
	t.Parallel()
	for name, key := range map[string]string{"without a key": "", "with an idempotency key": "once"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := setup(t)
			ctx := context.Background()
			one, two := b.create(t, orgs.NewOrg{Name: "One"}), b.create(t, orgs.NewOrg{Name: "Two"})
			other, err := b.Pool.Begin(ctx)
			if err != nil {
				t.Fatal(err)
			}
			set := func(id uuid.UUID, externalID string) {
				if _, err := other.Exec(ctx, "UPDATE orgs SET external_id = $1 WHERE org_id = $2", externalID, id); err != nil {
					t.Error(err)
				}
			}
			// PostgreSQL ends the transaction that looks for a deadlock first, and that is not this one.
			if _, err := other.Exec(ctx, "SET LOCAL deadlock_timeout = '1min'"); err != nil {
				t.Fatal(err)
			}
			set(two.ID, "crm/42")
			updated := make(chan error, 1)
			go func() {
				c := b.caller()
				c.IdempotencyKey = key
				_, err := b.repository.Update(ctx, c, one.ID, nil, orgs.Changes{ExternalID: ptr("crm/42")})
				updated <- err
			}()
			b.awaitLockWait(t, updated)
			set(one.ID, "crm/43") // waits for the update, which waits for this transaction
			if err := other.Rollback(ctx); err != nil {
				t.Error(err)
			}
			if err := <-updated; err != nil {
				t.Errorf("the update that the deadlock ended: %v", err)
			}
			if o := b.get(t, one.ID); o.ExternalID != "crm/42" {
				t.Errorf("%+v", o)
			}
		})
	}
}

func TestExternalIDThatMoves(t *testing.T) {
	t.Parallel()
	b := setup(t)
	ctx := context.Background()
	one, two := b.create(t, orgs.NewOrg{Name: "One"}), b.create(t, orgs.NewOrg{Name: "Two"})
	ends := make(chan struct{})
	var movers sync.WaitGroup
	movers.Go(func() {
		defer close(ends)
		for i := range 100 {
			from, to := one, two
			if i%2 == 0 {
				from, to = two, one
			}
			b.update(tb{t}, from.ID, orgs.Changes{ExternalID: ptr("")})
			if _, err := b.repository.Update(ctx, b.caller(), to.ID, nil, orgs.Changes{ExternalID: ptr("crm/42")}); err != nil && !errors.Is(err, orgs.ErrExternalIDTaken) {
				t.Error(err)
			}
		}
	})
	for moving := true; moving; {
		select {
		case <-ends:
			moving = false
		default:
		}
		org, isNew, err := b.repository.Ensure(ctx, b.caller(), orgs.NewOrg{Name: "Three", ExternalID: "crm/42"})
		if err != nil || org.ExternalID != "crm/42" {
			t.Fatalf("%+v, %v", org, err)
		}
		if isNew {
			b.update(t, org.ID, orgs.Changes{ExternalID: ptr("")})
		}
	}
	movers.Wait()
}
