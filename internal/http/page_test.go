package http_test

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	orgdhttp "orgd/internal/http"
	"orgd/internal/orgs"
	"orgd/internal/uuid"
)

// largestOrg returns an organization that is about as large in JSON as the field rules
// allow.
func largestOrg(t testing.TB, n int) orgs.Org {
	t.Helper()
	metadata := map[string]string{}
	for i := range 50 {
		metadata[fmt.Sprintf("%02d", i)+strings.Repeat("\x01", 98)] = strings.Repeat("\x01", 1000)
	}
	text, err := json.Marshal(metadata)
	if err != nil {
		t.Fatal(err)
	}
	return orgs.Org{
		Name: strings.Repeat("\u2028", 254) + "x", Metadata: orgs.Metadata(text), UserCount: 2_000_000_000,
		CreatedAt:         time.UnixMicro(1_767_225_600_000_001 + int64(n)).UTC(),
		CreatedByAPIKeyID: uuid.NewV7(), CreatedByUserID: "auth0|1",
		ExternalID: strings.Repeat("\u2028", 250) + strconv.Itoa(n), Revision: math.MaxInt64,
	}
}

// The organizations of a page take at most 1 MiB. The walk continues with the next page.
func TestPageOfLargeOrganizations(t *testing.T) {
	t.Parallel()
	a := newAPI(t)
	const count = 10
	for n := range count {
		a.Org(t, a.account, largestOrg(t, n))
	}
	seen := map[string]bool{}
	for target := "/v1/orgs?limit=100"; ; {
		got := a.get(t, target)
		page := got.page(t)
		if len(got.body) > 1<<20+200 || len(page.Organizations) == 0 {
			t.Fatalf("%d organizations in %d bytes", len(page.Organizations), len(got.body))
		}
		for _, o := range page.Organizations {
			seen[o["orgId"].(string)] = true
		}
		if !page.HasMore {
			break
		}
		if len(page.Organizations) != 3 {
			t.Errorf("a page has %d organizations, but 3 fit", len(page.Organizations))
		}
		target = "/v1/orgs?limit=100&cursor=" + page.Cursor
	}
	if len(seen) != count {
		t.Errorf("the walk saw %d of %d organizations", len(seen), count)
	}
}

// Page.Bytes, which limits a page, is never less than the size of its organizations in
// JSON.
func TestPageSize(t *testing.T) {
	t.Parallel()
	a := newAPI(t)
	var roles []string
	for i := range orgs.MaxRoles {
		roles = append(roles, strings.Repeat("r", orgs.MaxRole-1)+strconv.Itoa(i))
	}
	for name, o := range map[string]orgs.Org{
		"short name":               {Name: "x"},
		"quotes":                   {Name: strings.Repeat(`"`, 255)},
		"backslashes and metadata": {Name: strings.Repeat(`\`, 255), Metadata: `{"a": "b"}`},
		"every field":              {Name: strings.Repeat("\u2029", 253) + "x", UserCount: 2_000_000_000, IsActive: true, CreatedByAPIKeyID: uuid.NewV7(), CreatedByUserID: strings.Repeat("\u2029", 255), ExternalID: strings.Repeat("\u2029", 255), Revision: math.MaxInt64},
		"largest":                  largestOrg(t, 9),
	} {
		t.Run(name, func(t *testing.T) {
			account := a.Account(t)
			o.CreatedAt = time.UnixMicro(1_767_225_600_000_001).UTC()
			made := a.Org(t, account, o)
			a.Member(t, account, made, "u")
			a.Exec(t, "UPDATE org_members SET roles = $1 WHERE org_id = $2", roles, made.ID)
			for _, user := range []*string{nil, new("u")} {
				page, err := orgs.NewRepository(a.Conns).List(context.Background(), account, orgs.ListParams{Limit: 1, UserID: user})
				if err != nil || len(page.Orgs) != 1 || len(page.Memberships) == 1 != (user != nil) {
					t.Fatalf("%+v, %v", page, err)
				}
				if written := len(orgdhttp.AppendPage(nil, page)) - len(orgdhttp.AppendPage(nil, orgs.Page{})); written > page.Bytes {
					t.Errorf("the JSON has %d bytes, Page.Bytes is %d", written, page.Bytes)
				}
			}
		})
	}
}

// The Link has the configured public URL, whatever the Host header is, and leads to the
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

// The Link repeats the query byte for byte, with the next cursor instead of the old one.
// It escapes characters that would end the link. If the Link would be too long, it is
// omitted.
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
		"orgName=+a+&limit=1":                        "orgName=+a+&limit=1&cursor=",
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
				t.Fatalf("%d filters: there is only one page", pairs)
			}
			if link := got.header.Get("Link"); (link != "") != want || len(link) > 4096 {
				t.Errorf("%d filters: a link of %d bytes", pairs, len(link))
			}
		})
	}
}

// linkOf returns the query in the Link of a page, without the value of the cursor.
func (a *api) linkOf(t *testing.T, query string) string {
	t.Helper()
	got := a.get(t, "/v1/orgs?"+query)
	cursor := got.page(t).Cursor
	link, _, _ := strings.Cut(strings.TrimPrefix(got.header.Get("Link"), "<"+publicURL+"/v1/orgs?"), ">")
	return strings.TrimSuffix(link, cursor)
}
