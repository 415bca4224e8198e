package http_test

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// externalIDs are valid external ids: in forms that other systems use, and of the maximum
// length.
var externalIDs = []string{
	"42", "crm/4711", "a//b/", "50%", "%41", "a+b", "a b", "ä|ö", "😀", "x?y#z&w=1", "..", ".", ":externalId",
	"0197f3a1-6b1e-7c52-8d0e-5a4b3c2d1e0f", `"quoted\"`, "e\u0301", "\u00e9", "\u200d", strings.Repeat("x", 255), runes(255),
}

// badExternalIDs are invalid external ids, each with the error code of the field.
var badExternalIDs = map[string]string{
	" a": "invalid", "a\u2003": "invalid", "a\nb": "invalid", "a\u0085b": "invalid", " ": "required", strings.Repeat("x", 256): "too_long",
}

func externalPath(id string) string { return "/v1/orgs/external/" + url.PathEscape(id) }

// named returns a request body with a name and, unless it is empty, an external id.
func named(t *testing.T, name, external string) string {
	t.Helper()
	body := map[string]string{"orgName": name}
	if external != "" {
		body["externalId"] = external
	}
	return string(encodingJSON(t, body))
}

func TestPutExternal(t *testing.T) {
	t.Parallel()
	a := newAPI(t)
	for _, id := range externalIDs {
		t.Run(fmt.Sprintf("%.20q", id), func(t *testing.T) {
			first := a.do(t, http.MethodPut, externalPath(id), `{"orgName":"Acme","metadata":{"a":"b"}}`)
			made := first.organization(t, 201)
			if made.ExternalID != id || made.Revision != 1 || first.header.Get("ETag") != `"1"` || first.header.Get("Location") != publicURL+"/v1/orgs/"+made.OrgID {
				t.Errorf("%v %s", first.header, first.body)
			}
			for _, body := range []string{`{"orgName":"Acme","metadata":{"a":"b"}}`, `{"orgName":"Other"}`, named(t, "Acme", id)} {
				again := a.do(t, http.MethodPut, externalPath(id), body, "X-Stainless-Retry-Count", "1", "Idempotency-Key", "k")
				if again.status != 200 || string(again.body) != string(first.body) || again.header.Get("ETag") != `"1"` || again.header.Get("Location") != "" {
					t.Errorf("%s: %d %v %s", body, again.status, again.header, again.body)
				}
			}
			page := a.get(t, "/v1/orgs?externalId="+url.QueryEscape(id)).page(t)
			if len(page.Organizations) != 1 || page.Organizations[0]["externalId"] != id || page.HasMore {
				t.Errorf("listed %v", page)
			}
			if p := a.do(t, http.MethodPost, "/v1/orgs", named(t, "Acme", id)).rejected(t, 409, "external_id_taken"); p.OrgID != made.OrgID {
				t.Errorf("%s has the external id, but the error names %s", made.OrgID, p.OrgID)
			}
		})
	}
}

// The external id "users" is allowed, although /v1/orgs/ID/users is the list of an
// organization's members.
func TestPutExternalOfUsers(t *testing.T) {
	t.Parallel()
	a := newAPI(t)
	body := `{"orgName":"Acme"}`
	head := a.raw(t, fmt.Sprintf("PUT /v1/orgs/external/users HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s",
		a.key, len(body), body))
	if page := a.get(t, "/v1/orgs?externalId=users").page(t); !strings.HasPrefix(head, "HTTP/1.1 201 ") || len(page.Organizations) != 1 {
		t.Errorf("listed %v after %s", page.Organizations, head)
	}
}

func TestPutExternalIsRejected(t *testing.T) {
	t.Parallel()
	a := newAPI(t)
	for id, code := range badExternalIDs {
		t.Run(fmt.Sprintf("%.20q", id), func(t *testing.T) {
			for _, got := range []answer{
				a.do(t, http.MethodPut, externalPath(id), `{"orgName":"Acme"}`),
				a.do(t, http.MethodPost, "/v1/orgs", named(t, "Acme", id)),
			} {
				if p := got.rejected(t, 422, "invalid_field"); len(p.Errors) != 1 || p.Errors[0].Field != "externalId" || p.Errors[0].Code != code {
					t.Errorf("%s", got.body)
				}
			}
			if p := a.get(t, "/v1/orgs?externalId="+url.QueryEscape(id)).rejected(t, 400, "invalid_parameter"); len(p.Errors) != 1 || p.Errors[0].Code != code {
				t.Errorf("%+v", p)
			}
		})
	}
	for path, status := range map[string]int{"%ff": 422, "a%ffb": 422, "%00": 422, "a/b": 404} {
		t.Run(path, func(t *testing.T) {
			if got := a.do(t, http.MethodPut, "/v1/orgs/external/"+path, `{"orgName":"Acme"}`); got.status != status {
				t.Errorf("%d %s", got.status, got.body)
			}
		})
	}
	for body, code := range map[string]string{
		named(t, "Acme", "other"): "invalid_field", `{"orgName":"Acme","externalId":null}`: "invalid_field", `{}`: "invalid_field",
		`{"orgName":""}`: "invalid_field", `{"orgName":"Acme","revision":1}`: "invalid_field", ``: "invalid_body",
	} {
		t.Run(body, func(t *testing.T) {
			if got := a.do(t, http.MethodPut, externalPath("one"), body).problem(t); got.Code != code {
				t.Errorf("%+v", got)
			}
		})
	}
	a.do(t, http.MethodPut, externalPath("one")+"?revision=1", `{"orgName":"Acme"}`).rejected(t, 400, "unknown_parameter")
	if page := a.get(t, "/v1/orgs").page(t); len(page.Organizations) != 0 {
		t.Errorf("a rejected call created an organization: %v", page.Organizations)
	}
}

// If 50 workers put the same external id concurrently, one creates the organization and
// all get that organization.
func TestConcurrentPutExternal(t *testing.T) {
	t.Parallel()
	a := newAPI(t)
	var mu sync.Mutex
	statuses, bodies := map[int]int{}, map[string]int{}
	var calls sync.WaitGroup
	for i := range 50 {
		calls.Go(func() {
			got := a.do(t, http.MethodPut, externalPath("crm/4711"), fmt.Sprintf(`{"orgName":"Worker %d"}`, i))
			mu.Lock()
			defer mu.Unlock()
			statuses[got.status]++
			bodies[string(got.body)]++
		})
	}
	calls.Wait()
	if statuses[201] != 1 || statuses[200] != 49 || len(bodies) != 1 {
		t.Errorf("statuses %v, %d different answers", statuses, len(bodies))
	}
	if page := a.get(t, "/v1/orgs").page(t); len(page.Organizations) != 1 {
		t.Errorf("%d organizations", len(page.Organizations))
	}
}

func TestExternalIDOfAnOrganization(t *testing.T) {
	t.Parallel()
	a := newAPI(t)
	other := &api{DB: a.DB, url: a.url, account: a.Account(t), log: a.log}
	other.key = a.Key(t, other.account)
	theirs := other.do(t, http.MethodPost, "/v1/orgs", named(t, "Theirs", "crm/1")).organization(t, 201)
	first := a.do(t, http.MethodPost, "/v1/orgs", named(t, "First", "crm/1")).organization(t, 201)
	second := a.do(t, http.MethodPost, "/v1/orgs", named(t, "Second", "")).organization(t, 201)
	path := "/v1/orgs/" + second.OrgID
	taken := a.do(t, http.MethodPatch, path, `{"orgName":"2","externalId":"crm/1"}`, "Idempotency-Key", "k")
	if p := taken.rejected(t, 409, "external_id_taken"); p.OrgID != first.OrgID || taken.header.Get("X-Should-Retry") != "false" || taken.header.Get("ETag") != "" {
		t.Errorf("%v %s", taken.header, taken.body)
	}
	if diff := cmp.Diff(second, a.get(t, path).organization(t, 200)); diff != "" {
		t.Errorf("a rejected change had an effect (-before +after):\n%s", diff)
	}
	if o := a.do(t, http.MethodPatch, "/v1/orgs/"+first.OrgID, `{"externalId":null}`).organization(t, 200); o.ExternalID != "" || o.Revision != 2 {
		t.Errorf("%+v", o)
	}
	if o := a.do(t, http.MethodPatch, path, `{"orgName":"2","externalId":"crm/1"}`, "Idempotency-Key", "k").organization(t, 200); o.ExternalID != "crm/1" || o.OrgName != "2" {
		t.Errorf("the repeat: %+v", o)
	}
	for api, want := range map[*api]string{a: second.OrgID, other: theirs.OrgID} {
		if page := api.get(t, "/v1/orgs?externalId=crm/1&isActive=true").page(t); len(page.Organizations) != 1 || page.Organizations[0]["orgId"] != want {
			t.Errorf("want %s, listed %v", want, page.Organizations)
		}
	}
	for _, query := range []string{"externalId=crm/1&isActive=false", "externalId=crm/1&orgName=first", "externalId=crm", "externalId=CRM/1", "externalId=crm/1&userId=u"} {
		t.Run(query, func(t *testing.T) {
			if page := a.get(t, "/v1/orgs?"+query).page(t); len(page.Organizations) != 0 {
				t.Errorf("listed %v", page.Organizations)
			}
		})
	}
	for _, body := range []string{`{"externalId":""}`, `{"externalId":1}`, `{"externalId":" a"}`} {
		t.Run(body, func(t *testing.T) { a.do(t, http.MethodPatch, path, body).rejected(t, 422, "invalid_field") })
	}
}

// A list that is filtered by external id rejects the cursor of another list.
func TestExternalIDIsPartOfTheList(t *testing.T) {
	t.Parallel()
	a := newAPI(t)
	for i := range 2 {
		a.do(t, http.MethodPut, externalPath(fmt.Sprint(i)), `{"orgName":"Acme"}`)
	}
	cursor := a.get(t, "/v1/orgs?limit=1").page(t).Cursor
	a.get(t, "/v1/orgs?limit=1&externalId=0&cursor="+cursor).rejected(t, 400, "invalid_cursor")
	a.get(t, "/v1/orgs?externalId=0&externalId=1").rejected(t, 400, "repeated_parameter")
}
