package http_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"orgd/internal/dbtest"
	orgdhttp "orgd/internal/http"
	"orgd/internal/orgs"
	"orgd/internal/uuid"
)

const ndjson = "application/x-ndjson"

// exported is the content of an export.
type exported struct {
	lines []string
	end   struct {
		Complete bool
		Count    int
		Cursor   string
	}
}

func (g answer) exported(t testing.TB) (e exported) {
	t.Helper()
	if g.status != http.StatusOK || g.header.Get("Content-Type") != ndjson {
		t.Fatalf("%d %s: %s", g.status, g.header.Get("Content-Type"), g.body)
	}
	e.lines = strings.Split(strings.TrimSuffix(string(g.body), "\n"), "\n")
	last := len(e.lines) - 1
	if err := json.Unmarshal([]byte(e.lines[last]), &e.end); err != nil || !strings.HasPrefix(e.lines[last], `{"complete":`) {
		t.Fatalf("%v in the last line %s", err, e.lines[last])
	}
	e.lines = e.lines[:last]
	return e
}

// An export has the same organizations as the pages of the list, byte for byte.
func TestExport(t *testing.T) {
	t.Parallel()
	a := newAPI(t)
	for i := range 250 {
		o := a.Org(t, a.account, orgs.Org{Name: fmt.Sprintf("Acme %03d", i%200), IsActive: i%3 > 0, Metadata: `{"plan": "pro"}`, CreatedAt: time.Unix(int64(i), 0).UTC()})
		if i%2 == 0 {
			a.Member(t, a.account, o, userOne)
		}
	}
	for _, query := range []string{"", "isActive=true", "order=orgName", "order=createdAt&orgName=acme+00", "userId=" + userOne, "orgName=none"} {
		t.Run(query, func(t *testing.T) {
			got := a.get(t, "/v1/orgs?"+query, "Accept", ndjson).exported(t)
			var want []string
			for target := "/v1/orgs?limit=100&" + query; ; {
				var page struct {
					HasMore       bool
					Organizations []json.RawMessage
					Cursor        string
				}
				a.get(t, target).decode(t, &page)
				for _, o := range page.Organizations {
					want = append(want, string(o))
				}
				if !page.HasMore {
					break
				}
				target = "/v1/orgs?limit=100&" + query + "&cursor=" + page.Cursor
			}
			if !slices.Equal(got.lines, want) || !got.end.Complete || got.end.Count != len(want) || got.end.Cursor != "" {
				t.Errorf("%d lines and %+v, want %d", len(got.lines), got.end, len(want))
			}
		})
	}
	t.Run("continued", func(t *testing.T) {
		page := a.get(t, "/v1/orgs?limit=100").page(t)
		if rest := a.get(t, "/v1/orgs?cursor="+page.Cursor, "Accept", ndjson).exported(t); len(rest.lines) != 150 || !rest.end.Complete {
			t.Errorf("%d lines and %+v, want 150", len(rest.lines), rest.end)
		}
	})
}

func TestExportRejects(t *testing.T) {
	t.Parallel()
	a := newAPI(t)
	for _, parameter := range []string{"limit=10", "before=" + strings.Repeat("A", 44), "total=true", "sort=x"} {
		t.Run(parameter, func(t *testing.T) {
			a.get(t, "/v1/orgs?"+parameter, "Accept", ndjson).rejected(t, 400, "unknown_parameter")
		})
	}
	a.get(t, "/v1/orgs?cursor="+strings.Repeat("A", 44), "Accept", ndjson).rejected(t, 400, "invalid_cursor")
	a.get(t, "/v1/orgs", "Accept", "text/csv").rejected(t, 406, "not_acceptable")
	a.get(t, "/v1/api-keys", "Accept", ndjson).rejected(t, 406, "not_acceptable")
	a.get(t, "/v1/orgs", "Accept", ndjson+", application/json").page(t)
	if got := a.call(t, http.MethodHead, "/v1/orgs", "Authorization", "Bearer "+a.key, "Accept", ndjson); got.status != 200 || got.header.Get("Content-Type") != ndjson || len(got.body) > 0 {
		t.Errorf("HEAD: %d %s %s", got.status, got.header.Get("Content-Type"), got.body)
	}
}

// failingLister fails some of the calls of List.
type failingLister struct {
	orgdhttp.Organizations
	lists int
	fail  map[int]error // by the number of the call
}

func (l *failingLister) List(ctx context.Context, account uuid.UUID, p orgs.ListParams) (orgs.Page, error) {
	l.lists++
	if err := l.fail[l.lists]; err != nil {
		return orgs.Page{}, err
	}
	return l.Organizations.List(ctx, account, p)
}

// newLister returns an API whose List can fail, with organizations in its account.
func newLister(t *testing.T, count int) (*api, *failingLister) {
	t.Helper()
	lister := &failingLister{}
	a := newAPIWith(t, dbtest.New(t), func(cfg *orgdhttp.Config) {
		lister.Organizations = cfg.Orgs
		cfg.Orgs = lister
	})
	for i := range count {
		a.Org(t, a.account, orgs.Org{Name: fmt.Sprintf("Acme %03d", i), CreatedAt: time.Unix(int64(i), 0).UTC()})
	}
	return a, lister
}

// An export continues after a temporary failure. If it cannot continue, its last line says
// so, and has a cursor from which another export continues.
func TestExportWithFailures(t *testing.T) {
	t.Parallel()
	a, lister := newLister(t, 250)
	all := a.get(t, "/v1/orgs", "Accept", ndjson).exported(t)
	if len(all.lines) != 250 || !all.end.Complete {
		t.Fatalf("%d lines and %+v", len(all.lines), all.end)
	}
	lister.lists, lister.fail = 0, map[int]error{2: orgs.ErrUnavailable}
	if got := a.get(t, "/v1/orgs", "Accept", ndjson).exported(t); !got.end.Complete || !slices.Equal(got.lines, all.lines) {
		t.Errorf("after a temporary failure: %d lines and %+v", len(got.lines), got.end)
	}
	lister.lists, lister.fail = 0, map[int]error{3: errors.New("the third page fails")}
	got := a.get(t, "/v1/orgs", "Accept", ndjson).exported(t)
	if got.end.Complete || got.end.Count != 200 || !slices.Equal(got.lines, all.lines[:200]) {
		t.Fatalf("%d lines and %+v, want 200", len(got.lines), got.end)
	}
	rest := a.get(t, "/v1/orgs?cursor="+got.end.Cursor, "Accept", ndjson).exported(t)
	if lines := slices.Concat(got.lines, rest.lines); !rest.end.Complete || !slices.Equal(lines, all.lines) {
		t.Errorf("%d lines in both, and %+v, want %d", len(lines), rest.end, len(all.lines))
	}
	lister.lists, lister.fail = 0, map[int]error{1: orgs.ErrUnavailable}
	a.get(t, "/v1/orgs", "Accept", ndjson).rejected(t, 503, "unavailable")
}

// A revoked key ends an export.
func TestExportOfARevokedKey(t *testing.T) {
	t.Parallel()
	a, lister := newLister(t, 150)
	lister.Organizations = revoking{lister.Organizations, func() { a.Exec(t, "UPDATE api_keys SET revoked_at = now() WHERE account_id = $1", a.account) }}
	got := a.get(t, "/v1/orgs", "Accept", ndjson).exported(t)
	if got.end.Complete || len(got.lines) != 100 || got.end.Cursor == "" {
		t.Errorf("%d lines and %+v", len(got.lines), got.end)
	}
}

// revoking calls revoke after each list.
type revoking struct {
	orgdhttp.Organizations
	revoke func()
}

func (r revoking) List(ctx context.Context, account uuid.UUID, p orgs.ListParams) (orgs.Page, error) {
	defer r.revoke()
	return r.Organizations.List(ctx, account, p)
}
