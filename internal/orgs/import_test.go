package orgs_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"orgd/internal/accounts"
	"orgd/internal/orgs"
	"orgd/internal/uuid"
)

// imports imports organizations and returns the results, which must all have the outcome.
func (b bundle) imports(t fataler, want orgs.ImportOutcome, block ...orgs.ImportOrg) []orgs.ImportResult {
	t.Helper()
	results, err := b.repository.NewImporter(b.account, "operator-1", false).Add(context.Background(), block)
	if err != nil {
		t.Fatalf("Add: %v", err)
	}
	for n, result := range results {
		if result.Outcome != want {
			t.Fatalf("organization %d: %+v, want outcome %d", n, result, want)
		}
	}
	return results
}

func (b bundle) exported(t fataler) (all []orgs.Exported) {
	t.Helper()
	err := b.repository.Export(context.Background(), b.account, func(int) {}, func(e *orgs.Exported) error {
		one := *e
		one.Members = slices.Clone(e.Members)
		all = append(all, one)
		return nil
	})
	if err != nil {
		t.Fatalf("Export: %v", err)
	}
	return all
}

var longAgo = time.Date(2021, 2, 3, 4, 5, 6, 7000, time.UTC)

func TestImport(t *testing.T) {
	t.Parallel()
	b := setup(t)
	id := uuid.NewV7()
	block := []orgs.ImportOrg{
		{
			ID: id, IDIsOwn: true, Name: "Acme", ExternalID: "crm/1", Metadata: map[string]string{"a": "<b>"}, CreatedAt: longAgo, IsActive: ptr(false), CreatedByUserID: userN(1),
			Members: []orgs.ImportMember{
				{UserID: userN(1), AddedAt: longAgo, Roles: []string{"owner"}},
				{UserID: userN(3)},
				{UserID: userN(2), AddedAt: longAgo}, // is moved by a microsecond
			},
		},
		{ID: uuid.NewV7(), Name: "Beta"},
	}
	b.imports(t, orgs.ImportAdded, block...)
	o := b.get(t, id)
	want := orgs.Org{
		ID: id, Name: "Acme", ExternalID: "crm/1", Metadata: `{"a": "<b>"}`, CreatedAt: longAgo, CreatedByUserID: userN(1), UserCount: 3, Revision: 1, Version: 4, UpdatedAt: o.UpdatedAt,
	}
	if diff := cmp.Diff(want, o); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	all := b.exported(t)
	if len(all) != 2 || all[1].Name != "Beta" || !all[1].IsActive || !all[1].CreatedAt.Before(o.UpdatedAt) {
		t.Fatalf("%+v", all)
	}
	members := all[0].Members
	added := []orgs.Member{
		{UserID: userN(1), AddedAt: longAgo, Roles: []string{"owner"}}, {UserID: userN(2), AddedAt: longAgo.Add(time.Microsecond)}, {UserID: userN(3), AddedAt: o.UpdatedAt},
	}
	if diff := cmp.Diff(added, members); diff != "" {
		t.Errorf("members (-want +got):\n%s", diff)
	}
	by := func(kind, user, after string) event {
		e := event{Type: kind, Before: `{}`, After: after, RequestID: "operator-1"}
		if user != "" {
			e.Subject = &user
		}
		return e
	}
	events := []event{
		by("org.imported", userN(1), `{"orgName": "Acme", "isActive": false, "metadata": {"a": "<b>"}, "createdAt": "2021-02-03T04:05:06.000007Z", "externalId": "crm/1"}`),
		by("org.member_imported", userN(1), `{"roles": ["owner"], "addedAt": "2021-02-03T04:05:06.000007Z"}`),
		by("org.member_imported", userN(2), `{"addedAt": "2021-02-03T04:05:06.000008Z"}`),
		by("org.member_imported", userN(3), `{"addedAt": "`+o.UpdatedAt.Format("2006-01-02T15:04:05.000000Z")+`"}`),
	}
	if diff := cmp.Diff(events, b.events(t, id)); diff != "" {
		t.Errorf("events (-want +got):\n%s", diff)
	}

	// The organization can be changed like any other.
	b.update(t, id, orgs.Changes{Name: ptr("Acme 2")})
	if got := b.list(t, orgs.ListParams{Limit: 10, Name: "acme 2", ExternalID: "crm/1", UserID: ptr(userN(3))}); len(got.Orgs) != 1 || got.Orgs[0].ID != id {
		t.Errorf("found %+v", got.Orgs)
	}
	differs := b.imports(t, orgs.ImportDiffers, block[0])
	if diff := cmp.Diff([]orgs.ImportResult{{Outcome: orgs.ImportDiffers, OrgID: id, Fields: []string{"orgName"}}}, differs); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	b.imports(t, orgs.ImportPresent, block[1])
}

// Only fields that the import specifies are compared.
func TestImportCompares(t *testing.T) {
	t.Parallel()
	b := setup(t)
	made := b.create(t, orgs.NewOrg{Name: "Acme", Metadata: map[string]string{"a": "b"}, ExternalID: "crm/1"})
	if _, err := b.repository.ChangeMembers(context.Background(), b.caller(), made.ID, nil, orgs.MembersChange{Add: []orgs.NewMember{{UserID: userN(1), Roles: &[]string{"x"}}, {UserID: userN(2)}}}); err != nil {
		t.Fatal(err)
	}
	same := orgs.ImportOrg{ID: uuid.NewV7(), Name: "Acme", ExternalID: "crm/1"}
	users := func(members ...orgs.ImportMember) []orgs.ImportMember { return members }
	one, two := orgs.ImportMember{UserID: userN(1)}, orgs.ImportMember{UserID: userN(2)}
	for name, c := range map[string]struct {
		change func(*orgs.ImportOrg)
		want   string
	}{
		"nothing else":  {func(*orgs.ImportOrg) {}, ""},
		"name":          {func(o *orgs.ImportOrg) { o.Name = "acme" }, "orgName"},
		"own id":        {func(o *orgs.ImportOrg) { o.ID, o.IDIsOwn, o.ExternalID = made.ID, true, "crm/2" }, "externalId"},
		"metadata":      {func(o *orgs.ImportOrg) { o.Metadata = map[string]string{"a": "c"} }, "metadata"},
		"no metadata":   {func(o *orgs.ImportOrg) { o.Metadata = map[string]string{} }, "metadata"},
		"same metadata": {func(o *orgs.ImportOrg) { o.Metadata = map[string]string{"a": "b"} }, ""},
		"state":         {func(o *orgs.ImportOrg) { o.IsActive = ptr(false) }, "isActive"},
		"creation":      {func(o *orgs.ImportOrg) { o.CreatedAt, o.CreatedByUserID = longAgo, userN(1) }, "createdAt createdByUserId"},
		"same creation": {func(o *orgs.ImportOrg) { o.CreatedAt, o.CreatedByUserID = made.CreatedAt, userN(2) }, ""},
		"same members":  {func(o *orgs.ImportOrg) { o.Members = users(two, one) }, ""},
		"no members":    {func(o *orgs.ImportOrg) { o.Members = []orgs.ImportMember{} }, "members"},
		"other members": {func(o *orgs.ImportOrg) { o.Members = users(one, orgs.ImportMember{UserID: userN(3)}) }, "members"},
		"roles": {func(o *orgs.ImportOrg) {
			o.Members = users(one, orgs.ImportMember{UserID: userN(2), Roles: []string{"x"}})
		}, "members"},
		"same roles": {func(o *orgs.ImportOrg) {
			o.Members = users(orgs.ImportMember{UserID: userN(1), Roles: []string{"x"}}, two)
		}, ""},
		"time of addition": {func(o *orgs.ImportOrg) { o.Members = users(orgs.ImportMember{UserID: userN(1), AddedAt: longAgo}, two) }, "members"},
	} {
		o := same
		c.change(&o)
		outcome := orgs.ImportDiffers
		if c.want == "" {
			outcome = orgs.ImportPresent
		}
		t.Run(name, func(t *testing.T) {
			if got := b.imports(t, outcome, o)[0]; strings.Join(got.Fields, " ") != c.want || got.OrgID != made.ID {
				t.Errorf("%+v, want %q", got, c.want)
			}
		})
	}
	if after := b.get(t, made.ID); after.Version != 3 {
		t.Errorf("version %d", after.Version)
	}
	if taken := b.imports(t, orgs.ImportRefused, orgs.ImportOrg{ID: uuid.NewV7(), IDIsOwn: true, Name: "Acme", ExternalID: "crm/1"}); taken[0].OrgID != made.ID {
		t.Errorf("%+v", taken)
	}
}

// A deleted organization can be imported again once its events are deleted too.
func TestImportAfterDeletion(t *testing.T) {
	t.Parallel()
	b := setup(t)
	ctx := context.Background()
	line := orgs.ImportOrg{ID: uuid.NewV7(), IDIsOwn: true, Name: "Acme", IsActive: ptr(false), Members: []orgs.ImportMember{{UserID: userN(1), AddedAt: longAgo}}}
	b.imports(t, orgs.ImportAdded, line)
	if err := b.repository.Delete(ctx, b.caller(), line.ID, nil); err != nil {
		t.Fatal(err)
	}
	b.imports(t, orgs.ImportRefused, line)
	if _, err := b.repository.Erase(ctx); err != nil {
		t.Fatal(err)
	}
	if got := b.imports(t, orgs.ImportRefused, line)[0].Reason; !strings.Contains(got, "was deleted") {
		t.Errorf("%q", got)
	}
	b.Exec(t, "DELETE FROM events WHERE org_id = $1", line.ID)
	b.imports(t, orgs.ImportAdded, line)
	if all := b.exported(t); len(all) != 1 || len(all[0].Members) != 1 {
		t.Errorf("%+v", all)
	}
}

// If other clients create and delete an organization while its block is imported, it is
// imported only once that erasure can no longer erase it.
func TestImportDuringADeletion(t *testing.T) {
	t.Parallel()
	b := setup(t)
	line := orgs.ImportOrg{ID: uuid.NewV7(), IDIsOwn: true, Name: "Acme", Members: []orgs.ImportMember{{UserID: userN(1)}}}
	b.Exec(t, fmt.Sprintf(`
CREATE SEQUENCE copies;
CREATE FUNCTION delete_once() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF nextval('copies') = 1 THEN
        INSERT INTO org_erasures (account_id, org_id) VALUES ('%s', '%s');
    END IF;
    RETURN NULL;
END
$$;
CREATE TRIGGER delete_once AFTER INSERT ON orgs EXECUTE FUNCTION delete_once()`, b.account, line.ID))
	b.imports(t, orgs.ImportAdded, line)
	var copies, erasures int
	if err := b.Pool.QueryRow(context.Background(), "SELECT last_value, (SELECT count(*) FROM org_erasures) FROM copies").Scan(&copies, &erasures); err != nil {
		t.Fatal(err)
	}
	if copies != 2 || erasures != 0 {
		t.Errorf("%d copies, %d erasures", copies, erasures)
	}
}

// While an import runs, clients create organizations with the same external ids.
func TestImportDuringCreations(t *testing.T) {
	t.Parallel()
	b := setup(t)
	const n = 300
	var block []orgs.ImportOrg
	for i := range n {
		block = append(block, orgs.ImportOrg{ID: uuid.NewV7(), Name: "Same", ExternalID: fmt.Sprint(i)})
	}
	var results []orgs.ImportResult
	together(2, func(who int) {
		if who == 0 {
			for part := range slices.Chunk(block, 20) {
				done, err := b.repository.NewImporter(b.account, "operator-1", false).Add(context.Background(), part)
				if err != nil {
					t.Error(err)
				}
				results = append(results, done...)
			}
			return
		}
		for i := n - 1; i >= 0; i-- {
			if _, _, err := b.repository.Ensure(context.Background(), b.caller(), orgs.NewOrg{Name: "Same", ExternalID: fmt.Sprint(i)}); err != nil {
				t.Error(err)
			}
		}
	})
	added := 0
	for _, result := range results {
		switch result.Outcome {
		case orgs.ImportAdded:
			added++
		case orgs.ImportPresent:
		default:
			t.Errorf("%+v", result)
		}
	}
	var created, imported int
	if err := b.Pool.QueryRow(context.Background(), "SELECT count(*) FILTER (WHERE type = 'org.created'), count(*) FILTER (WHERE type = 'org.imported') FROM events").Scan(&created, &imported); err != nil {
		t.Fatal(err)
	}
	if all := b.exported(t); len(all) != n || created+imported != n || imported != added {
		t.Errorf("%d organizations, %d created, %d imported, %d added", len(all), created, imported, added)
	}
}

func TestImportIntoASuspendedAccount(t *testing.T) {
	t.Parallel()
	b := setup(t)
	ctx := context.Background()
	into := func(account uuid.UUID) error {
		i := b.repository.NewImporter(account, "operator-1", false)
		_, err := i.Add(ctx, []orgs.ImportOrg{{ID: uuid.NewV7(), Name: "Acme"}})
		if checked := i.Check(ctx); errors.Is(checked, orgs.ErrNoAccount) != errors.Is(err, orgs.ErrNoAccount) || errors.Is(checked, orgs.ErrSuspended) != errors.Is(err, orgs.ErrSuspended) {
			t.Errorf("Check: %v, Add: %v", checked, err)
		}
		return err
	}
	if err := into(b.account); err != nil {
		t.Error(err)
	}
	if _, err := accounts.NewRepository(b.Conns).Suspend(ctx, b.account); err != nil {
		t.Fatal(err)
	}
	if err := into(b.account); !errors.Is(err, orgs.ErrSuspended) {
		t.Errorf("suspended: %v", err)
	}
	if err := into(uuid.NewV7()); !errors.Is(err, orgs.ErrNoAccount) {
		t.Errorf("unknown: %v", err)
	}
	if all := b.exported(t); len(all) != 1 {
		t.Errorf("%d organizations", len(all))
	}
}
