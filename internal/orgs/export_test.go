package orgs

import (
	"time"

	"orgd/internal/cursor"
	"orgd/internal/uuid"
)

// WithNearby returns a repository whose lists with filters read about n organizations in
// order before they use the index.
func (r *Repository) WithNearby(n int) *Repository {
	other := *r
	other.nearby.orgs, other.nearby.ofUser, other.nearby.reach = n, n, 4*n
	return &other
}

// WithMaxSorted returns a repository that sorts at most n of a user's organizations by
// name.
func (r *Repository) WithMaxSorted(n int) *Repository {
	other := *r
	other.nearby.sorted = n
	return &other
}

// WithPageBytes returns a repository whose pages have at most n bytes.
func (r *Repository) WithPageBytes(n int) *Repository {
	other := *r
	other.page = n
	return &other
}

// WithCountLimit returns a repository that counts with an index for up to this time.
func (r *Repository) WithCountLimit(limit time.Duration) *Repository {
	other := *r
	other.nearby.count = limit
	return &other
}

// Statements of the list of organizations, for tests that run EXPLAIN.
var (
	ListStatement    = exported(orgList)
	NearbyStatement  = exported(orgListNearby)
	IndexedStatement = exported(orgListIndexed)
	WalkedStatement  = exported(orgListWalked)

	ByExternalIDStatement = exported(orgListByExternalID)

	ByActivityStatement       = exported(orgListByActivity)
	ByActivityNearbyStatement = exported(orgListByActivityNearby)
	PickedStatement           = exported(orgListPicked)
	SortedStatement           = exported(orgListSorted)
	CountStatement            = exported(orgCount)
)

// Statements of the list of members, for tests that run EXPLAIN.
var (
	MemberListStatement       = exportedMembers(memberList)
	MemberListPickedStatement = exportedMembers(memberListPicked)
	MemberListNearbyStatement = exportedMembers(memberListNearby)
	MemberListByRoleStatement = exportedMembers(memberListByRole)
	MemberCountStatement      = exportedMembers(memberCount)
)

type exportedMemberStatement func(account uuid.UUID, p MemberListParams, after *cursor.Position) (string, []any)

func exportedMembers(build func(memberQuery) statement) exportedMemberStatement {
	return func(account uuid.UUID, p MemberListParams, after *cursor.Position) (string, []any) {
		q := memberQuery{MemberListParams: p, accountID: account, nearby: 1000}
		if after != nil {
			q.from = &memberPosition{addedAt: after.CreatedAt}
		}
		if token := p.Cursor + p.Before; token != "" {
			from, err := p.decode(token, account)
			if err != nil {
				panic(err) // the test made the cursor
			}
			q.from = &from
		}
		s := build(q)
		return s.sql, s.args
	}
}

type exportedStatement func(account uuid.UUID, p ListParams, after *cursor.Position) (string, []any)

func exported(build func(listQuery) statement) exportedStatement {
	return func(account uuid.UUID, p ListParams, after *cursor.Position) (string, []any) {
		// These limits are lower than the defaults, because the tests have thousands of
		// organizations rather than a million.
		r := Repository{nearby: nearby{orgs: 1000, ofUser: 250, reach: 1200, sorted: MaxSorted}}
		q, err := r.newQuery(account, p)
		if err != nil {
			panic(err) // cannot happen: metadata can be encoded, and the test made the cursor
		}
		if !p.Order.byName() {
			q.maxSorted = 0
		}
		if after != nil {
			q.from = &position{createdAt: after.CreatedAt, id: after.ID}
		}
		s := build(q)
		return s.sql, s.args
	}
}

// NameKey returns the part of a folded name that decides the order.
var NameKey = nameKey

// TokenAt returns the cursor for the place of an organization in the list.
func (p ListParams) TokenAt(account uuid.UUID, o Org) string {
	return p.encode(p.positionOf(collected{orgs: []Org{o}, keys: []string{nameKey(Fold(o.Name))}}, 0), account)
}

// Scope returns the scope of the list's cursors.
func (p ListParams) Scope(account uuid.UUID) []byte { return p.scope(account) }

// Grams returns the index keys for a search by a short part of a name.
var Grams = grams

// TokenAt returns the cursor for the place of a member in the list.
func (p MemberListParams) TokenAt(account uuid.UUID, m Member) string { return p.encode(m, account) }

// Scope returns the scope of the list's cursors.
func (p MemberListParams) Scope(account uuid.UUID) []byte { return p.scope(account) }

// Statements of imports and exports, for tests that run EXPLAIN.
const (
	ImportFindStatement    = importFind
	ImportMembersStatement = importMembers
	ImportUsedStatement    = importUsed
	ExportNextStatement    = exportNext
)
