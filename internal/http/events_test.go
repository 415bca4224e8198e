package http_test

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"orgd/internal/apikeys"
	"orgd/internal/dbtest"
	"orgd/internal/events"
	orgdhttp "orgd/internal/http"
	"orgd/internal/uuid"
)

// feedEvent is an event of the feed.
type feedEvent struct {
	EventID       string         `json:"eventId"`
	Position      int            `json:"position"`
	Type          string         `json:"type"`
	OrgID         string         `json:"orgId"`
	UserID        string         `json:"userId"`
	APIKeyID      string         `json:"apiKeyId"`
	OccurredAt    string         `json:"occurredAt"`
	ActorAPIKeyID string         `json:"actorApiKeyId"`
	ActorUserID   string         `json:"actorUserId"`
	RequestID     string         `json:"requestId"`
	Before        map[string]any `json:"before"`
	After         map[string]any `json:"after"`
}

// feedPage is a page of the feed.
type feedPage struct {
	HasMore bool        `json:"hasMore"`
	Events  []feedEvent `json:"events"`
	Cursor  string      `json:"cursor"`
}

// events returns a page of the feed. query starts with ? or is empty.
func (a *api) events(t testing.TB, query string) feedPage {
	t.Helper()
	return read[feedPage](t, a.get(t, "/v1/events"+query), http.StatusOK)
}

func typesOf(page feedPage) string {
	var all []string
	for _, e := range page.Events {
		all = append(all, e.Type)
	}
	return joined(all)
}

// The feed has each change, in order.
func TestFeed(t *testing.T) {
	t.Parallel()
	a := newAPI(t)
	start := a.events(t, "")
	if typesOf(start) != "api_key.created" || start.HasMore || start.Cursor == "" {
		t.Fatalf("at first: %+v", start)
	}
	actor := start.Events[0].APIKeyID
	path := a.create(t, "Acme")
	a.do(t, http.MethodPost, path+"/users", member(userOne), "Orgd-User", "boss", "X-Request-Id", "r1")
	a.do(t, http.MethodPatch, path, `{"orgName":"Acme 2","externalId":"crm/1"}`)
	a.do(t, http.MethodPost, path+"/deactivate", "")
	got := a.events(t, "?cursor="+start.Cursor)
	id := strings.TrimPrefix(path, "/v1/orgs/")
	seen := map[string]bool{}
	for i := range got.Events {
		e := &got.Events[i]
		if seen[e.EventID] || e.OccurredAt == "" || e.RequestID == "" || e.ActorAPIKeyID != actor || e.OrgID != id {
			t.Errorf("%+v", e)
		}
		seen[e.EventID] = true
		if e.RequestID != "r1" {
			e.RequestID = ""
		}
		e.EventID, e.OccurredAt, e.ActorAPIKeyID, e.OrgID = "", "", "", ""
	}
	none := map[string]any{}
	want := []feedEvent{
		{Position: 2, Type: "org.created", Before: none, After: map[string]any{"orgName": "Acme"}},
		{Position: 3, Type: "org.member_added", UserID: userOne, ActorUserID: "boss", RequestID: "r1", Before: none, After: none},
		{
			Position: 4, Type: "org.updated", Before: map[string]any{"orgName": "Acme", "externalId": nil},
			After: map[string]any{"orgName": "Acme 2", "externalId": "crm/1"},
		},
		{Position: 5, Type: "org.deactivated", Before: map[string]any{"isActive": true}, After: map[string]any{"isActive": false}},
	}
	if diff := cmp.Diff(want, got.Events); diff != "" {
		t.Errorf("events (-want +got):\n%s", diff)
	}
	if again := a.events(t, ""); again.Events[0].EventID != start.Events[0].EventID {
		t.Errorf("the first event has another id: %+v", again.Events[0])
	}
}

// Pages follow each other, and the last one has a cursor too.
func TestPagesOfTheFeed(t *testing.T) {
	t.Parallel()
	a := newAPI(t)
	for range 5 {
		a.create(t, "Acme")
	}
	var seen int
	query := "?limit=2"
	for {
		got := a.get(t, "/v1/events"+query)
		page := read[feedPage](t, got, http.StatusOK)
		if link := got.header.Get("Link"); page.HasMore != strings.Contains(link, page.Cursor) {
			t.Errorf("hasMore %t with Link %q", page.HasMore, link)
		}
		for _, e := range page.Events {
			if seen++; e.Position != seen {
				t.Errorf("position %d after %d", e.Position, seen-1)
			}
		}
		query = "?limit=2&cursor=" + page.Cursor
		if !page.HasMore {
			break
		}
	}
	if seen != 6 {
		t.Errorf("%d events", seen)
	}
	a.create(t, "Acme")
	if page := a.events(t, query); typesOf(page) != "org.created" || page.Events[0].Position != 7 {
		t.Errorf("after the end: %+v", page)
	}
	if got := a.call(t, http.MethodHead, "/v1/events?limit=1", "Authorization", "Bearer "+a.key); got.status != 200 || got.header.Get("Link") == "" {
		t.Errorf("HEAD: %d %v", got.status, got.header)
	}
}

// With cursor=now, the feed starts with the next change.
func TestFeedFromNow(t *testing.T) {
	t.Parallel()
	a := newAPI(t)
	a.create(t, "Old")
	now := a.events(t, "?cursor=now")
	if len(now.Events) != 0 || now.HasMore {
		t.Errorf("now: %+v", now)
	}
	a.create(t, "New")
	page := a.events(t, "?cursor="+now.Cursor)
	if typesOf(page) != "org.created" || page.Events[0].After["orgName"] != "New" {
		t.Errorf("since now: %+v", page)
	}
}

// With order=-position, the newest event comes first. A cursor divides the feed, whichever
// order it came from.
func TestFeedNewestFirst(t *testing.T) {
	t.Parallel()
	a := newAPI(t)
	for i := range 6 {
		a.create(t, fmt.Sprint("Org ", i))
	}
	var seen []int
	query := "?order=-position&limit=3"
	for next := ""; ; {
		got := a.get(t, "/v1/events"+query+next)
		page := read[feedPage](t, got, http.StatusOK)
		if link := got.header.Get("Link"); page.HasMore != strings.Contains(link, page.Cursor) || page.HasMore && !strings.Contains(link, "order=-position") {
			t.Errorf("hasMore %t with Link %q", page.HasMore, link)
		}
		for _, e := range page.Events {
			seen = append(seen, e.Position)
		}
		if after := a.events(t, "?limit=100&cursor="+page.Cursor); len(after.Events) != len(seen) {
			t.Errorf("after %d events, the cursor has %d events after it", len(seen), len(after.Events))
		}
		if next = "&cursor=" + page.Cursor; !page.HasMore {
			break
		}
	}
	if diff := cmp.Diff([]int{7, 6, 5, 4, 3, 2, 1}, seen); diff != "" {
		t.Errorf("positions (-want +got):\n%s", diff)
	}
	for query, want := range map[string]string{
		"&type=api_key.created": "api_key.created", "&type=org.deleted": "", "&cursor=now&limit=2": "org.created, org.created", "&wait=0&limit=1": "org.created",
		"&cursor=" + a.events(t, "?limit=2").Cursor: "org.created, api_key.created",
	} {
		if got := typesOf(a.events(t, "?order=-position"+query)); got != want {
			t.Errorf("%s: %s, want %s", query, got, want)
		}
	}
	forward, byName := a.events(t, "?limit=3"), a.events(t, "?limit=3&order=position")
	if diff := cmp.Diff(forward, byName); diff != "" {
		t.Errorf("order=position (-default +got):\n%s", diff)
	}
}

// If too many events are unread, cursor=now gets 503, and the client must retry.
func TestFeedFromNowWithABacklog(t *testing.T) {
	t.Parallel()
	d := dbtest.New(t)
	a := newAPIWith(t, d, func(c *orgdhttp.Config) { c.Events = backlogged{events.NewRepository(d.Conns)} })
	for query, accept := range map[string]string{"cursor=now": "application/json", "cursor=now&limit=1": "text/event-stream", "order=-position": "application/json"} {
		got := a.get(t, "/v1/events?"+query, "Accept", accept)
		p := got.rejected(t, http.StatusServiceUnavailable, "unavailable")
		if got.header.Get("Retry-After") == "" || !strings.Contains(p.Detail, "continues where this call stopped") {
			t.Errorf("%s, %s: %v %s", query, accept, got.header, p.Detail)
		}
	}
}

// backlogged has an account with too many unread events.
type backlogged struct{ *events.Repository }

func (backlogged) Read(context.Context, uuid.UUID, events.Params) (events.Page, error) {
	return events.Page{}, fmt.Errorf("read events: %w", events.ErrBacklog)
}

func (b backlogged) ReadBackward(ctx context.Context, account uuid.UUID, p events.Params) (events.Page, error) {
	return b.Read(ctx, account, p)
}

// A filter excludes events, but the cursor moves past them.
func TestFiltersOfTheFeed(t *testing.T) {
	t.Parallel()
	a := newAPI(t)
	one, two := a.create(t, "One"), a.create(t, "Two")
	a.do(t, http.MethodPost, one+"/deactivate", "")
	a.do(t, http.MethodPost, two+"/deactivate", "")
	id := strings.TrimPrefix(one, "/v1/orgs/")
	for query, want := range map[string]string{
		"?type=org.created":                                   "org.created, org.created",
		"?type=org.deactivated&type=api_key.created":          "api_key.created, org.deactivated, org.deactivated",
		"?orgId=" + id:                                        "org.created, org.deactivated",
		"?type=org.deactivated&orgId=" + id:                   "org.deactivated",
		"?type=org.deleted":                                   "",
		"?orgId=" + orgID(uuid.NewV7()) + "&type=org.deleted": "",
		"?orgId=" + orgID(uuid.UUID{}):                        "",
	} {
		page := a.events(t, query)
		if got := typesOf(page); got != want || page.HasMore {
			t.Errorf("%s: %s, more %t", query, got, page.HasMore)
		}
		if rest := a.events(t, "?cursor="+page.Cursor); len(rest.Events) != 0 {
			t.Errorf("%s: the cursor did not move past all events: %+v", query, rest)
		}
	}
}

func TestBadParametersOfTheFeed(t *testing.T) {
	t.Parallel()
	a := newAPI(t)
	other := a.Key(t, a.Account(t))
	theirs := read[feedPage](t, a.call(t, http.MethodGet, "/v1/events", "Authorization", "Bearer "+other), http.StatusOK).Cursor
	for query, code := range map[string]string{
		"?limit=0": "invalid_parameter", "?limit=101": "invalid_parameter", "?wait=31": "invalid_parameter", "?wait=-1": "invalid_parameter",
		"?wait=": "invalid_parameter", "?wait=1.5": "invalid_parameter", "?type=org": "invalid_parameter", "?type=": "invalid_parameter",
		"?orgId=1": "invalid_parameter", "?orgId=" + orgID(a.account) + "&orgId=" + orgID(a.account): "repeated_parameter",
		"?cursor=": "invalid_cursor", "?cursor=Now": "invalid_cursor", "?cursor=AAAA": "invalid_cursor", "?cursor=" + theirs: "invalid_cursor",
		"?userId=a": "unknown_parameter", "?wait=1&wait=2": "repeated_parameter",
		"?order=": "invalid_parameter", "?order=createdAt": "invalid_parameter", "?order=-position&wait=1": "invalid_parameter",
	} {
		a.get(t, "/v1/events"+query).rejected(t, http.StatusBadRequest, code)
	}
	a.get(t, "/v1/events?order=-position", "Accept", "text/event-stream").rejected(t, http.StatusBadRequest, "invalid_parameter")
	unscoped := a.Key(t, a.account, apikeys.OrgsRead, apikeys.KeysManage)
	a.call(t, http.MethodGet, "/v1/events", "Authorization", "Bearer "+unscoped).rejected(t, http.StatusForbidden, "insufficient_scope")
}

// The cursor of an event that a restore lost is rejected, even if there are as many events
// as before.
func TestCursorsAfterARestore(t *testing.T) {
	t.Parallel()
	a := newAPI(t)
	a.create(t, "Kept")
	kept := a.events(t, "")
	a.create(t, "Lost")
	lost := a.events(t, "")
	a.Exec(t, "DELETE FROM events WHERE position = 3")
	a.Exec(t, "UPDATE feeds SET last_position = 2")
	a.get(t, "/v1/events?cursor="+lost.Cursor).rejected(t, http.StatusGone, "cursor_expired")
	a.create(t, "Another")
	a.get(t, "/v1/events?cursor="+lost.Cursor).rejected(t, http.StatusGone, "cursor_expired")
	a.get(t, "/v1/events?wait=30&cursor="+lost.Cursor).rejected(t, http.StatusGone, "cursor_expired")
	a.get(t, "/v1/events?order=-position&cursor="+lost.Cursor).rejected(t, http.StatusGone, "cursor_expired")
	if page := a.events(t, "?cursor="+kept.Cursor); typesOf(page) != "org.created" || page.Events[0].EventID == lost.Events[2].EventID {
		t.Errorf("from the kept cursor: %+v", page)
	}
}

// A cursor is rejected if events after it have been deleted.
func TestCursorsOfDeletedEvents(t *testing.T) {
	t.Parallel()
	a := newAPI(t)
	beginning := a.events(t, "?cursor=now&limit=1")
	a.create(t, "One")
	a.create(t, "Two")
	first := a.events(t, "?limit=2")
	second := a.events(t, "?limit=1&cursor="+first.Cursor)
	a.Exec(t, `UPDATE feeds SET removed_position = 2, removed_mark = decode($1, 'hex')`, strings.TrimPrefix(first.Events[1].EventID, "evt_"))
	a.Exec(t, "DELETE FROM events WHERE position <= 2")
	a.get(t, "/v1/events?cursor="+beginning.Cursor).rejected(t, http.StatusGone, "cursor_expired")
	for _, query := range []string{"", "?cursor=" + first.Cursor} {
		if page := a.events(t, query); len(page.Events) != 1 || page.Events[0].EventID != second.Events[0].EventID {
			t.Errorf("%q: %+v", query, page)
		}
	}
	for query, want := range map[string]int{"&cursor=" + beginning.Cursor: 0, "&cursor=" + first.Cursor: 0, "&cursor=" + second.Cursor: 1, "": 1} {
		page := a.events(t, "?order=-position"+query)
		if len(page.Events) != want || page.HasMore || page.Cursor != first.Cursor {
			t.Errorf("newest first, %q: %+v", query, page)
		}
	}
	if page := a.events(t, "?cursor="+second.Cursor); len(page.Events) != 0 || page.Cursor != second.Cursor {
		t.Errorf("at the end: %+v", page)
	}
}
