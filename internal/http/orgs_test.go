package http_test

import (
	"encoding/hex"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"orgd/internal/orgs"
	"orgd/internal/uuid"
)

func TestListGolden(t *testing.T) {
	t.Parallel()
	a := newAPI(t)
	a.Org(t, a.account, orgs.Org{
		ID:                uuid.UUID{15: 1},
		Name:              "Zürich \"AG\" <&>",
		IsActive:          true,
		Metadata:          `{"plan": "pro"}`,
		UserCount:         7,
		CreatedAt:         time.Date(2026, 1, 2, 3, 4, 5, 678_900_000, time.UTC),
		UpdatedAt:         time.Date(2026, 1, 2, 3, 4, 6, 0, time.UTC),
		CreatedByAPIKeyID: uuid.UUID{15: 2},
		CreatedByUserID:   `auth0|"3"`,
		ExternalID:        `crm/"5"`,
		Revision:          1<<40 + 6,
	})
	a.Org(t, a.account, orgs.Org{ID: uuid.UUID{15: 4}, Name: "Bare", CreatedAt: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)})
	const want = `{"hasMore":false,"organizations":[` +
		`{"createdAt":"2026-01-02T03:04:05.678900Z","isActive":true,"orgId":"org_00000000000000000000000000000001",` +
		`"orgName":"Zürich \"AG\" <&>","updatedAt":"2026-01-02T03:04:06Z","userCount":7,` +
		`"createdByApiKeyId":"00000000-0000-0000-0000-000000000002","createdByUserId":"auth0|\"3\"",` +
		`"metadata":{"plan": "pro"},"externalId":"crm/\"5\"","revision":1099511627782},` +
		`{"createdAt":"2026-01-01T00:00:00Z","isActive":false,"orgId":"org_00000000000000000000000000000004",` +
		`"orgName":"Bare","updatedAt":"2026-01-01T00:00:00Z","userCount":0,"revision":1}]}`
	if got := string(a.get(t, "/v1/orgs").body); got != want {
		t.Errorf("body:\n%s\nwant\n%s", got, want)
	}
}

func TestListEmptyAccount(t *testing.T) {
	t.Parallel()
	a := newAPI(t)
	if got := string(a.get(t, "/v1/orgs").body); got != `{"hasMore":false,"organizations":[]}` {
		t.Errorf("body: %s", got)
	}
}

// walk follows the cursors, as the official clients do, and returns the ids of the
// organizations.
func (a *api) walk(t testing.TB, query string) []string {
	t.Helper()
	var ids []string
	target := "/v1/orgs?" + query
	for {
		p := a.get(t, target).page(t)
		for _, o := range p.Organizations {
			ids = append(ids, o["orgId"].(string))
		}
		if !p.HasMore {
			return ids
		}
		target = "/v1/orgs?" + query + "&cursor=" + p.Cursor
	}
}

func TestWalkReturnsEachOrgOnce(t *testing.T) {
	t.Parallel()
	a := newAPI(t)
	want := map[string]bool{}
	for i := range 45 {
		o := a.Org(t, a.account, orgs.Org{Name: fmt.Sprint("Org ", i), CreatedAt: time.Unix(int64(i/7), 0)})
		want["org_"+hex.EncodeToString(o.ID[:])] = true
	}
	for _, limit := range []string{"1", "7", "20", "44", "45", "100"} {
		t.Run("limit="+limit, func(t *testing.T) {
			ids := a.walk(t, "limit="+limit)
			if len(ids) != len(want) {
				t.Errorf("limit %s: saw %d, want %d", limit, len(ids), len(want))
			}
			seen := map[string]bool{}
			for _, id := range ids {
				if seen[id] || !want[id] {
					t.Errorf("limit %s: %s is repeated or belongs to another account", limit, id)
				}
				seen[id] = true
			}
		})
	}
	if p := a.get(t, "/v1/orgs").page(t); len(p.Organizations) != 20 {
		t.Errorf("a page without limit has %d organizations, want 20", len(p.Organizations))
	}
}

func TestCreate(t *testing.T) {
	t.Parallel()
	a := newAPI(t)
	got := a.do(t, http.MethodPost, "/v1/orgs", `{"orgName":"  Zürich \"AG\" ","metadata":{"plan":"pro","empty":""}}`, "Orgd-User", userOne)
	made := got.organization(t, http.StatusCreated)
	if location := got.header.Get("Location"); location != publicURL+"/v1/orgs/"+made.OrgID {
		t.Errorf("Location %q", location)
	}
	if tag := got.header.Get("ETag"); tag != `"1"` {
		t.Errorf("ETag %q", tag)
	}
	want := organization{
		CreatedAt: made.CreatedAt, IsActive: true, OrgID: made.OrgID, OrgName: `Zürich "AG"`, UpdatedAt: made.CreatedAt,
		CreatedByAPIKeyID: made.CreatedByAPIKeyID, CreatedByUserID: userOne, Metadata: map[string]string{"plan": "pro", "empty": ""},
		Revision: 1,
	}
	if diff := cmp.Diff(want, made); diff != "" || made.CreatedByAPIKeyID == "" {
		t.Errorf("made (-want +got):\n%s", diff)
	}
	read := a.get(t, "/v1/orgs/"+made.OrgID)
	if string(read.body) != string(got.body) {
		t.Errorf("read:\n%s\nmade:\n%s", read.body, got.body)
	}
	if page := a.get(t, "/v1/orgs?orgName=zurich").page(t); len(page.Organizations) != 1 {
		t.Errorf("listed %v", page.Organizations)
	}
	bare := a.do(t, http.MethodPost, "/v1/orgs", `{"orgName":"Bare"}`)
	if strings.Contains(string(bare.body), "metadata") || strings.Contains(string(bare.body), "createdByUserId") {
		t.Errorf("bare: %s", bare.body)
	}
}

func TestCreateInvalid(t *testing.T) {
	t.Parallel()
	a := newAPI(t)
	for body, want := range map[string]struct {
		status int
		code   string
		fields string
	}{
		``:                                   {400, "invalid_body", ""},
		`{`:                                  {400, "invalid_body", ""},
		`[]`:                                 {400, "invalid_body", ""},
		`{"orgName":"A"}{}`:                  {400, "invalid_body", ""},
		`{"orgName":"A","orgName":"B"}`:      {400, "invalid_body", ""},
		`{"orgName":"\ud800"}`:               {400, "invalid_body", ""},
		"{\"orgName\":\"\xff\"}":             {400, "invalid_body", ""},
		`{}`:                                 {422, "invalid_field", "orgName required"},
		`{"OrgName":"A"}`:                    {422, "invalid_field", "OrgName unknown, orgName required"},
		`{"orgName":" \t "}`:                 {422, "invalid_field", "orgName required"},
		`{"orgName":"\u00ad \u200b"}`:        {422, "invalid_field", "orgName invalid"},
		`{"orgName":null}`:                   {422, "invalid_field", "orgName wrong_type"},
		`{"orgName":7}`:                      {422, "invalid_field", "orgName wrong_type"},
		`{"orgName":"a\u0000b"}`:             {422, "invalid_field", "orgName invalid"},
		`{"orgName":"a\u009fb"}`:             {422, "invalid_field", "orgName invalid"},
		`{"orgName":"` + runes(256) + `"}`:   {422, "invalid_field", "orgName too_long"},
		`{"orgName":"A","metadata":null}`:    {422, "invalid_field", "metadata wrong_type"},
		`{"orgName":"A","metadata":{"a":1}}`: {422, "invalid_field", "metadata.a wrong_type"},
		`{"orgName":"A","userCount":1,"version":1}`: {422, "invalid_field", "userCount unknown, version unknown"},
		`{"orgName":"","metadata":{"a":"\u0000","":"x"},"color":false}`: {
			422, "invalid_field", "color unknown, metadata. invalid, metadata.a invalid, orgName required",
		},
	} {
		t.Run(body[:min(len(body), 60)], func(t *testing.T) {
			p := a.do(t, http.MethodPost, "/v1/orgs", body).rejected(t, want.status, want.code)
			var fields []string
			for _, e := range p.Errors {
				fields = append(fields, e.Field+" "+e.Code)
			}
			if got := joined(fields); got != want.fields {
				t.Errorf("%s: %s, want %s", body, got, want.fields)
			}
		})
	}
	a.do(t, http.MethodPost, "/v1/orgs", `{"orgName":"`+runes(255)+`"}`).organization(t, 201)
	if page := a.get(t, "/v1/orgs").page(t); len(page.Organizations) != 1 {
		t.Errorf("a rejected call created an organization: %v", page.Organizations)
	}
}

// runes returns a text of n characters, each four bytes in UTF-8 and two units in UTF-16.
func runes(n int) string { return strings.Repeat("😀", n) }

func TestUpdate(t *testing.T) {
	t.Parallel()
	a := newAPI(t)
	path := a.create(t, "Acme")
	for i, step := range []struct {
		body, name string
		metadata   map[string]string
		tag        string
	}{
		{`{}`, "Acme", nil, `"1"`},
		{`{"orgName":"Acme 2"}`, "Acme 2", nil, `"2"`},
		{`{"orgName":" Acme 2 "}`, "Acme 2", nil, `"2"`},
		{`{"metadata":{"a":"b","c":"d"}}`, "Acme 2", map[string]string{"a": "b", "c": "d"}, `"3"`},
		{`{"metadata":{"c":"e"}}`, "Acme 2", map[string]string{"c": "e"}, `"4"`},
		{`{"orgName":"Acme 3"}`, "Acme 3", map[string]string{"c": "e"}, `"5"`},
		{`{"metadata":null}`, "Acme 3", nil, `"6"`},
		{`{"metadata":{"c":"e"},"orgName":"Acme 4"}`, "Acme 4", map[string]string{"c": "e"}, `"7"`},
		{`{"metadata":{}}`, "Acme 4", nil, `"8"`},
	} {
		t.Run(strconv.Itoa(i)+" "+step.body, func(t *testing.T) {
			before := a.get(t, path).organization(t, 200)
			got := a.do(t, http.MethodPatch, path, step.body)
			o := got.organization(t, 200)
			want := before
			want.OrgName, want.Metadata, want.UpdatedAt = step.name, step.metadata, o.UpdatedAt
			if o.UpdatedAt != before.UpdatedAt {
				want.Revision++
			}
			if diff := cmp.Diff(want, o); diff != "" || got.header.Get("ETag") != step.tag {
				t.Errorf("step %d: ETag %s (-want +got):\n%s", i, got.header.Get("ETag"), diff)
			}
			if read := a.get(t, path); string(read.body) != string(got.body) || read.header.Get("ETag") != step.tag {
				t.Errorf("step %d: read %s %s", i, read.header.Get("ETag"), read.body)
			}
		})
	}
	for _, body := range []string{`{"orgName":null}`, `{"orgName":""}`, `{"metadata":[]}`, `{"userCount":3}`, `{"createdAt":"2026-01-01T00:00:00Z"}`} {
		t.Run(body, func(t *testing.T) {
			a.do(t, http.MethodPatch, path, body).rejected(t, 422, "invalid_field")
		})
	}
	a.do(t, http.MethodPatch, path, "").rejected(t, 400, "invalid_body")
	if tag := a.get(t, path).header.Get("ETag"); tag != `"8"` {
		t.Errorf("a rejected change changed the ETag to %s", tag)
	}
}

func TestDeactivateAndReactivate(t *testing.T) {
	t.Parallel()
	a := newAPI(t)
	path := a.create(t, "Acme")
	for i, step := range []struct {
		action, body string
		active       bool
		tag          string
	}{
		{"/reactivate", "", true, `"1"`},
		{"/deactivate", "", false, `"2"`},
		{"/deactivate", "{}", false, `"2"`},
		{"/reactivate", " {} ", true, `"3"`},
	} {
		t.Run(strconv.Itoa(i)+" "+step.action, func(t *testing.T) {
			got := a.do(t, http.MethodPost, path+step.action, step.body)
			if o := got.organization(t, 200); o.IsActive != step.active || got.header.Get("ETag") != step.tag {
				t.Errorf("step %d: %s %s", i, got.header.Get("ETag"), got.body)
			}
		})
	}
	p := a.do(t, http.MethodPost, path+"/deactivate", `{"reason":"x"}`).rejected(t, 422, "invalid_field")
	if len(p.Errors) != 1 || p.Errors[0].Code != "unknown" {
		t.Errorf("errors %+v", p.Errors)
	}
	if !a.get(t, path).organization(t, 200).IsActive {
		t.Error("a rejected call deactivated the organization")
	}
}
