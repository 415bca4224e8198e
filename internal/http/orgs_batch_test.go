package http_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"orgd/internal/apikeys"
	"orgd/internal/orgs"
)

// batch creates organizations from the given bodies.
func (a *api) batch(t testing.TB, bodies []string, headers ...string) answer {
	t.Helper()
	return a.do(t, http.MethodPost, "/v1/orgs/batch", `{"organizations":[`+strings.Join(bodies, ",")+`]}`, headers...)
}

// organizations checks the status of an answer and decodes the organizations in it.
func (g answer) organizations(t testing.TB, status int) []organization {
	t.Helper()
	return read[struct{ Organizations []organization }](t, g, status).Organizations
}

// numbered returns n bodies with different names and external ids.
func numbered(n int, prefix string) []string {
	bodies := make([]string, n)
	for i := range bodies {
		bodies[i] = fmt.Sprintf(`{"orgName":"%s %d","externalId":"%s/%d"}`, prefix, i, prefix, i)
	}
	return bodies
}

func TestBatch(t *testing.T) {
	t.Parallel()
	a := newAPI(t)
	a.create(t, "Before")
	bodies := []string{
		`{"orgName":" Łódź <&> ","metadata":{"plan":"pro","a<b":"\n\"\u2028"},"externalId":"crm/1"}`,
		`{"orgName":"Same"}`,
		imported,
		`{"orgName":"Same","isActive":true}`,
	}
	got := a.batch(t, bodies, "Orgd-User", userOne)
	made := got.organizations(t, 201)
	if len(made) != 4 || got.header.Get("ETag") != "" || got.header.Get("Location") != "" || got.header.Get("Idempotency-Replayed") != "" {
		t.Fatalf("%v %s", got.header, got.body)
	}
	now := made[0].CreatedAt
	want := []organization{
		{OrgName: "Łódź <&>", CreatedAt: now, IsActive: true, CreatedByUserID: userOne, Metadata: map[string]string{"plan": "pro", "a<b": "\n\"\u2028"}, ExternalID: "crm/1"},
		{OrgName: "Same", CreatedAt: now, IsActive: true, CreatedByUserID: userOne},
		{OrgName: "Acme", CreatedAt: "2019-02-03T03:05:06.789000Z", OrgID: importedID, CreatedByUserID: userTwo},
		{OrgName: "Same", CreatedAt: now, IsActive: true, CreatedByUserID: userOne},
	}
	for i := range want {
		if want[i].OrgID == "" {
			want[i].OrgID = made[i].OrgID
		}
		want[i].UpdatedAt, want[i].Revision, want[i].CreatedByAPIKeyID = now, 1, made[0].CreatedByAPIKeyID
		read := a.get(t, "/v1/orgs/"+made[i].OrgID)
		if diff := cmp.Diff(made[i], read.organization(t, 200)); diff != "" || read.header.Get("ETag") != `"1"` {
			t.Errorf("%d: ETag %s, (-made +read):\n%s", i, read.header.Get("ETag"), diff)
		}
	}
	if diff := cmp.Diff(want, made); diff != "" {
		t.Errorf("(-want +made):\n%s", diff)
	}
	var listed []string
	for _, o := range a.get(t, "/v1/orgs?order=createdAt").page(t).Organizations {
		listed = append(listed, o["orgName"].(string))
	}
	if joined(listed) != "Acme, Before, Łódź <&>, Same, Same" {
		t.Errorf("listed %s", listed)
	}
	events := a.wholeFeed(t, a.key)
	for i, e := range events[len(events)-4:] {
		if e.Type != "org.created" || e.OrgID != made[i].OrgID || e.RequestID != got.header.Get("X-Request-Id") {
			t.Errorf("event %d: %+v", i, e)
		}
	}
	consumer := newConsumer()
	consumer.follow(t, a, a.key, all)
	held, keys := a.listed(t, a.key)
	consumer.isAt(t, held, keys)
}

// A batch has at most 100 organizations, however large they are.
func TestLargestBatch(t *testing.T) {
	t.Parallel()
	a := newAPI(t)
	metadata := map[string]string{}
	for i := range 9 {
		metadata[fmt.Sprint("key ", i)] = strings.Repeat("x", 999) + "\n"
	}
	pairs, err := json.Marshal(metadata)
	if err != nil {
		t.Fatal(err)
	}
	var bodies []string
	for i := range 100 {
		bodies = append(bodies, fmt.Sprintf(`{"orgName":"%s","externalId":"%s","metadata":%s}`,
			strings.Repeat("<", 250)+fmt.Sprint(i), strings.Repeat("&", 250)+fmt.Sprint(i), pairs))
	}
	first := a.batch(t, bodies, "Idempotency-Key", "k")
	if made := first.organizations(t, 201); len(made) != 100 || made[99].Metadata["key 8"] != metadata["key 8"] {
		t.Errorf("%d organizations", len(made))
	}
	if again := a.batch(t, bodies, "Idempotency-Key", "k"); string(again.body) != string(first.body) || again.header.Get("Idempotency-Replayed") != "true" {
		t.Errorf("the repeat got %d, %v", again.status, again.header)
	}
	p := a.batch(t, numbered(101, "many")).rejected(t, 422, "invalid_field")
	if p.fields() != "organizations too_many" {
		t.Errorf("101 organizations: %s", p.fields())
	}
}

func TestInvalidBatches(t *testing.T) {
	t.Parallel()
	a := newAPI(t)
	good := `{"orgName":"Good"}`
	for name, c := range map[string]struct{ body, want string }{
		"no field":    {`{}`, "organizations required"},
		"null":        {`{"organizations":null}`, "organizations wrong_type"},
		"object":      {`{"organizations":{}}`, "organizations wrong_type"},
		"empty":       {`{"organizations":[]}`, "organizations required"},
		"more fields": {`{"organizations":[` + good + `],"orgName":"x"}`, "orgName unknown"},
		"wrong types": {
			`{"organizations":[` + good + `,null,[],"x",1]}`,
			"organizations.1 wrong_type, organizations.2 wrong_type, organizations.3 wrong_type, organizations.4 wrong_type",
		},
		"many mistakes": {
			`{"organizations":[{},` + good + `,{"orgName":"","metadata":{"":"x","a.b":1},"color":"red"},{"orgName":"x","createdAt":"x"}]}`,
			"organizations.0.orgName required, organizations.2.color unknown, organizations.2.metadata. invalid, " +
				"organizations.2.metadata.a.b wrong_type, organizations.2.orgName required, organizations.3.createdAt invalid",
		},
		"order of the errors": {
			`{"organizations":[` + strings.Repeat(good+",", 2) + `1,` + strings.Repeat(good+",", 7) + `1]}`,
			"organizations.2 wrong_type, organizations.10 wrong_type",
		},
		"same external id": {
			`{"organizations":[{"orgName":"a","externalId":"x"},{"orgName":"b","externalId":"X"},{"orgName":"c","externalId":"x"},{"orgName":"d","externalId":"x"}]}`,
			"organizations.2.externalId repeated, organizations.3.externalId repeated",
		},
		"same id": {`{"organizations":[` + imported + `,` + good + `,` + imported + `]}`, "organizations.2.orgId repeated"},
		"the same invalid ids": {
			`{"organizations":[{"orgName":"a","externalId":"x ","orgId":"x"},{"orgName":"b","externalId":"x ","orgId":"x"}]}`,
			"organizations.0.externalId invalid, organizations.0.orgId invalid, organizations.1.externalId invalid, organizations.1.orgId invalid",
		},
		"future": {
			`{"organizations":[` + good + `,{"orgName":"x","createdAt":"` + inAMinute(0.9) + `"},{"orgName":"x","createdAt":"` + inAMinute(0.8) + `"}]}`,
			"organizations.1.createdAt out_of_range, organizations.2.createdAt out_of_range",
		},
	} {
		t.Run(name, func(t *testing.T) {
			p := a.do(t, http.MethodPost, "/v1/orgs/batch", c.body, "Idempotency-Key", "k").rejected(t, 422, "invalid_field")
			if p.fields() != c.want {
				t.Errorf("%s\nwant %s", p.fields(), c.want)
			}
		})
	}
	// As in every error, at most 100 fields are named.
	p := a.batch(t, slices.Repeat([]string{`{"a":1,"b":2}`}, 100)).rejected(t, 422, "invalid_field")
	if len(p.Errors) != 100 || len(p.Detail) > 1100 || !strings.Contains(p.Detail, "more.") {
		t.Errorf("%d errors, %s", len(p.Errors), p.Detail)
	}
	a.do(t, http.MethodPost, "/v1/orgs/batch", `{"organizations":[{"orgName":"x","orgName":"y"}]}`).rejected(t, 400, "invalid_body")
	a.do(t, http.MethodPost, "/v1/orgs/batch?limit=1", `{"organizations":[`+good+`]}`).rejected(t, 400, "unknown_parameter")
	if page := a.get(t, "/v1/orgs").page(t); len(page.Organizations) != 0 {
		t.Errorf("%d organizations", len(page.Organizations))
	}
	a.batch(t, []string{good}, "Idempotency-Key", "k").organizations(t, 201)
}

func TestBatchNeedsTheScopeOfAnImport(t *testing.T) {
	t.Parallel()
	a := newAPI(t)
	a.key = a.Key(t, a.account, apikeys.OrgsWrite, apikeys.OrgsRead)
	got := a.batch(t, []string{`{"orgName":""}`, `{"orgName":"Acme","isActive":true}`})
	if got.rejected(t, 403, "insufficient_scope"); !strings.Contains(got.header.Get("WWW-Authenticate"), `scope="orgs:import"`) {
		t.Errorf("%v", got.header)
	}
	a.batch(t, []string{`{"orgName":"Acme"}`}).organizations(t, 201)
	if page := a.get(t, "/v1/orgs").page(t); len(page.Organizations) != 1 {
		t.Errorf("%d organizations", len(page.Organizations))
	}
}

// One answer names every organization whose id is taken. Nothing is created, and the
// Idempotency-Key can still be used.
func TestBatchOfTakenIDs(t *testing.T) {
	t.Parallel()
	a := newAPI(t)
	one := a.do(t, http.MethodPut, externalPath("crm/1"), `{"orgName":"One"}`).organization(t, 201)
	two := a.do(t, http.MethodPut, externalPath("crm/2"), `{"orgName":"Two"}`).organization(t, 201)
	a.do(t, http.MethodPost, "/v1/orgs", imported).organization(t, 201)
	a.Org(t, a.Account(t), orgs.Org{ExternalID: "crm/3"})
	bodies := []string{
		`{"orgName":"a","externalId":"crm/3"}`,
		`{"orgName":"b","externalId":"crm/2"}`,
		imported,
		`{"orgName":"c","externalId":"crm/1","orgId":"` + two.OrgID + `"}`,
		`{"orgName":"d"}`,
	}
	got := a.batch(t, bodies, "Idempotency-Key", "k")
	p := got.rejected(t, 409, "external_id_taken")
	if want := "organizations.1.externalId taken, organizations.2.orgId taken, organizations.3.externalId taken"; p.fields() != want || p.OrgID != two.OrgID ||
		p.Errors[0].OrgID != two.OrgID || p.Errors[1].OrgID != "" || p.Errors[2].OrgID != one.OrgID || got.header.Get("X-Should-Retry") != "false" {
		t.Errorf("%v %s\nwant %s", got.header, got.body, want)
	}
	p = a.batch(t, bodies[2:], "Idempotency-Key", "k").rejected(t, 409, "org_id_taken")
	if p.OrgID != "" || p.fields() != "organizations.0.orgId taken, organizations.1.externalId taken" {
		t.Errorf("%+v", p)
	}
	if page := a.get(t, "/v1/orgs").page(t); len(page.Organizations) != 3 {
		t.Errorf("%d organizations", len(page.Organizations))
	}
	a.do(t, http.MethodPatch, "/v1/orgs/"+two.OrgID, `{"externalId":null}`)
	a.batch(t, bodies[:2], "Idempotency-Key", "k").organizations(t, 201)

	// The id of a deleted organization is not used again.
	a.do(t, http.MethodDelete, "/v1/orgs/"+importedID, "")
	for range 2 {
		if p := a.batch(t, []string{`{"orgName":"e"}`, imported}).rejected(t, 409, "org_id_taken"); p.fields() != "organizations.1.orgId taken" {
			t.Errorf("after the deletion: %s", p.fields())
		}
		if _, err := a.orgs.Erase(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if page := a.get(t, "/v1/orgs").page(t); len(page.Organizations) != 4 {
		t.Errorf("%d organizations", len(page.Organizations))
	}
}

// A repeat gets the first result, even if the organizations have changed since. Erased
// users are removed from the result. After one of the organizations is deleted, a repeat is
// rejected.
func TestRepeatedBatch(t *testing.T) {
	t.Parallel()
	a := newAPI(t)
	bodies := []string{imported, `{"orgName":"b","externalId":"crm/1"}`, `{"orgName":"c"}`}
	key := []string{"Idempotency-Key", "k", "Orgd-User", userOne}
	first := a.batch(t, bodies, key...)
	made := first.organizations(t, 201)
	a.do(t, http.MethodPatch, "/v1/orgs/"+made[1].OrgID, `{"orgName":"changed","externalId":null}`)
	isFirst := func(body string) {
		t.Helper()
		if again := a.batch(t, bodies, key...); again.status != 201 || string(again.body) != body || again.header.Get("Idempotency-Replayed") != "true" {
			t.Errorf("%d %v %s\nfirst: %s", again.status, again.header, again.body, body)
		}
	}
	isFirst(string(first.body))
	for name, other := range map[string][]string{"order": {bodies[1], bodies[0], bodies[2]}, "fewer": bodies[:2], "more": append(bodies[:3:3], `{"orgName":"d"}`)} {
		t.Run(name, func(t *testing.T) {
			a.batch(t, other, key...).rejected(t, 422, "idempotency_key_reused")
		})
	}
	a.batch(t, bodies, "Idempotency-Key", "k").rejected(t, 422, "idempotency_key_reused") // another acting user
	a.do(t, http.MethodPost, "/v1/orgs", `{"orgName":"x"}`, key...).organization(t, 201)  // another operation

	a.do(t, http.MethodDelete, "/v1/users/"+userOnePath, "")
	if _, err := a.orgs.Erase(t.Context()); err != nil {
		t.Fatal(err)
	}
	isFirst(strings.ReplaceAll(string(first.body), `"createdByUserId":"`+userOne+`",`, ""))

	a.do(t, http.MethodPost, "/v1/orgs/"+made[2].OrgID+"/deactivate", "")
	a.do(t, http.MethodDelete, "/v1/orgs/"+made[2].OrgID, "")
	for range 2 {
		if got := a.batch(t, bodies, key...); got.header.Get("Idempotency-Replayed") != "" {
			t.Errorf("%v", got.header)
		} else {
			got.rejected(t, 404, "not_found")
		}
	}
	if page := a.get(t, "/v1/orgs").page(t); len(page.Organizations) != 3 {
		t.Errorf("%d organizations", len(page.Organizations))
	}
}

// aborted is a connection that breaks when the answer is written.
type aborted struct{ http.ResponseWriter }

func (w aborted) Unwrap() http.ResponseWriter { return w.ResponseWriter }

func (aborted) Write([]byte) (int, error) { panic(http.ErrAbortHandler) }

// After a lost answer, the same call with the same key returns the organizations.
func TestRepeatOfALostBatch(t *testing.T) {
	t.Parallel()
	a := newAPI(t)
	served := a.url
	a.behind(t, func(w http.ResponseWriter, _ *http.Request) http.ResponseWriter { return aborted{w} })
	bodies := numbered(20, "lost")
	request := a.request(t, http.MethodPost, "/v1/orgs/batch", strings.NewReader(`{"organizations":[`+strings.Join(bodies, ",")+`]}`),
		"Authorization", "Bearer "+a.key, "Content-Type", "application/json", "Idempotency-Key", "k")
	if response, err := http.DefaultTransport.RoundTrip(request); err == nil {
		response.Body.Close()
		t.Fatalf("status %d", response.StatusCode)
	}
	a.url = served
	again := a.batch(t, bodies, "Idempotency-Key", "k")
	if made := again.organizations(t, 201); len(made) != 20 || again.header.Get("Idempotency-Replayed") != "true" {
		t.Errorf("%v %s", again.header, again.body)
	}
	if page := a.get(t, "/v1/orgs?limit=100").page(t); len(page.Organizations) != 20 {
		t.Errorf("%d organizations", len(page.Organizations))
	}
}

// Of many concurrent batches that share external ids, each creates all of its
// organizations or none.
func TestConcurrentBatches(t *testing.T) {
	t.Parallel()
	a := newAPI(t)
	a.shapes = &shapes{}
	bodies := numbered(30, "crm")
	for round := range 3 {
		var mu sync.Mutex
		made := map[string]int{}
		var calls sync.WaitGroup
		for worker := range 50 {
			calls.Go(func() {
				// Ten adjacent ids, in random order.
				var own []string
				for i := range 10 {
					body := bodies[(worker*7+i)%30]
					own = append(own, strings.Replace(body, "crm/", fmt.Sprintf("%d/", round), 1))
				}
				if worker%2 == 0 {
					slices.Reverse(own)
				}
				got := a.batch(t, own)
				if got.status == 201 {
					mu.Lock()
					defer mu.Unlock()
					for _, o := range got.organizations(t, 201) {
						made[o.OrgID]++
					}
					return
				}
				if p := got.rejected(t, 409, "external_id_taken"); p.OrgID == "" || len(p.Errors) == 0 {
					t.Errorf("%s", got.body)
				}
			})
		}
		calls.Wait()
		stored := map[string]int{}
		for _, o := range a.get(t, "/v1/orgs?limit=100").page(t).Organizations {
			if strings.HasPrefix(o["externalId"].(string), fmt.Sprintf("%d/", round)) {
				stored[o["orgId"].(string)]++
			}
		}
		if diff := cmp.Diff(made, stored); diff != "" || len(made) == 0 || len(made)%10 != 0 {
			t.Fatalf("round %d: %d organizations (-answered +stored):\n%s", round, len(made), diff)
		}
	}
}

// Of many concurrent calls with one key, one creates the organizations.
func TestConcurrentRepeatsOfABatch(t *testing.T) {
	t.Parallel()
	a := newAPI(t)
	a.shapes = &shapes{}
	bodies := numbered(10, "one")
	var calls sync.WaitGroup
	for range 50 {
		calls.Go(func() {
			if got := a.batch(t, bodies, "Idempotency-Key", "k"); got.status != 201 {
				got.rejected(t, 409, "idempotency_in_progress")
			}
		})
	}
	calls.Wait()
	if page := a.get(t, "/v1/orgs?limit=100").page(t); len(page.Organizations) != 10 {
		t.Errorf("%d organizations", len(page.Organizations))
	}
}
