package http_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"orgd/internal/apikeys"
	"orgd/internal/orgs"
	"orgd/internal/uuid"
)

func (a *api) audit(t testing.TB, target string) feedPage {
	t.Helper()
	return read[feedPage](t, a.get(t, target), http.StatusOK)
}

func TestEventsOfAnOrganization(t *testing.T) {
	t.Parallel()
	a := newAPI(t)
	path := a.create(t, "Acme")
	a.create(t, "Other")
	a.do(t, http.MethodPut, path+"/users/auth0%7C0197f3a1", `{"roles":["owner"]}`, "Orgd-User", userTwo, "X-Request-Id", "request-2")
	renamed := a.do(t, http.MethodPatch, path, `{"orgName":"Bcme"}`, "X-Request-Id", "request-3").organization(t, 200)
	page := a.audit(t, path+"/events")
	if page.HasMore || typesOf(page) != "org.updated, org.member_added, org.created" {
		t.Fatalf("%+v", page)
	}
	ids := map[string]bool{}
	for i := range page.Events {
		e := &page.Events[i]
		ids[e.EventID] = true
		if e.ActorAPIKeyID == "" || e.OccurredAt == "" {
			t.Errorf("%+v", e)
		}
		e.EventID, e.ActorAPIKeyID = "", ""
	}
	if len(ids) != 3 {
		t.Errorf("the ids are %v", ids)
	}
	want := []feedEvent{
		{Type: "org.updated", OrgID: renamed.OrgID, RequestID: "request-3", OccurredAt: renamed.UpdatedAt, Before: map[string]any{"orgName": "Acme"}, After: map[string]any{"orgName": "Bcme"}},
		{Type: "org.member_added", OrgID: renamed.OrgID, UserID: userOne, ActorUserID: userTwo, RequestID: "request-2", OccurredAt: page.Events[1].OccurredAt, Before: map[string]any{}, After: map[string]any{"roles": []any{"owner"}}},
	}
	if diff := cmp.Diff(want, page.Events[:2]); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// Pages are linked as in other lists. Events that are written during a walk do not change
// what the walk returns.
func TestWalkOfEvents(t *testing.T) {
	t.Parallel()
	a := newAPI(t)
	path := a.create(t, "Acme")
	for range 3 {
		a.do(t, http.MethodPost, path+"/deactivate", "")
		a.do(t, http.MethodPost, path+"/reactivate", "")
	}
	const want = "org.reactivated, org.deactivated, org.reactivated, org.deactivated, org.reactivated, org.deactivated, org.created"
	var seen []feedEvent
	target := path + "/events?limit=2"
	for target != "" {
		got := a.get(t, target)
		page := read[feedPage](t, got, http.StatusOK)
		seen = append(seen, page.Events...)
		link := got.header.Get("Link")
		if page.HasMore != (link != "") {
			t.Fatalf("hasMore %t with Link %q", page.HasMore, link)
		}
		target = strings.TrimSuffix(strings.TrimPrefix(link, "<"+publicURL), `>; rel="next"`)
		a.do(t, http.MethodPost, path+"/deactivate", "")
		a.do(t, http.MethodPost, path+"/reactivate", "")
	}
	if got := typesOf(feedPage{Events: seen}); got != want {
		t.Errorf("%s\nwant %s", got, want)
	}
}

func TestEventsOfAnAPIKey(t *testing.T) {
	t.Parallel()
	a := newAPI(t)
	made := a.do(t, http.MethodPost, "/v1/api-keys", `{"description":"Sync","scopes":["orgs:write"]}`).apiKey(t, 201)
	path := "/v1/api-keys/" + made.APIKeyID
	a.do(t, http.MethodPatch, path, `{"description":"Nightly sync"}`).apiKey(t, 200)
	a.doAs(t, http.MethodPost, "/v1/orgs", `{"orgName":"Made with the key"}`, "Authorization", "Bearer "+made.Key).organization(t, 201)
	a.do(t, http.MethodPost, path+"/revoke", "").apiKey(t, 200)
	page := a.audit(t, path+"/events")
	if typesOf(page) != "api_key.revoked, api_key.updated, api_key.created" {
		t.Fatalf("%+v", page)
	}
	for _, e := range page.Events {
		if e.APIKeyID != made.APIKeyID || e.OrgID != "" {
			t.Errorf("%+v", e)
		}
	}
	if updated := page.Events[1]; updated.Before["description"] != "Sync" || updated.After["description"] != "Nightly sync" {
		t.Errorf("%+v", updated)
	}
	// A key that may manage keys cannot read events without the scope for events.
	managing := a.Key(t, a.account, apikeys.KeysManage)
	a.call(t, http.MethodGet, path+"/events", "Authorization", "Bearer "+managing).rejected(t, 403, "insufficient_scope")
}

// The events of a deleted organization can be read until the last one is deleted. Then the
// organization is not found, like one that never existed.
func TestEventsOfADeletedOrganization(t *testing.T) {
	t.Parallel()
	a := newAPI(t)
	path := a.create(t, "Acme")
	a.do(t, http.MethodPost, path+"/deactivate", "")
	a.do(t, http.MethodDelete, path, "")
	if _, err := a.orgs.Erase(t.Context()); err != nil {
		t.Fatal(err)
	}
	page := a.audit(t, path+"/events")
	if typesOf(page) != "org.deleted, org.deactivated, org.created" {
		t.Fatalf("%+v", page)
	}
	for _, e := range page.Events {
		if len(e.Before)+len(e.After) > 0 {
			t.Errorf("not erased: %+v", e)
		}
	}
	first := a.audit(t, path+"/events?limit=1")
	a.Exec(t, "DELETE FROM events WHERE account_id = $1", a.account)
	a.get(t, path+"/events").rejected(t, 404, "not_found")
	if last := a.audit(t, path+"/events?cursor="+first.Cursor); len(last.Events) > 0 || last.HasMore {
		t.Errorf("after the end: %+v", last)
	}
}

// An organization whose events have all been deleted has an empty page.
func TestNoEvents(t *testing.T) {
	t.Parallel()
	a := newAPI(t)
	made := a.Org(t, a.account, orgs.Org{})
	if got := a.get(t, "/v1/orgs/"+orgID(made.ID)+"/events"); string(got.body) != `{"hasMore":false,"events":[]}` {
		t.Errorf("%d %s", got.status, got.body)
	}
}

// The response does not reveal whether another account has an organization or a key. It is
// the same as for an id that does not exist.
func TestEventsOfOthers(t *testing.T) {
	t.Parallel()
	a := newAPI(t)
	theirs := a.Key(t, a.Account(t))
	theirOrg := a.doAs(t, http.MethodPost, "/v1/orgs", `{"orgName":"Theirs"}`, "Authorization", "Bearer "+theirs).organization(t, 201)
	theirKey := a.doAs(t, http.MethodPost, "/v1/api-keys", `{"description":"x","scopes":["orgs:read"]}`, "Authorization", "Bearer "+theirs).apiKey(t, 201)
	a.doAs(t, http.MethodPost, "/v1/orgs/"+theirOrg.OrgID+"/deactivate", "", "Authorization", "Bearer "+theirs)
	for base, ids := range map[string][]string{
		"/v1/orgs/":     {orgID(uuid.NewV7()), theirOrg.OrgID, "org_" + strings.ToUpper(theirOrg.OrgID[4:]), "x"},
		"/v1/api-keys/": {uuid.NewV7().String(), theirKey.APIKeyID, strings.ToUpper(theirKey.APIKeyID), "x"},
	} {
		want := ""
		for _, id := range ids {
			got := a.get(t, base+id+"/events", "X-Request-Id", "same")
			got.rejected(t, 404, "not_found")
			if want == "" {
				want = string(got.body)
			}
			if string(got.body) != want {
				t.Errorf("%s%s: %s", base, id, got.body)
			}
		}
	}
	cursor := read[feedPage](t, a.call(t, http.MethodGet, "/v1/orgs/"+theirOrg.OrgID+"/events?limit=1", "Authorization", "Bearer "+theirs), 200).Cursor
	a.get(t, "/v1/orgs/"+theirOrg.OrgID+"/events?cursor="+cursor).rejected(t, 400, "invalid_cursor")
}

// A cursor belongs to the events of one organization or key.
func TestCursorsOfEvents(t *testing.T) {
	t.Parallel()
	a := newAPI(t)
	path, other := a.create(t, "Acme"), a.create(t, "Other")
	a.do(t, http.MethodPost, path+"/deactivate", "")
	a.do(t, http.MethodPost, other+"/deactivate", "")
	cursor := a.audit(t, path+"/events?limit=1").Cursor
	list := a.get(t, "/v1/orgs?limit=1").page(t).Cursor
	for _, target := range []string{
		other + "/events?cursor=" + cursor,
		path + "/events?cursor=" + list,
		path + "/events?cursor=now",
		path + "/events?cursor=",
		path + "/events?cursor=" + strings.Repeat("A", len(cursor)),
		"/v1/orgs?cursor=" + cursor,
	} {
		a.get(t, target).rejected(t, 400, "invalid_cursor")
	}
	for _, query := range []string{"limit=0", "limit=101"} {
		a.get(t, path+"/events?"+query).rejected(t, 400, "invalid_parameter")
	}
	for _, query := range []string{"type=org.created", "wait=1", "orgId=x"} {
		a.get(t, path+"/events?"+query).rejected(t, 400, "unknown_parameter")
	}
}

// A page of large events ends before it exceeds 1 MiB, and the walk continues after it.
func TestPageOfLargeEvents(t *testing.T) {
	t.Parallel()
	a := newAPI(t)
	path := a.create(t, "Acme")
	const count = 12
	a.Exec(t, `
INSERT INTO events (account_id, type, org_id, before, after, request_id)
SELECT account_id, 'org.updated', org_id, jsonb_build_object('text', repeat('x', 150000)), jsonb_build_object('text', repeat('"', 50000)), 'r'
FROM orgs, generate_series(1, $2) WHERE account_id = $1`, a.account, count)
	seen, pages := 0, 0
	for target := path + "/events?limit=100"; target != ""; pages++ {
		got := a.get(t, target)
		page := read[feedPage](t, got, 200)
		if len(got.body) > 1<<20+300 || page.HasMore && len(page.Events) != 4 {
			t.Fatalf("%d events in %d bytes", len(page.Events), len(got.body))
		}
		seen += len(page.Events)
		if target = ""; page.HasMore {
			target = path + "/events?limit=100&cursor=" + page.Cursor
		}
	}
	if seen != count+1 || pages != 3 {
		t.Errorf("%d events on %d pages", seen, pages)
	}
}
