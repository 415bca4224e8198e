package http_test

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	orgdhttp "orgd/internal/http"
	"orgd/internal/orgs"
	"orgd/internal/uuid"
)

// largestOrg is as large in JSON as the field rules allow.
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
		CreatedByAPIKeyID: uuid.NewV7(), CreatedByUserID: uuid.NewV7(),
	}
}

// A page of large organizations ends before it exceeds 1 MiB, and the walk continues
// after it.
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
			t.Errorf("a page has %d organizations, though 3 fit", len(page.Organizations))
		}
		target = "/v1/orgs?limit=100&cursor=" + page.Cursor
	}
	if len(seen) != count {
		t.Errorf("the walk saw %d of %d organizations", len(seen), count)
	}
}

// The size by which a page is cut is never below the written size.
func TestPageSize(t *testing.T) {
	t.Parallel()
	a := newAPI(t)
	for n, o := range []orgs.Org{
		{Name: "x"},
		{Name: strings.Repeat(`"`, 255)},
		{Name: strings.Repeat(`\`, 255), Metadata: `{"a": "b"}`},
		{Name: strings.Repeat("\u2029", 253) + "x", UserCount: 2_000_000_000, IsActive: true, CreatedByAPIKeyID: uuid.NewV7(), CreatedByUserID: uuid.NewV7()},
		largestOrg(t, 9),
	} {
		account := a.Account(t)
		o.CreatedAt = time.UnixMicro(1_767_225_600_000_001).UTC()
		a.Org(t, account, o)
		page, err := orgs.NewRepository(a.Conns).List(context.Background(), account, orgs.ListParams{Limit: 1})
		if err != nil {
			t.Fatal(err)
		}
		if written := len(orgdhttp.AppendPage(nil, page)) - len(orgdhttp.AppendPage(nil, orgs.Page{})); written > page.Bytes {
			t.Errorf("organization %d takes %d bytes, not %d", n, written, page.Bytes)
		}
	}
}
