package orgs

import (
	"orgd/internal/cursor"
	"orgd/internal/uuid"
)

// WithNearby returns a repository whose lists read n organizations nearby.
func (r *Repository) WithNearby(n int) *Repository {
	other := *r
	other.nearby = nearby{orgs: n, ofUser: n, reach: 4 * n}
	return &other
}

// WithPageBytes returns a repository whose pages have at most n bytes.
func (r *Repository) WithPageBytes(n int) *Repository {
	other := *r
	other.page = n
	return &other
}

// The statements of a list, for EXPLAIN.
var (
	ListStatement    = exported(orgList)
	NearbyStatement  = exported(orgListNearby)
	IndexedStatement = exported(orgListIndexed)
	WalkedStatement  = exported(orgListWalked)

	ByExternalIDStatement = exported(orgListByExternalID)

	ByActivityStatement = exported(orgListByActivity)
	PickedStatement     = exported(orgListPicked)
)

// The statements of a list of members, for EXPLAIN.
var (
	MemberListStatement       = exportedMembers(memberList)
	MemberListPickedStatement = exportedMembers(memberListPicked)
	MemberListNearbyStatement = exportedMembers(memberListNearby)
	MemberListByRoleStatement = exportedMembers(memberListByRole)
)

type exportedMemberStatement func(account uuid.UUID, p MemberListParams, after *cursor.Position) (string, []any)

func exportedMembers(build func(memberQuery) statement) exportedMemberStatement {
	return func(account uuid.UUID, p MemberListParams, after *cursor.Position) (string, []any) {
		s := build(memberQuery{MemberListParams: p, accountID: account, after: after, nearby: 1000})
		return s.sql, s.args
	}
}

type exportedStatement func(account uuid.UUID, p ListParams, after *cursor.Position) (string, []any)

func exported(build func(listQuery) statement) exportedStatement {
	return func(account uuid.UUID, p ListParams, after *cursor.Position) (string, []any) {
		// In proportion to the tests' thousands of organizations, as the defaults are to a
		// million.
		r := Repository{nearby: nearby{orgs: 1000, ofUser: 250, reach: 1200}}
		q, err := r.newQuery(account, p)
		if err != nil {
			panic(err) // cannot happen: metadata can be encoded, and there is no cursor
		}
		q.after = after
		s := build(q)
		return s.sql, s.args
	}
}

// Scope returns the scope of the list's cursors.
func (p ListParams) Scope(account uuid.UUID) []byte { return p.scope(account) }

// Grams returns the values by which a short name is looked up.
var Grams = grams
