package orgs

import (
	"orgd/internal/cursor"
	"orgd/internal/uuid"
)

// WithNearby returns a repository that looks only so far before it goes on.
func (r *Repository) WithNearby(n int) *Repository {
	other := *r
	other.nearby = nearby{orgs: n, ofUser: n, reach: 4 * n}
	return &other
}

// WithPageBytes returns a repository whose pages have at most so many bytes.
func (r *Repository) WithPageBytes(n int) *Repository {
	other := *r
	other.page = n
	return &other
}

// The statements of a list, to be explained.
var (
	ListStatement    = exported(orgList)
	NearbyStatement  = exported(orgListNearby)
	IndexedStatement = exported(orgListIndexed)
	WalkedStatement  = exported(orgListWalked)

	ByActivityStatement = exported(orgListByActivity)
)

type exportedStatement func(account uuid.UUID, p ListParams, after *cursor.Position) (string, []any)

func exported(make func(listQuery) statement) exportedStatement {
	return func(account uuid.UUID, p ListParams, after *cursor.Position) (string, []any) {
		// As small a part of the thousands explained as is usual of a million.
		r := Repository{nearby: nearby{orgs: 1000, ofUser: 250, reach: 1200}}
		q, err := r.newQuery(account, p)
		if err != nil {
			panic(err) // metadata is JSON, and there is no cursor
		}
		q.after = after
		s := make(q)
		return s.sql, s.args
	}
}

// Scope returns what a cursor of the list is bound to.
func (p ListParams) Scope(account uuid.UUID) []byte { return p.scope(account) }

// Grams returns what a short name is looked up by.
var Grams = grams
