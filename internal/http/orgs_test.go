package http_test

import (
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"orgd/internal/apikeys"
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
		CreatedByUserID:   uuid.UUID{15: 3},
	})
	a.Org(t, a.account, orgs.Org{ID: uuid.UUID{15: 4}, Name: "Bare", CreatedAt: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)})
	const want = `{"hasMore":false,"organizations":[` +
		`{"createdAt":"2026-01-02T03:04:05.678900Z","isActive":true,"orgId":"org_00000000000000000000000000000001",` +
		`"orgName":"Zürich \"AG\" <&>","updatedAt":"2026-01-02T03:04:06Z","userCount":7,` +
		`"createdByApiKeyId":"00000000-0000-0000-0000-000000000002","createdByUserId":"usr_00000000000000000000000000000003",` +
		`"metadata":{"plan": "pro"}},` +
		`{"createdAt":"2026-01-01T00:00:00Z","isActive":false,"orgId":"org_00000000000000000000000000000004",` +
		`"orgName":"Bare","updatedAt":"2026-01-01T00:00:00Z","userCount":0}]}`
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

// walk follows the cursors, as the official clients do.
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
					t.Errorf("limit %s: %s is wrong here", limit, id)
				}
				seen[id] = true
			}
		})
	}
	if p := a.get(t, "/v1/orgs").page(t); len(p.Organizations) != 20 {
		t.Errorf("the default page has %d", len(p.Organizations))
	}
}

// The Link uses the configured address, whatever Host the request has, and leads to the
// next page.
func TestLinkLeadsToTheNextPage(t *testing.T) {
	t.Parallel()
	a := newAPI(t)
	for range 3 {
		a.Org(t, a.account, orgs.Org{Name: "Müller & Söhne", IsActive: true})
	}
	request := a.request(t, http.MethodGet, "/v1/orgs?limit=1&isActive=true&orgName=m%C3%BCller+%26", nil,
		"Authorization", "Bearer "+a.key, "X-Forwarded-Host", "evil.example")
	request.Host = "evil.example"
	link := a.send(t, request).header.Get("Link")
	target, ok := strings.CutPrefix(link, "<"+publicURL)
	target, ok2 := strings.CutSuffix(target, `>; rel="next"`)
	if !ok || !ok2 {
		t.Fatalf("Link %q", link)
	}
	next := a.get(t, target)
	if p := next.page(t); len(p.Organizations) != 1 || !p.HasMore {
		t.Errorf("the link leads to %s", next.body)
	}
	if q, err := url.ParseQuery(target[strings.Index(target, "?")+1:]); err != nil || q.Get("limit") != "1" || q.Get("isActive") != "true" {
		t.Errorf("the link has lost a parameter: %q", target)
	}
}

// The Link repeats the query byte for byte, with the next cursor instead of the old
// one, and escapes characters that would end it. A Link that is too long is left out.
func TestLinkRepeatsTheQuery(t *testing.T) {
	t.Parallel()
	a := newAPI(t)
	for range 3 {
		a.Org(t, a.account, orgs.Org{Name: "a>b", IsActive: true, Metadata: `{"a": "ö", "b": ""}`})
	}
	long := strings.Repeat("%C3%B6", 255) // 255 characters of 6 bytes
	for query, want := range map[string]string{
		"limit=1":                                    "limit=1&cursor=",
		"limit=1.0&orgName=a":                        "limit=1.0&orgName=a&cursor=",
		"orgName=a%3E&limit=1":                       "orgName=a%3E&limit=1&cursor=",
		"orgName=a%3e&limit=1":                       "orgName=a%3e&limit=1&cursor=",
		"orgName=+a+&limit=1":                        "",
		"metadata[a]=%c3%b6&limit=1":                 "metadata[a]=%c3%b6&limit=1&cursor=",
		"metadata%5Ba%5D=%C3%B6&limit=1":             "metadata%5Ba%5D=%C3%B6&limit=1&cursor=",
		"metadata[b]&limit=1&&isActive=true":         "metadata[b]&limit=1&isActive=true&cursor=",
		"orgName=a>&limit=1":                         "orgName=a%3E&limit=1&cursor=",
		"metadata[a]=ö&limit=1":                      "metadata[a]=%C3%B6&limit=1&cursor=",
		"metadata[b]=&limit=1&orgName=" + "%" + "61": "metadata[b]=&limit=1&orgName=%61&cursor=",
	} {
		t.Run(query, func(t *testing.T) {
			if got := a.linkOf(t, query); got != want {
				t.Errorf("%s: the link has %s, want %s", query, got, want)
			}
		})
	}
	cursor := a.get(t, "/v1/orgs?limit=1").page(t).Cursor
	for _, query := range []string{"limit=1&cursor=" + cursor, "cursor=" + cursor + "&limit=1", "%63ursor=" + cursor + "&limit=1"} {
		t.Run(query, func(t *testing.T) {
			if got := a.linkOf(t, query); got != "limit=1&cursor=" {
				t.Errorf("%s: the link has %s", query, got)
			}
		})
	}
	var filters []string
	for i := range 50 {
		key := fmt.Sprint("k", i)
		filters = append(filters, "metadata["+key+"]="+long[:6*12])
	}
	metadata := `{"k0": "` + strings.Repeat("ö", 12) + `"`
	for i := range 49 {
		metadata += fmt.Sprintf(`, "k%d": "%s"`, i+1, strings.Repeat("ö", 12))
	}
	for range 2 {
		a.Org(t, a.account, orgs.Org{Name: "long", Metadata: orgs.Metadata(metadata + "}")})
	}
	for pairs, want := range map[int]bool{40: true, 50: false} {
		t.Run(fmt.Sprint(pairs, " filters"), func(t *testing.T) {
			got := a.get(t, "/v1/orgs?limit=1&"+strings.Join(filters[:pairs], "&"))
			if !got.page(t).HasMore {
				t.Fatalf("%d filters: one page", pairs)
			}
			if link := got.header.Get("Link"); (link != "") != want || len(link) > 4096 {
				t.Errorf("%d filters: a link of %d bytes", pairs, len(link))
			}
		})
	}
}

// linkOf is the query of the Link of a page, without the value of its cursor.
func (a *api) linkOf(t *testing.T, query string) string {
	t.Helper()
	got := a.get(t, "/v1/orgs?"+query)
	cursor := got.page(t).Cursor
	link := strings.TrimPrefix(got.header.Get("Link"), "<"+publicURL+"/v1/orgs?")
	return strings.TrimSuffix(link, cursor+`>; rel="next"`)
}

func TestLimit(t *testing.T) {
	t.Parallel()
	a := newAPI(t)
	for range 3 {
		a.Org(t, a.account, orgs.Org{})
	}
	for _, good := range []string{"1", "20", "20.0", "100", "100.000"} {
		if got := a.get(t, "/v1/orgs?limit="+good); got.status != http.StatusOK {
			t.Errorf("limit=%s: %d %s", good, got.status, got.body)
		}
	}
	for _, bad := range []string{"0", "101", "-1", "20.5", "1e1", "abc", "", "%2B20", "+20", "020", "20.", ".5", "1_0", "0x10", "99999999999999999999", "١", "20,0", "NaN"} {
		t.Run("limit="+bad, func(t *testing.T) {
			p := a.get(t, "/v1/orgs?limit="+bad).refused(t, http.StatusBadRequest, "invalid_parameter")
			if len(p.Errors) != 1 || p.Errors[0].Field != "limit" {
				t.Errorf("limit=%s: errors %+v", bad, p.Errors)
			}
		})
	}
	p := a.get(t, "/v1/orgs?limit=1&limit=1").refused(t, http.StatusBadRequest, "repeated_parameter")
	if len(p.Errors) != 1 || p.Errors[0].Field != "limit" {
		t.Errorf("repeated: errors %+v", p.Errors)
	}
}

func TestOtherParameters(t *testing.T) {
	t.Parallel()
	a := newAPI(t)
	for query, code := range map[string]string{
		"isActive=TRUE":                       "invalid_parameter",
		"isActive=1":                          "invalid_parameter",
		"isActive=":                           "invalid_parameter",
		"orgName=":                            "invalid_parameter",
		"orgName=%CC%81":                      "invalid_parameter",
		"orgName=%00":                         "invalid_parameter",
		"orgName=%ff":                         "invalid_parameter",
		"orgName=" + strings.Repeat("a", 256): "invalid_parameter",
		"orgname=acme":                        "unknown_parameter",
		"is_active=true":                      "unknown_parameter",
		"api_key=orgd_x":                      "unknown_parameter",
		"limit=1&offset=3":                    "unknown_parameter",
		"orgName=a&orgName=b":                 "repeated_parameter",
		"cursor=":                             "invalid_cursor",
		"limit=%zz":                           "invalid_request",
		"limit=1;isActive=true":               "invalid_request",
	} {
		t.Run(query, func(t *testing.T) {
			a.get(t, "/v1/orgs?"+query).refused(t, http.StatusBadRequest, code)
		})
	}
	for _, good := range []string{"orgName=" + strings.Repeat("%C3%A9", 255), "isActive=false", "orgName=%25", "orgName=a%20b", "orgName=a+b"} {
		if got := a.get(t, "/v1/orgs?"+good); got.status != http.StatusOK {
			t.Errorf("%s: %d %s", good, got.status, got.body)
		}
	}
	all := a.get(t, "/v1/orgs?limit=0&isActive=x&zzz=1").problem(t)
	var fields []string
	for _, e := range all.Errors {
		fields = append(fields, e.Field)
	}
	if !slices.Equal(fields, []string{"isActive", "limit", "zzz"}) {
		t.Errorf("fields %v: all that is wrong is to be named at once", fields)
	}
}

func TestForeignCursors(t *testing.T) {
	t.Parallel()
	a := newAPI(t)
	for range 3 {
		a.Org(t, a.account, orgs.Org{Name: "Acme", IsActive: true})
	}
	cursor := a.get(t, "/v1/orgs?limit=1").page(t).Cursor
	if again := a.get(t, "/v1/orgs?limit=2&cursor="+cursor).page(t); len(again.Organizations) != 2 {
		t.Errorf("with another limit the walk went on with %d", len(again.Organizations))
	}
	refused := []string{"x", cursor[1:], cursor[:len(cursor)-1], cursor + "A", cursor + "%3D", cursor + "%0A", "%ff", "%00", strings.Repeat("A", 44), strings.Repeat("A", 8000)}
	raw, err := base64.RawURLEncoding.DecodeString(cursor)
	if err != nil {
		t.Fatal(err)
	}
	for bit := range len(raw) * 8 {
		altered := slices.Clone(raw)
		altered[bit/8] ^= 1 << (bit % 8)
		refused = append(refused, base64.RawURLEncoding.EncodeToString(altered))
	}
	for _, c := range refused {
		t.Run(c[:min(len(c), 60)], func(t *testing.T) {
			a.get(t, "/v1/orgs?limit=1&cursor="+c).refused(t, http.StatusBadRequest, "invalid_cursor")
		})
	}
	for _, filter := range []string{"isActive=true", "orgName=acme"} {
		t.Run(filter, func(t *testing.T) {
			a.get(t, "/v1/orgs?"+filter+"&cursor="+cursor).refused(t, http.StatusBadRequest, "invalid_cursor")
		})
	}
	other := a.Key(t, a.Account(t))
	a.call(t, http.MethodGet, "/v1/orgs?cursor="+cursor, "Authorization", "Bearer "+other).
		refused(t, http.StatusBadRequest, "invalid_cursor")
	another := a.Key(t, a.account, apikeys.OrgsRead)
	if got := a.call(t, http.MethodGet, "/v1/orgs?cursor="+cursor, "Authorization", "Bearer "+another); got.status != http.StatusOK {
		t.Errorf("with another key of the account: %d %s", got.status, got.body)
	}
}

func TestHeadIsGetWithoutABody(t *testing.T) {
	t.Parallel()
	a := newAPI(t)
	a.Org(t, a.account, orgs.Org{})
	get := a.get(t, "/v1/orgs")
	head := a.call(t, http.MethodHead, "/v1/orgs", "Authorization", "Bearer "+a.key)
	if head.status != http.StatusOK || head.header.Get("Content-Length") != fmt.Sprint(len(get.body)) {
		t.Errorf("HEAD: %d, Content-Length %s, want %d", head.status, head.header.Get("Content-Length"), len(get.body))
	}
}

// Two accounts never see each other's data, on any route.
func TestTenantIsolation(t *testing.T) {
	t.Parallel()
	a := newAPI(t)
	theirs := a.Account(t)
	theirKey := a.Key(t, theirs)
	var myOrg, theirOrg orgs.Org
	for range 3 {
		myOrg = a.Org(t, a.account, orgs.Org{Name: "Secret of mine", IsActive: true})
		theirOrg = a.Org(t, theirs, orgs.Org{Name: "Secret of theirs", IsActive: true})
	}
	for _, r := range a.server.Routes() {
		for _, query := range []string{"", "?limit=100", "?orgName=secret", "?orgName=se", "?isActive=true"} {
			mine := a.call(t, r.Method, strings.ReplaceAll(r.Path, ":orgId", orgID(theirOrg.ID))+query, "Authorization", "Bearer "+a.key)
			their := a.call(t, r.Method, strings.ReplaceAll(r.Path, ":orgId", orgID(myOrg.ID))+query, "Authorization", "Bearer "+theirKey)
			if strings.Contains(string(mine.body), "of theirs") || strings.Contains(string(their.body), "of mine") {
				t.Errorf("%s %s%s shows another account's organization", r.Method, r.Path, query)
			}
			if r.Path == "/v1/orgs" && r.Method == http.MethodGet &&
				(!strings.Contains(string(mine.body), "of mine") || !strings.Contains(string(their.body), "of theirs")) {
				t.Errorf("%s %s%s does not show its own", r.Method, r.Path, query)
			}
		}
	}
}
