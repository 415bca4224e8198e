package orgs_test

import (
	"context"
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"orgd/internal/dbtest"
	"orgd/internal/orgs"
	"orgd/internal/uuid"
)

func TestMain(m *testing.M) { dbtest.Main(m) }

// bundle is what a test of the repository needs.
type bundle struct {
	*dbtest.DB
	repository *orgs.Repository
	account    uuid.UUID
}

func setup(t testing.TB) bundle {
	t.Helper()
	d := dbtest.New(t)
	return bundle{DB: d, repository: orgs.NewRepository(d.Conns), account: d.Account(t)}
}

// fataler is what testing.TB and *rapid.T have in common.
type fataler interface {
	Helper()
	Fatalf(format string, args ...any)
}

func (b bundle) list(t fataler, p orgs.ListParams) orgs.Page {
	t.Helper()
	page, err := b.repository.List(context.Background(), b.account, p)
	if err != nil {
		t.Fatalf("List(%+v): %v", p, err)
	}
	return page
}

// walk reads page after page and returns what it saw, in order.
func (b bundle) walk(t fataler, p orgs.ListParams) []orgs.Org {
	t.Helper()
	var seen []orgs.Org
	for {
		page := b.list(t, p)
		seen = append(seen, page.Orgs...)
		if page.Cursor == "" {
			return seen
		}
		if len(page.Orgs) == 0 {
			t.Fatalf("an empty page has a cursor: the official clients would stop there")
		}
		p.Cursor = page.Cursor
	}
}

// matches is a list's filters in memory: what they say, not how they are served.
func matches(p orgs.ListParams, o orgs.Org, members []uuid.UUID) bool {
	var pairs map[string]string
	if err := json.Unmarshal([]byte(o.Metadata), &pairs); err != nil {
		panic(err) // the tests' own metadata
	}
	for key, value := range p.Metadata {
		if got, ok := pairs[key]; !ok || got != value {
			return false
		}
	}
	return (p.IsActive == nil || *p.IsActive == o.IsActive) &&
		(p.UserID == nil || slices.Contains(members, *p.UserID)) &&
		strings.Contains(orgs.Fold(o.Name), orgs.Fold(p.Name))
}

func names(found []orgs.Org) []string {
	list := make([]string, len(found))
	for i, o := range found {
		list[i] = o.Name
	}
	return list
}
