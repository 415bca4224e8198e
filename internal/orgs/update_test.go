package orgs_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"orgd/internal/orgs"
)

func TestUpdateChangesOnlyWhatIsGiven(t *testing.T) {
	t.Parallel()
	b := setup(t)
	made := b.create(t, orgs.NewOrg{Name: "Acme", Metadata: map[string]string{"plan": "pro"}})
	renamed := b.update(t, made.ID, orgs.Changes{Name: ptr("Ärme")})
	if renamed.Name != "Ärme" || renamed.Metadata != made.Metadata || renamed.Version != 2 || !renamed.UpdatedAt.After(made.UpdatedAt) {
		t.Errorf("renamed %+v", renamed)
	}
	if page := b.list(t, orgs.ListParams{Limit: 1, Name: "arme"}); len(page.Orgs) != 1 {
		t.Error("the new name is not found")
	}
	tagged := b.update(t, made.ID, orgs.Changes{Metadata: &map[string]string{"a": "b"}})
	if tagged.Name != "Ärme" || tagged.Metadata != `{"a": "b"}` || tagged.Version != 3 {
		t.Errorf("tagged %+v", tagged)
	}
	cleared := b.update(t, made.ID, orgs.Changes{Metadata: &map[string]string{}})
	if cleared.Metadata != "{}" || cleared.Version != 4 {
		t.Errorf("cleared %+v", cleared)
	}
	if diff := cmp.Diff(cleared, b.get(t, made.ID)); diff != "" {
		t.Errorf("stored (-changed +stored):\n%s", diff)
	}
}

// An update that changes nothing does not change the version, the time or the audit
// trail.
func TestUpdateThatChangesNothing(t *testing.T) {
	t.Parallel()
	b := setup(t)
	made := b.create(t, orgs.NewOrg{Name: "Acme", Metadata: map[string]string{"a": "b"}})
	for _, c := range []orgs.Changes{{}, {Name: ptr("Acme")}, {Metadata: &map[string]string{"a": "b"}}} {
		if diff := cmp.Diff(made, b.update(t, made.ID, c)); diff != "" {
			t.Errorf("%+v (-before +after):\n%s", c, diff)
		}
	}
	again, err := b.repository.SetActive(context.Background(), b.caller(), made.ID, nil, true)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(made, again.Org); diff != "" {
		t.Errorf("reactivated (-before +after):\n%s", diff)
	}
	if got := b.events(t, made.ID); len(got) != 1 {
		t.Errorf("events %+v", got)
	}
}

func TestUpdateIfMatch(t *testing.T) {
	t.Parallel()
	b := setup(t)
	ctx := context.Background()
	made := b.create(t, orgs.NewOrg{Name: "Acme"})
	for _, match := range []orgs.Versions{{}, {2}, {0, 3}} {
		for _, c := range []orgs.Changes{{}, {Name: ptr("Other")}} {
			if _, err := b.repository.Update(ctx, b.caller(), made.ID, &orgs.Precondition{Versions: match}, c); !errors.Is(err, orgs.ErrVersion) {
				t.Errorf("match %v, %+v: %v", match, c, err)
			}
		}
		if _, err := b.repository.SetActive(ctx, b.caller(), made.ID, &orgs.Precondition{Versions: match}, false); !errors.Is(err, orgs.ErrVersion) {
			t.Errorf("match %v: deactivated: %v", match, err)
		}
	}
	if diff := cmp.Diff(made, b.get(t, made.ID)); diff != "" {
		t.Errorf("a rejected change had an effect (-before +after):\n%s", diff)
	}
	var other orgs.VersionError
	if _, err := b.repository.Update(ctx, b.caller(), made.ID, &orgs.Precondition{Versions: orgs.Versions{2}}, orgs.Changes{}); !errors.As(err, &other) || other.Current != 1 {
		t.Errorf("the error %v does not have version 1", err)
	}
	changed, err := b.repository.Update(ctx, b.caller(), made.ID, &orgs.Precondition{Versions: orgs.Versions{7, 1}}, orgs.Changes{Name: ptr("Other")})
	if err != nil || changed.Org.Version != 2 {
		t.Errorf("%+v, %v", changed, err)
	}
}

// Of many concurrent updates with the same version in If-Match, one succeeds.
func TestConcurrentUpdatesIfMatch(t *testing.T) {
	t.Parallel()
	b := setup(t)
	made := b.create(t, orgs.NewOrg{Name: "Acme"})
	for round := range int64(5) {
		var mu sync.Mutex
		won, lost := 0, 0
		together(20, func(i int) {
			name := strings.Repeat("x", i+1) + "-" + string(rune('a'+round))
			_, err := b.repository.Update(context.Background(), b.caller(), made.ID, &orgs.Precondition{Versions: orgs.Versions{round + 1}}, orgs.Changes{Name: &name})
			mu.Lock()
			defer mu.Unlock()
			switch {
			case err == nil:
				won++
			case errors.Is(err, orgs.ErrVersion):
				lost++
			default:
				t.Error(err)
			}
		})
		if won != 1 || lost != 19 {
			t.Fatalf("round %d: %d updates succeeded and %d were rejected", round, won, lost)
		}
	}
}

// Concurrent changes of the name and of the metadata are both kept.
func TestConcurrentUpdatesOfDifferentFields(t *testing.T) {
	t.Parallel()
	b := setup(t)
	made := b.create(t, orgs.NewOrg{Name: "Acme"})
	const rounds = 40
	for i := range rounds {
		name, metadata := strings.Repeat("n", i+1), map[string]string{"m": strings.Repeat("m", i+1)}
		together(2, func(which int) {
			if which == 0 {
				b.update(tb{t}, made.ID, orgs.Changes{Name: &name})
			} else {
				b.update(tb{t}, made.ID, orgs.Changes{Metadata: &metadata})
			}
		})
		got := b.get(t, made.ID)
		if got.Name != name || got.Metadata != orgs.Metadata(`{"m": "`+metadata["m"]+`"}`) {
			t.Fatalf("round %d: %+v", i, got)
		}
	}
	if got := b.get(t, made.ID); got.Version != 1+2*rounds {
		t.Errorf("version %d", got.Version)
	}
}

// updated_at rises even if the clock is set back.
func TestUpdatedAtRisesWhenTheClockGoesBack(t *testing.T) {
	t.Parallel()
	b := setup(t)
	ahead := time.Now().Add(time.Hour).UTC().Truncate(time.Microsecond)
	made := b.Org(t, b.account, orgs.Org{IsActive: true, UpdatedAt: ahead})
	got := b.update(t, made.ID, orgs.Changes{Name: ptr("Later")})
	if want := ahead.Add(time.Microsecond); !got.UpdatedAt.Equal(want) {
		t.Errorf("updated at %s, want %s", got.UpdatedAt, want)
	}
}

func TestSetActive(t *testing.T) {
	t.Parallel()
	b := setup(t)
	ctx := context.Background()
	made := b.create(t, orgs.NewOrg{Name: "Acme"})
	var last time.Time
	for i, active := range []bool{false, false, true, true} {
		changed, err := b.repository.SetActive(ctx, b.caller(), made.ID, nil, active)
		if err != nil {
			t.Fatal(err)
		}
		o := changed.Org
		if o.IsActive != active || o.Version != int64(2+i/2) || i%2 == 1 && !o.UpdatedAt.Equal(last) || i%2 == 0 && !o.UpdatedAt.After(last) {
			t.Errorf("%d: %+v", i, o)
		}
		last = o.UpdatedAt
		if page := b.list(t, orgs.ListParams{Limit: 1, IsActive: &active}); len(page.Orgs) != 1 {
			t.Errorf("%d: not listed", i)
		}
	}
}
