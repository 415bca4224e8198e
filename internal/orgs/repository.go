package orgs

import (
	"context"
	"fmt"
	"slices"

	"orgd/internal/cursor"
	"orgd/internal/db"
	"orgd/internal/uuid"
)

// Repository keeps organizations in PostgreSQL. Every method takes the account,
// and sees nothing of any other.
type Repository struct {
	db     *db.Pool
	nearby nearby
}

// NewRepository returns a repository on the pool.
func NewRepository(pool *db.Pool) *Repository { return &Repository{db: pool, nearby: usualNearby} }

// nearby bounds the first look for what a filter asks for. What fills no page
// there is mostly rare, and cheap to find by the index. What is common, but only
// among older organizations, costs a sort of all that have it.
type nearby struct {
	orgs   int
	ofUser int // fewer: each costs a look-up
}

var usualNearby = nearby{orgs: 10_000, ofUser: 7_000}

// List returns a page, ordered by creation and then by id, newest first. A walk
// from page to page sees no organization twice, and sees exactly once each that
// was there before its first page, was not deleted and kept matching. Errors:
// ErrInvalidCursor, ErrUnavailable.
func (r *Repository) List(ctx context.Context, accountID uuid.UUID, p ListParams) (Page, error) {
	if p.Limit < 1 || p.Limit > MaxLimit {
		return Page{}, fmt.Errorf("orgs: limit %d is not in 1–%d", p.Limit, MaxLimit)
	}
	query, err := r.newQuery(accountID, p)
	if err != nil {
		return Page{}, err
	}
	var found []Org
	err = r.db.Read(ctx, func(ctx context.Context, q db.Querier) (err error) {
		found, err = query.run(ctx, q)
		return err
	})
	if err != nil {
		return Page{}, fmt.Errorf("list organizations: %w", err)
	}
	return newPage(found, p, accountID), nil
}

// listQuery is a list ready to be asked for.
type listQuery struct {
	ListParams
	accountID uuid.UUID
	after     *cursor.Position // nil for the first page
	folded    string           // Name, folded
	metadata  string           // Metadata as JSON; empty without
	nearby    int              // how far orgListNearby looks
}

func (r *Repository) newQuery(accountID uuid.UUID, p ListParams) (listQuery, error) {
	l := listQuery{ListParams: p, accountID: accountID, folded: Fold(p.Name), nearby: r.nearby.orgs}
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

func (l listQuery) run(ctx context.Context, q db.Querier) ([]Org, error) {
	indexed := l.folded != "" || l.metadata != ""
	if !indexed && (!l.ofUser() || l.IsActive == nil) {
		found, _, err := l.fetch(ctx, q, orgList(l))
		return found, err
	}
	// Each statement alone gives the whole answer where it counts; the walk's
	// promises need no snapshot common to both.
	found, goesOn, err := l.fetch(ctx, q, orgListNearby(l))
	if err != nil || !goesOn {
		return found, err
	}
	beyond := orgListWalked
	if indexed {
		beyond = orgListIndexed
	}
	found, _, err = l.fetch(ctx, q, beyond(l))
	return found, err
}

// fetch returns what the statement finds, and whether orgListNearby says that the
// walk goes on.
func (l listQuery) fetch(ctx context.Context, q db.Querier, s statement) (found []Org, goesOn bool, err error) {
	rows, err := q.Query(ctx, s.sql, slices.Concat([]any{binaryResults}, s.args)...)
	if err != nil {
		return nil, false, err
	}
	return collectOrgs(rows, l.Limit+1)
}
