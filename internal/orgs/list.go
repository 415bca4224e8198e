package orgs

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"orgd/internal/cursor"
	"orgd/internal/db"
	"orgd/internal/uuid"
)

// MaxPageBytes is the most that the organizations of a page take in JSON, as
// internal/http writes it. A page that would be larger ends early.
const MaxPageBytes = 1 << 20

// ListParams say which page of which list.
type ListParams struct {
	Limit    int    // 1 to cursor.MaxLimit
	Cursor   string // Page.Cursor of the page before; empty for the first
	Name     string // only names that contain it, whatever their case and accents; empty for all
	IsActive *bool  // only the active, or only the inactive; nil for both

	UserID   *uuid.UUID        // only those that this user is a member of; nil for all
	Metadata map[string]string // only those that have all these pairs; empty for all
}

// Page is a part of a list, newest first.
type Page struct {
	Orgs   []Org
	Bytes  int    // at least what Orgs take in JSON
	Cursor string // of the next page; empty if this is the last
}

// List returns a page, ordered by creation and then by id, newest first. A walk
// from page to page sees no organization twice, and sees exactly once each that
// was there before its first page, was not deleted and kept matching. Errors:
// ErrInvalidCursor, ErrUnavailable.
func (r *Repository) List(ctx context.Context, accountID uuid.UUID, p ListParams) (Page, error) {
	if p.Limit < 1 || p.Limit > cursor.MaxLimit {
		return Page{}, fmt.Errorf("orgs: limit %d is not in 1–%d", p.Limit, cursor.MaxLimit)
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

// nearby bounds the first look for what a filter asks for. What fills no page
// there is mostly rare, and cheap to find by the index. What is common, but only
// among older organizations, costs a sort of all that have it.
//
// A user's organizations cost a look-up each, so fewer are looked at; and what
// fills no page there may still be common in the account, where the index finds
// it all. So the walk goes on if reach is likely to be enough.
type nearby struct {
	orgs   int
	ofUser int
	reach  int
}

var usualNearby = nearby{orgs: 10_000, ofUser: 2_500, reach: 12_000}

// listQuery is a list ready to be asked for.
type listQuery struct {
	ListParams
	accountID uuid.UUID
	after     *cursor.Position // nil for the first page
	folded    string           // Name, folded
	metadata  string           // Metadata as JSON; empty without
	nearby    int              // how far orgListNearby looks
	reach     int              // how far a user's organizations are worth walking
	page      int              // the most bytes of the page
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
	if l.folded == "" && l.metadata == "" {
		list := orgList
		if l.ofUser() && l.IsActive != nil {
			list = orgListByActivity
		}
		return l.fetch(ctx, q, list(l))
	}
	// Each statement alone gives the whole answer where it counts; the walk's
	// promises need no snapshot common to both.
	found, err := l.fetch(ctx, q, orgListNearby(l))
	if err != nil || found.full || !found.goesOn {
		return found, err
	}
	beyond := orgListIndexed
	if l.walksOn(len(found.orgs)) {
		beyond = orgListWalked
	}
	return l.fetch(ctx, q, beyond(l))
}

// walksOn says whether a user's organizations fill the page within reach, if those
// that follow have what is asked for as often as those nearby.
func (l listQuery) walksOn(found int) bool {
	return l.ofUser() && l.nearby*(l.Limit+1) <= l.reach*found
}

func (l listQuery) fetch(ctx context.Context, q db.Querier, s statement) (collected, error) {
	rows, err := q.Query(ctx, s.sql, slices.Concat([]any{binaryResults}, s.args)...)
	if err != nil {
		return collected{}, err
	}
	return collectOrgs(rows, l.Limit+1, l.page)
}

// newPage cuts what was found, which is one more than the limit where there are more.
func newPage(found collected, p ListParams, accountID uuid.UUID) Page {
	page := Page{Orgs: found.orgs[:min(len(found.orgs), p.Limit)], Bytes: found.bytes}
	if !found.full && len(found.orgs) <= p.Limit {
		return page
	}
	last := page.Orgs[len(page.Orgs)-1]
	page.Cursor = cursor.Encode(cursor.Position{CreatedAt: last.CreatedAt, ID: last.ID}, p.scope(accountID))
	return page
}

// scope names the list that a cursor belongs to: the route, the tenant and the
// filters, but not the limit, which may change on the way.
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
	// As it was given, because the folded form may change with a release.
	scope = append(scope, p.Name...)
	// What came after the first release follows only where it is given, so that
	// the cursors of lists without it stay good. No two lists have one scope:
	// names, keys and values hold no NUL, and an id has its 16 bytes.
	if p.UserID != nil {
		scope = append(append(scope, "\x00u"...), p.UserID[:]...)
	}
	if len(p.Metadata) == 0 {
		return scope
	}
	for _, key := range slices.Sorted(maps.Keys(p.Metadata)) {
		scope = append(scope, "\x00m"+key+"\x00"+p.Metadata[key]...)
	}
	return scope
}
