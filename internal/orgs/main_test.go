package orgs_test

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"orgd/internal/db"
	"orgd/internal/dbtest"
	"orgd/internal/orgs"
	"orgd/internal/uuid"
)

func TestMain(m *testing.M) { dbtest.Main(m) }

// bundle has everything that a test of the repository needs.
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

// fataler is the part of testing.TB and *rapid.T that the helpers use.
type fataler interface {
	Helper()
	Fatalf(format string, args ...any)
}

// processes returns repositories on three pools, like those of three servers.
func (b bundle) processes(t *testing.T) []*orgs.Repository {
	t.Helper()
	processes := []*orgs.Repository{b.repository}
	for range 2 {
		pool, err := db.Open(context.Background(), b.URL, db.Options{MaxConns: 4})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(pool.Close)
		processes = append(processes, orgs.NewRepository(pool))
	}
	return processes
}

func (b bundle) caller() orgs.Call {
	return orgs.Call{AccountID: b.account, KeyID: uuid.UUID{15: 1}, UserID: userN(2), RequestID: "request-1"}
}

func (b bundle) keyed(key string) orgs.Call {
	c := b.caller()
	c.IdempotencyKey = key
	return c
}

func (b bundle) create(t fataler, n orgs.NewOrg) orgs.Org {
	t.Helper()
	made, err := b.repository.Create(context.Background(), b.caller(), n)
	if err != nil {
		t.Fatalf("Create(%+v): %v", n, err)
	}
	return made.Org
}

func (b bundle) get(t fataler, id uuid.UUID) orgs.Org {
	t.Helper()
	o, err := b.repository.Get(context.Background(), b.account, id)
	if err != nil {
		t.Fatalf("Get(%s): %v", id, err)
	}
	return o
}

func (b bundle) update(t fataler, id uuid.UUID, c orgs.Changes) orgs.Org {
	t.Helper()
	changed, err := b.repository.Update(context.Background(), b.caller(), id, nil, c)
	if err != nil {
		t.Fatalf("Update(%+v): %v", c, err)
	}
	return changed.Org
}

func (b bundle) list(t fataler, p orgs.ListParams) orgs.Page {
	t.Helper()
	page, err := b.repository.List(context.Background(), b.account, p)
	if err != nil {
		t.Fatalf("List(%+v): %v", p, err)
	}
	return page
}

// walk reads page after page and returns all organizations in order.
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

// matches reports whether an organization passes the list's filters.
func matches(p orgs.ListParams, o orgs.Org, members []string) bool {
	var pairs map[string]string
	if err := json.Unmarshal([]byte(o.Metadata), &pairs); err != nil {
		panic(err) // cannot happen: it is the metadata of the tests
	}
	for key, value := range p.Metadata {
		if got, ok := pairs[key]; !ok || got != value {
			return false
		}
	}
	return (p.ExternalID == "" || p.ExternalID == o.ExternalID) && (p.IsActive == nil || *p.IsActive == o.IsActive) &&
		(p.UserID == nil || slices.Contains(members, *p.UserID)) &&
		strings.Contains(orgs.Fold(o.Name), orgs.Fold(p.Name)) && (p.NameIs == "" || orgs.Fold(p.NameIs) == orgs.Fold(o.Name)) &&
		(p.CreatedFrom == nil || !o.CreatedAt.Before(*p.CreatedFrom)) && (p.CreatedTo == nil || o.CreatedAt.Before(*p.CreatedTo))
}

// precedes reports whether a comes before b in the list: the newer one first, then the
// greater id.
func precedes(a, b orgs.Org) bool { return precedesIn(orgs.NewestFirst, a, b) }

// precedesIn reports whether a comes before b in a list with this order.
func precedesIn(order orgs.Order, a, b orgs.Org) bool {
	c := a.CreatedAt.Compare(b.CreatedAt)
	if order == orgs.ByName || order == orgs.ByNameDescending {
		c = strings.Compare(orgs.NameKey(orgs.Fold(a.Name)), orgs.NameKey(orgs.Fold(b.Name)))
	}
	c = cmp.Or(c, bytes.Compare(a.ID[:], b.ID[:]))
	if order == orgs.NewestFirst || order == orgs.ByNameDescending {
		return c > 0
	}
	return c < 0
}

func names(found []orgs.Org) []string {
	list := make([]string, len(found))
	for i, o := range found {
		list[i] = o.Name
	}
	return list
}

// userN returns a user id in the format of a common identity provider.
func userN(n int) string { return fmt.Sprintf("auth0|%d", n) }

func ptr[T any](v T) *T { return &v }

func second[T any](_ T, err error) error { return err }

// together runs fn n times concurrently.
func together(n int, fn func(i int)) {
	var group sync.WaitGroup
	start := make(chan struct{})
	for i := range n {
		group.Go(func() { <-start; fn(i) })
	}
	close(start)
	group.Wait()
}

// tb is a test whose Fatalf other goroutines may call: it fails the test, but does not
// end the goroutine.
type tb struct{ *testing.T }

func (t tb) Fatalf(format string, args ...any) { t.Errorf(format, args...) }
