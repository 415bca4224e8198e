package http_test

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"orgd/internal/apikeys"
	"orgd/internal/orgs"
	"orgd/internal/uuid"
)

const (
	importedID = "org_0123456789abcdef0123456789abcdef"
	imported   = `{"orgName":"Acme","orgId":"` + importedID + `","createdAt":"2019-02-03T04:05:06.789+01:00","isActive":false,"createdByUserId":"` + userTwo + `"}`
)

// An organization from another system keeps its id, creation time, state and creator.
func TestImport(t *testing.T) {
	t.Parallel()
	a := newAPI(t)
	newer := a.create(t, "Newer")
	got := a.do(t, http.MethodPost, "/v1/orgs", imported, "Orgd-User", userOne)
	made := got.organization(t, 201)
	want := organization{
		CreatedAt: "2019-02-03T03:05:06.789000Z", OrgID: importedID, OrgName: "Acme", UpdatedAt: made.UpdatedAt,
		CreatedByAPIKeyID: made.CreatedByAPIKeyID, CreatedByUserID: userTwo, Revision: 1,
	}
	if diff := cmp.Diff(want, made); diff != "" || got.header.Get("ETag") != `"1"` || got.header.Get("Location") != publicURL+"/v1/orgs/"+importedID {
		t.Errorf("%v (-want +got):\n%s", got.header, diff)
	}
	if since := time.Since(readTime(t, made.UpdatedAt)); since < 0 || since > time.Minute {
		t.Errorf("updatedAt %s", made.UpdatedAt)
	}
	if read := a.get(t, "/v1/orgs/"+importedID); string(read.body) != string(got.body) {
		t.Errorf("read %s\nmade %s", read.body, got.body)
	}
	page := a.get(t, "/v1/orgs").page(t)
	if len(page.Organizations) != 2 || "/v1/orgs/"+page.Organizations[0]["orgId"].(string) != newer {
		t.Errorf("the imported organization is not the oldest: %v", page.Organizations)
	}
	events := a.wholeFeed(t, a.key)
	last := events[len(events)-1]
	if last.Type != "org.created" || last.OccurredAt != made.UpdatedAt || last.UserID != userTwo || last.ActorUserID != userOne ||
		!cmp.Equal(last.After, map[string]any{"orgName": "Acme", "createdAt": made.CreatedAt, "isActive": false}) {
		t.Errorf("event %+v", last)
	}
	a.do(t, http.MethodPost, "/v1/orgs/"+importedID+"/users", member(userOne)).rejected(t, 409, "org_inactive")
	a.do(t, http.MethodPost, "/v1/orgs/"+importedID+"/reactivate", "").organization(t, 200)
	a.do(t, http.MethodPost, "/v1/orgs/"+importedID+"/users", member(userOne)).ok(t)
}

// Fields that an import leaves out have the same values as in any other creation.
func TestPartsOfAnImport(t *testing.T) {
	t.Parallel()
	a := newAPI(t)
	plain := a.do(t, http.MethodPost, "/v1/orgs", `{"orgName":"Acme"}`, "Orgd-User", userOne).organization(t, 201)
	for name, c := range map[string]struct {
		fields string
		change func(*organization)
	}{
		"id":                {`"orgId":"` + importedID + `"`, func(o *organization) { o.OrgID = importedID }},
		"time":              {`"createdAt":"1970-01-01T00:00:00Z"`, func(o *organization) { o.CreatedAt = "1970-01-01T00:00:00Z" }},
		"time, too precise": {`"createdAt":"2020-01-01T00:00:00.0000019Z"`, func(o *organization) { o.CreatedAt = "2020-01-01T00:00:00.000001Z" }},
		"active":            {`"isActive":true`, func(*organization) {}},
		"deactivated":       {`"isActive":false`, func(o *organization) { o.IsActive = false }},
		"creator":           {`"createdByUserId":"` + userTwo + `"`, func(o *organization) { o.CreatedByUserID = userTwo }},
	} {
		t.Run(name, func(t *testing.T) {
			made := a.do(t, http.MethodPost, "/v1/orgs", `{"orgName":"Acme",`+c.fields+`}`, "Orgd-User", userOne).organization(t, 201)
			want := plain
			want.OrgID, want.CreatedAt, want.UpdatedAt = made.OrgID, made.UpdatedAt, made.UpdatedAt
			c.change(&want)
			if diff := cmp.Diff(want, made); diff != "" {
				t.Errorf("(-want +made):\n%s", diff)
			}
		})
	}
	consumer := newConsumer()
	consumer.follow(t, a, a.key, all)
	held, keys := a.listed(t, a.key)
	consumer.isAt(t, held, keys)
}

func TestInvalidImports(t *testing.T) {
	t.Parallel()
	a := newAPI(t)
	for fields, want := range map[string]string{
		`"orgId":"x"`: "orgId invalid",
		`"orgId":"org_0123456789ABCDEF0123456789ABCDEF"`: "orgId invalid",
		`"orgId":"org_00000000000000000000000000000000"`: "orgId invalid",
		`"orgId":null`:                                                       "orgId wrong_type",
		`"createdAt":"2020-01-01"`:                                           "createdAt invalid",
		`"createdAt":1577836800`:                                             "createdAt wrong_type",
		`"createdAt":"` + inAMinute(2) + `"`:                                 "createdAt out_of_range",
		`"createdAt":"1969-12-31T23:59:59.999999Z"`:                          "createdAt out_of_range",
		`"createdAt":"0000-01-01T00:00:00Z"`:                                 "createdAt out_of_range",
		`"isActive":"false"`:                                                 "isActive wrong_type",
		`"isActive":null`:                                                    "isActive wrong_type",
		`"createdByUserId":""`:                                               "createdByUserId required",
		`"createdByUserId":" u"`:                                             "createdByUserId invalid",
		`"createdByApiKeyId":"0197f3a1-6b1e-7c52-8d0e-5a4b3c2d1e0f"`:         "createdByApiKeyId unknown",
		`"updatedAt":"2020-01-01T00:00:00Z"`:                                 "updatedAt unknown",
		`"orgId":1,"createdAt":"x","isActive":0,"createdByUserId":"a\u0000"`: "createdAt invalid, createdByUserId invalid, isActive wrong_type, orgId wrong_type",
	} {
		t.Run(fields, func(t *testing.T) {
			p := a.do(t, http.MethodPost, "/v1/orgs", `{"orgName":"Acme",`+fields+`}`).rejected(t, 422, "invalid_field")
			if got := p.fields(); got != want {
				t.Errorf("%s, want %s", got, want)
			}
		})
	}
	// The server's clock may be slow, so the database's clock decides.
	p := a.do(t, http.MethodPost, "/v1/orgs", `{"orgName":"Acme","createdAt":"`+inAMinute(0.9)+`"}`, "Idempotency-Key", "k").rejected(t, 422, "invalid_field")
	if got := p.fields(); got != "createdAt out_of_range" {
		t.Errorf("in less than a minute: %s", got)
	}
	a.do(t, http.MethodPost, "/v1/orgs", `{"orgName":"Acme"}`, "Idempotency-Key", "k").organization(t, 201)
	a.do(t, http.MethodPut, externalPath("x"), `{"orgName":"Acme","isActive":false}`).rejected(t, 422, "invalid_field")
}

// inAMinute returns the time that many minutes from now.
func inAMinute(minutes float64) string {
	return time.Now().Add(time.Duration(minutes * float64(time.Minute))).UTC().Format(time.RFC3339)
}

// fields returns the fields of errors with their codes.
func (p problem) fields() string {
	var all []string
	for _, e := range p.Errors {
		all = append(all, e.Field+" "+e.Code)
	}
	return joined(all)
}

// Without the scope, each of the fields is rejected before any error in the values is
// reported.
func TestImportNeedsItsScope(t *testing.T) {
	t.Parallel()
	a := newAPI(t)
	key := a.Key(t, a.account, apikeys.OrgsWrite, apikeys.OrgsRead)
	for _, field := range []string{`"orgId":"` + importedID + `"`, `"createdAt":"x"`, `"isActive":true`, `"createdByUserId":null`} {
		t.Run(field, func(t *testing.T) {
			got := a.doAs(t, http.MethodPost, "/v1/orgs", `{"orgName":"",`+field+`}`, "Authorization", "Bearer "+key)
			if p := got.rejected(t, 403, "insufficient_scope"); !strings.Contains(p.Detail, "orgs:import") ||
				got.header.Get("WWW-Authenticate") != `Bearer realm="orgd", error="insufficient_scope", scope="orgs:import"` {
				t.Errorf("%v %s", got.header, got.body)
			}
		})
	}
	a.doAs(t, http.MethodPost, "/v1/orgs", `{"orgName":"Acme"}`, "Authorization", "Bearer "+key).organization(t, 201)
	if page := a.get(t, "/v1/orgs").page(t); len(page.Organizations) != 1 {
		t.Errorf("%d organizations", len(page.Organizations))
	}
}

// An id belongs to one organization of the account, even after its deletion. Other accounts
// can use the same id.
func TestImportOfATakenID(t *testing.T) {
	t.Parallel()
	a := newAPI(t)
	a.Org(t, a.Account(t), orgs.Org{ID: uuid.UUID{0: 1, 15: 1}})
	other := `{"orgName":"Other","orgId":"` + orgID(uuid.UUID{0: 1, 15: 1}) + `"}`
	a.do(t, http.MethodPost, "/v1/orgs", other).organization(t, 201)

	a.do(t, http.MethodPost, "/v1/orgs", imported).organization(t, 201)
	isTaken := func() {
		t.Helper()
		for _, headers := range [][]string{nil, {"Idempotency-Key", "k"}, {"X-Stainless-Retry-Count", "0"}, {"X-Stainless-Retry-Count", "1"}} {
			got := a.do(t, http.MethodPost, "/v1/orgs", imported, headers...)
			if p := got.rejected(t, 409, "org_id_taken"); got.header.Get("X-Should-Retry") != "false" || p.OrgID != "" {
				t.Errorf("%v %s", got.header, got.body)
			}
		}
	}
	isTaken()
	// If the external id is taken too, the answer names its holder.
	both := strings.Replace(imported, "{", `{"externalId":"crm/1",`, 1)
	holder := a.do(t, http.MethodPut, externalPath("crm/1"), `{"orgName":"Holder"}`).organization(t, 201)
	if p := a.do(t, http.MethodPost, "/v1/orgs", both).rejected(t, 409, "external_id_taken"); p.OrgID != holder.OrgID {
		t.Errorf("%s has the external id, not %s", holder.OrgID, p.OrgID)
	}
	a.do(t, http.MethodDelete, "/v1/orgs/"+importedID, "")
	isTaken()
	if _, err := a.orgs.Erase(t.Context()); err != nil {
		t.Fatal(err)
	}
	isTaken()
	// An organization without events (such as those of `server seed`) is erased in the
	// background.
	seeded := a.Org(t, a.account, orgs.Org{})
	a.do(t, http.MethodDelete, "/v1/orgs/"+orgID(seeded.ID), "")
	a.Exec(t, "DELETE FROM events WHERE org_id = $1", seeded.ID)
	a.do(t, http.MethodPost, "/v1/orgs", `{"orgName":"Again","orgId":"`+orgID(seeded.ID)+`"}`).rejected(t, 409, "org_id_taken")
	if _, err := a.orgs.Erase(t.Context()); err != nil {
		t.Fatal(err)
	}
	// Nothing is left of the organization, so its id can be used again.
	a.do(t, http.MethodPost, "/v1/orgs", `{"orgName":"Again","orgId":"`+orgID(seeded.ID)+`"}`).organization(t, 201)
}

func TestRepeatedImport(t *testing.T) {
	t.Parallel()
	a := newAPI(t)
	first := a.do(t, http.MethodPost, "/v1/orgs", imported, "Idempotency-Key", "k")
	first.organization(t, 201)
	again := a.do(t, http.MethodPost, "/v1/orgs", imported, "Idempotency-Key", "k")
	if string(again.body) != string(first.body) || again.header.Get("Idempotency-Replayed") != "true" {
		t.Errorf("%v %s\nfirst: %s", again.header, again.body, first.body)
	}
	for _, other := range []string{
		`{"orgName":"Acme"}`,
		strings.Replace(imported, "cdef", "cde0", 1),
		strings.Replace(imported, "2019", "2018", 1),
		strings.Replace(imported, "false", "true", 1),
		strings.Replace(imported, userTwo, userOne, 1),
	} {
		a.do(t, http.MethodPost, "/v1/orgs", other, "Idempotency-Key", "k").rejected(t, 422, "idempotency_key_reused")
	}
}

// The erasure of the creator finds the event of the import, and a consumer that starts
// afterwards does not mistake the acting user for the creator.
func TestErasureOfAnImportedCreator(t *testing.T) {
	t.Parallel()
	a := newAPI(t)
	made := a.do(t, http.MethodPost, "/v1/orgs", strings.Replace(imported, userTwo, userOne, 1), "Orgd-User", userTwo).organization(t, 201)
	follower := newConsumer()
	follower.follow(t, a, a.key, all)
	if follower.orgs[made.OrgID].CreatedByUserID != userOne {
		t.Errorf("%+v", follower.orgs[made.OrgID])
	}
	if got := a.do(t, http.MethodDelete, "/v1/users/"+userOnePath, ""); got.status != 202 {
		t.Errorf("%d %s", got.status, got.body)
	}
	if _, err := a.orgs.Erase(t.Context()); err != nil {
		t.Fatal(err)
	}
	late := newConsumer()
	for _, e := range a.wholeFeed(t, a.key) {
		if e.UserID == userOne || e.ActorUserID == userOne {
			t.Errorf("%+v names the user", e)
		}
		if late.apply(t, e); late.orgs[made.OrgID] != nil && late.orgs[made.OrgID].CreatedByUserID != "" {
			t.Errorf("after %+v: %+v", e, late.orgs[made.OrgID])
		}
	}
	follower.follow(t, a, a.key, all)
	held, keys := a.listed(t, a.key)
	follower.isAt(t, held, keys)
	late.isAt(t, held, keys)
}

// Of many concurrent imports of one organization, one creates it.
func TestConcurrentImportsOfOneID(t *testing.T) {
	t.Parallel()
	a := newAPI(t)
	for round := range 5 {
		body := fmt.Sprintf(`{"orgName":"Acme","orgId":"org_%032x"}`, round+1)
		var mu sync.Mutex
		made := 0
		var calls sync.WaitGroup
		for range 20 {
			calls.Go(func() {
				got := a.do(t, http.MethodPost, "/v1/orgs", body)
				mu.Lock()
				defer mu.Unlock()
				if got.status == 201 {
					made++
					return
				}
				got.rejected(t, 409, "org_id_taken")
			})
		}
		calls.Wait()
		if made != 1 {
			t.Fatalf("%d calls created the organization", made)
		}
	}
}
