package orgs

import (
	"maps"
	"slices"

	"orgd/internal/cursor"
	"orgd/internal/uuid"
)

// MaxLimit is the most organizations that a page has.
const MaxLimit = 100

// MaxPageBytes is the most that the organizations of a page take in JSON, as
// internal/http writes it. A page that would be larger ends early.
const MaxPageBytes = 1 << 20

// ListParams say which page of which list.
type ListParams struct {
	Limit    int    // 1 to MaxLimit
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
