package orgs

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"slices"

	"orgd/internal/cursor"
	"orgd/internal/db"
	"orgd/internal/uuid"
)

// MaxPageBytes is the maximum size in bytes of a page's organizations, in the JSON that
// internal/http writes. A page ends early if the next organization would exceed it.
const MaxPageBytes = 1 << 20

// ListParams select a list of organizations and a page of it.
type ListParams struct {
	Limit    int    // 1 to cursor.MaxLimit
	Cursor   string // Page.Cursor of the previous page; empty for the first page
	Name     string // only organizations whose name contains this text, compared by Fold; empty for all
	IsActive *bool  // only active or only deactivated organizations; nil for both

	OrgIDs   []uuid.UUID       // only these organizations, at most MaxListed; empty for all
	UserID   *string           // only organizations that this user is a member of; nil for all
	Metadata map[string]string // only organizations that have all these pairs; empty for all

	ExternalID string // only the organization with this external id; empty for all
}

// Page is one page of a list.
type Page struct {
	Orgs        []Org
	Memberships []Membership // of ListParams.UserID, one for each of Orgs; nil without a UserID
	Bytes       int          // an upper bound of the size of Orgs and Memberships in JSON
	Cursor      string       // for the next page; empty on the last page
}

// List returns a page of organizations, ordered by creation time and then by id, newest
// first. A client that follows the cursors gets no organization twice. It gets every
// organization that existed before the first page, was not deleted, and matched the
// filters all the time. Errors: ErrInvalidCursor, ErrUnavailable.
func (r *Repository) List(ctx context.Context, accountID uuid.UUID, p ListParams) (Page, error) {
	if p.Limit < 1 || p.Limit > cursor.MaxLimit {
		return Page{}, fmt.Errorf("orgs: limit %d is not between 1 and %d", p.Limit, cursor.MaxLimit)
	}
	query, err := r.newQuery(accountID, p)
	if err != nil {
		return Page{}, err
	}
	var found collected
	err = r.db.For(accountID).Read(ctx, func(ctx context.Context, q db.Querier) (err error) {
		found, err = query.run(ctx, q)
		return err
	})
	if err != nil {
		return Page{}, fmt.Errorf("list organizations: %w", err)
	}
	return newPage(found, p, accountID), nil
}

// nearby limits how many organizations a filtered list reads in the order of the list
// before it uses the index orgs_by_filter. If these do not fill a page, matches are
// usually rare, and the index finds them cheaply. The costly case is a filter that
// matches many organizations, but only old ones: all its matches are sorted.
//
// In the list of a user's organizations, each organization costs a lookup, so the limit
// is lower. If the first ones do not fill a page, the filter may still match many
// organizations of the account, and the index would return all of them. The list
// therefore continues in its order if it is likely to fill the page before it has read
// reach organizations.
type nearby struct {
	orgs   int // in the list of the account
	ofUser int // in the list of a user
	reach  int // the maximum number of a user's organizations that are worth reading
}

var usualNearby = nearby{orgs: 10_000, ofUser: 2_500, reach: 12_000}

// listQuery has the parameters of the statements of a list.
type listQuery struct {
	ListParams
	accountID uuid.UUID
	after     *cursor.Position // nil for the first page
	folded    string           // Name, folded
	metadata  string           // Metadata as JSON; empty for none
	nearby    int              // how many organizations orgListNearby reads
	reach     int              // see nearby.reach
	page      int              // the maximum size of the page in bytes
}

func (r *Repository) newQuery(accountID uuid.UUID, p ListParams) (listQuery, error) {
	l := listQuery{ListParams: p, accountID: accountID, folded: Fold(p.Name), nearby: r.nearby.orgs, reach: r.nearby.reach, page: r.page}
	if l.ofUser() {
		l.nearby = r.nearby.ofUser
	}
	if len(p.Metadata) > 0 {
		var err error
		if l.metadata, err = encodeMetadata(p.Metadata); err != nil {
			return listQuery{}, err
		}
	}
	if p.Cursor != "" {
		after, err := cursor.Decode(p.Cursor, p.scope(accountID))
		if err != nil {
			return listQuery{}, ErrInvalidCursor
		}
		l.after = &after
	}
	return l, nil
}

func (l listQuery) ofUser() bool { return l.UserID != nil }

func (l listQuery) run(ctx context.Context, q db.Querier) (collected, error) {
	if len(l.OrgIDs) > 0 {
		return l.fetch(ctx, q, orgListPicked(l))
	}
	if l.ExternalID != "" {
		return l.fetch(ctx, q, orgListByExternalID(l))
	}
	if l.folded == "" && l.metadata == "" {
		return l.runPlain(ctx, q)
	}
	// Only one of the two statements supplies the page, so List keeps its promises without
	// a common snapshot.
	found, err := l.fetch(ctx, q, orgListNearby(l))
	if err != nil || found.full || !found.more {
		return found, err
	}
	beyond := orgListIndexed
	if l.shouldWalk(len(found.orgs)) {
		beyond = orgListWalked
	}
	return l.fetch(ctx, q, beyond(l))
}

// runPlain runs a list without a filter by name or metadata.
func (l listQuery) runPlain(ctx context.Context, q db.Querier) (collected, error) {
	if l.ofUser() && l.IsActive != nil {
		return l.fetch(ctx, q, orgListByActivity(l))
	}
	found, err := l.fetch(ctx, q, orgList(l))
	if err != nil || found.full || !found.more {
		return found, err
	}
	return l.fetch(ctx, q, orgListWalked(l)) // past the memberships of deleted organizations
}

// shouldWalk reports whether a walk through a user's organizations is likely to fill the
// page within l.reach organizations. It assumes that matches are as frequent as among the
// first l.nearby.
func (l listQuery) shouldWalk(found int) bool {
	return l.ofUser() && l.nearby*(l.Limit+1) <= l.reach*found
}

func (l listQuery) fetch(ctx context.Context, q db.Querier, s statement) (collected, error) {
	rows, err := q.Query(ctx, s.sql, slices.Concat([]any{binaryResults}, s.args)...)
	if err != nil {
		return collected{}, err
	}
	return collectOrgs(rows, l.Limit+1, l.page)
}

// newPage cuts the result to the limit. The statements return one more organization if
// another page follows.
func newPage(found collected, p ListParams, accountID uuid.UUID) Page {
	page := Page{Orgs: found.orgs[:min(len(found.orgs), p.Limit)], Bytes: found.bytes}
	if p.UserID != nil {
		page.Memberships = found.memberships[:len(page.Orgs)]
	}
	if !found.full && len(found.orgs) <= p.Limit {
		return page
	}
	last := page.Orgs[len(page.Orgs)-1]
	page.Cursor = cursor.Encode(cursor.Position{CreatedAt: last.CreatedAt, ID: last.ID}, p.scope(accountID))
	return page
}

func (p ListParams) distinctIDs() []uuid.UUID {
	ids := slices.SortedFunc(slices.Values(p.OrgIDs), func(a, b uuid.UUID) int { return bytes.Compare(a[:], b[:]) })
	return slices.Compact(ids)
}

// scope identifies the list that a cursor belongs to: the route, the account and the
// filters, but not the limit, which may change from page to page.
func (p ListParams) scope(accountID uuid.UUID) []byte {
	scope := append([]byte("orgs\x00"), accountID[:]...)
	switch {
	case p.IsActive == nil:
		scope = append(scope, '*')
	case *p.IsActive:
		scope = append(scope, 't')
	default:
		scope = append(scope, 'f')
	}
	// The name is not folded, because its folded form may change with a release.
	scope = append(scope, p.Name...)
	// The following filters are appended only if they are given, so a release that adds one
	// keeps older cursors valid. No two lists have the same scope: names, ids, keys and values
	// contain no NUL, and an account's id has 16 bytes.
	if p.UserID != nil {
		scope = append(append(scope, "\x00u"...), *p.UserID...)
	}
	if p.ExternalID != "" {
		scope = append(append(scope, "\x00e"...), p.ExternalID...)
	}
	for _, id := range p.distinctIDs() {
		scope = append(append(scope, "\x00o"...), id.String()...)
	}
	for _, key := range slices.Sorted(maps.Keys(p.Metadata)) {
		scope = append(scope, "\x00m"+key+"\x00"+p.Metadata[key]...)
	}
	return scope
}
