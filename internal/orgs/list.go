package orgs

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"time"

	"orgd/internal/cursor"
	"orgd/internal/db"
	"orgd/internal/uuid"
)

// MaxPageBytes is the maximum size in bytes of a page's organizations, in the JSON that
// internal/http writes. A page ends early if the next organization would exceed it.
const MaxPageBytes = 1 << 20

// ListParams select a list of organizations and a page of it.
type ListParams struct {
	Limit  int    // 1 to cursor.MaxLimit
	Cursor string // Page.Cursor of the previous page; empty for the first page
	Before string // Page.Before of the following page, instead of Cursor; empty otherwise
	Order  Order

	Name     string // only organizations whose name contains this text, compared by Fold; empty for all
	NameIs   string // only organizations with this name, compared by Fold; empty for all
	IsActive *bool  // only active or only deactivated organizations; nil for both

	CreatedFrom *time.Time // only organizations created at this time or later; nil for all
	CreatedTo   *time.Time // only organizations created before this time; nil for all

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
	Before      string       // for the page before this one; empty on the first page
}

// List returns a page of organizations. A client that follows the cursors in one direction
// gets no organization twice. It gets every organization that existed before the first
// page, was not deleted, and matched the filters all the time. In an order by name, these
// promises hold only for organizations whose name does not change.
//
// Errors: ErrInvalidCursor, ErrTooManyToSort, ErrUnavailable.
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
// therefore continues in its order if the page is likely to fill up within the first
// `reach` organizations.
type nearby struct {
	orgs   int // in the list of the account
	ofUser int // in the list of a user
	reach  int // the maximum number of a user's organizations that are worth reading
	sorted int // see MaxSorted
	named  int // the maximum number of organizations with one name that are sorted by time

	count time.Duration // how long Count may count with an index
}

var usualNearby = nearby{orgs: 10_000, ofUser: 2_500, reach: 12_000, sorted: MaxSorted, named: 1000, count: 10 * time.Millisecond}

// MaxSorted is the maximum number of organizations that List sorts by name, if no index has
// them in this order: a user's organizations, and the matches of a filter that matches few
// of the first names.
const MaxSorted = 10_000

// listQuery has the parameters of the statements of a list.
type listQuery struct {
	ListParams
	accountID uuid.UUID
	from      *position // the walk starts after this position, in its direction; nil for the first page
	folded    string    // Name, folded
	nameIs    string    // NameIs, folded
	metadata  string    // Metadata as JSON; empty for none
	nearby    int       // how many organizations orgListNearby reads
	reach     int       // see nearby.reach
	maxSorted int       // see MaxSorted; 0 for no limit
	maxNamed  int       // see nearby.named
	page      int       // the maximum size of the page in bytes
}

func (r *Repository) newQuery(accountID uuid.UUID, p ListParams) (listQuery, error) {
	l := listQuery{
		ListParams: p, accountID: accountID, folded: Fold(p.Name), nameIs: Fold(p.NameIs),
		nearby: r.nearby.orgs, reach: r.nearby.reach, maxSorted: r.nearby.sorted, maxNamed: r.nearby.named, page: r.page,
	}
	if l.ofUser() {
		l.nearby = r.nearby.ofUser
	}
	if len(p.Metadata) > 0 {
		var err error
		if l.metadata, err = encodeMetadata(p.Metadata); err != nil {
			return listQuery{}, err
		}
	}
	if token := cmp.Or(p.Before, p.Cursor); token != "" {
		from, err := p.decode(token, accountID)
		if err != nil {
			return listQuery{}, err
		}
		if p.Order.byName() && l.nameIs != "" && from.name != nameKey(l.nameIs) {
			return listQuery{}, ErrInvalidCursor // no page of this list ends at another name
		}
		l.from = &from
	}
	return l, nil
}

func (l listQuery) ofUser() bool { return l.UserID != nil }

// descending reports whether the walk goes to earlier times or smaller names. A page that
// ends before a position is read against the order of the list.
func (l listQuery) descending() bool { return l.Order.descending() != (l.Before != "") }

func (l listQuery) run(ctx context.Context, q db.Querier) (collected, error) {
	if len(l.OrgIDs) > 0 {
		return l.fetch(ctx, q, orgListPicked(l))
	}
	if l.ExternalID != "" {
		return l.fetch(ctx, q, orgListByExternalID(l))
	}
	if l.ofUser() && l.Order.byName() {
		return l.fetchSorted(ctx, q, orgListSorted(l))
	}
	if !l.hasResidual() {
		return l.runPlain(ctx, q)
	}
	if l.nameIs != "" && !l.Order.byName() {
		found, err := l.runNamed(ctx, q)
		if err != nil || !found.more {
			return found, err
		}
	}
	if l.ofUser() && l.IsActive != nil {
		return l.runByActivity(ctx, q)
	}
	// Only one of the two statements supplies the page, so List keeps its promises without
	// a common snapshot.
	found, err := l.fetch(ctx, q, orgListNearby(l))
	if err != nil || found.full || !found.more {
		return found, err
	}
	switch {
	case l.shouldWalk(len(found.orgs)), l.Order.byName() && l.nameIs != "":
		return l.fetch(ctx, q, orgListWalked(l))
	case l.Order.byName():
		return l.fetchSorted(ctx, q, orgListIndexed(l))
	}
	l.maxSorted = 0
	return l.fetch(ctx, q, orgListIndexed(l))
}

// runNamed runs a list of organizations with one name, which are usually few.
func (l listQuery) runNamed(ctx context.Context, q db.Querier) (collected, error) {
	l.maxSorted = l.maxNamed
	return l.fetch(ctx, q, orgListIndexed(l))
}

// hasResidual reports whether the list has filters that the index of its order does not
// have.
func (l listQuery) hasResidual() bool {
	return l.folded != "" || l.nameIs != "" || l.metadata != "" ||
		l.Order.byName() && (l.IsActive != nil || l.CreatedFrom != nil || l.CreatedTo != nil)
}

// fetchSorted is fetch for a statement that sorts at most maxSorted organizations.
func (l listQuery) fetchSorted(ctx context.Context, q db.Querier, s statement) (collected, error) {
	found, err := l.fetch(ctx, q, s)
	if err == nil && found.more {
		err = ErrTooManyToSort
	}
	return found, err
}

// runPlain runs a list without residual filters.
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
// page within l.reach organizations. It assumes that matches are as frequent as among
// the first l.nearby, where this number was found.
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

// newPage cuts the result to the limit, and puts it in the order of the list. The
// statements return one more organization if another page follows.
func newPage(found collected, p ListParams, accountID uuid.UUID) Page {
	count := min(len(found.orgs), p.Limit)
	page := Page{Orgs: found.orgs[:count], Bytes: found.bytes}
	if p.UserID != nil {
		page.Memberships = found.memberships[:count]
	}
	if count == 0 {
		return page
	}
	first, last := p.positionOf(found, 0), p.positionOf(found, count-1)
	if p.Before != "" {
		slices.Reverse(page.Orgs)
		slices.Reverse(page.Memberships)
		first, last = last, first
	}
	hasNext, hasBefore := neighbors(p.Cursor, p.Before, found.full || len(found.orgs) > p.Limit)
	if hasNext {
		page.Cursor = p.encode(last, accountID)
	}
	if hasBefore {
		page.Before = p.encode(first, accountID)
	}
	return page
}

// neighbors reports whether a page that is not empty has a next page and one before it.
// more says whether the statement found more rows in its direction. In the other direction
// is the page that the cursor came from.
func neighbors(cursor, before string, more bool) (hasNext, hasBefore bool) {
	if before != "" {
		return true, more
	}
	return more, cursor != ""
}

func (p ListParams) distinctIDs() []uuid.UUID {
	ids := slices.SortedFunc(slices.Values(p.OrgIDs), func(a, b uuid.UUID) int { return bytes.Compare(a[:], b[:]) })
	return slices.Compact(ids)
}

// scope identifies the list that a cursor belongs to: the route, the account, the filters
// and the order, but not the limit, which may change from page to page.
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
	if p.NameIs != "" {
		scope = append(append(scope, "\x00n"...), p.NameIs...)
	}
	if p.CreatedFrom != nil {
		scope = append(append(scope, "\x00f"...), p.CreatedFrom.UTC().Format(time.RFC3339Nano)...)
	}
	if p.CreatedTo != nil {
		scope = append(append(scope, "\x00t"...), p.CreatedTo.UTC().Format(time.RFC3339Nano)...)
	}
	if p.Order != NewestFirst {
		scope = append(scope, 0, 's', byte('0'+p.Order))
	}
	if p.Order.byName() { // a new rule of Fold changes the order of the list
		scope = strconv.AppendInt(scope, FoldVersion, 10)
	}
	return scope
}
