package orgs

import (
	"orgd/internal/cursor"
	"orgd/internal/uuid"
)

// WithNearby returns a repository whose lists with filters read about n organizations in
// order before they use the index.
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

// Statements of the list of organizations, for tests that run EXPLAIN.
var (
	ListStatement    = exported(orgList)
	NearbyStatement  = exported(orgListNearby)
	IndexedStatement = exported(orgListIndexed)
	WalkedStatement  = exported(orgListWalked)

	ByExternalIDStatement = exported(orgListByExternalID)

	ByActivityStatement = exported(orgListByActivity)
	PickedStatement     = exported(orgListPicked)
)

// Statements of the list of members, for tests that run EXPLAIN.
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
		// These limits are lower than the defaults, because the tests have thousands of
		// organizations rather than a million.
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

// Grams returns the index keys for a search by a short part of a name.
var Grams = grams
