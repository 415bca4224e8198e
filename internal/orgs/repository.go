package orgs

import (
	"context"
	"fmt"
	"strings"
	"unicode"

	"orgd/internal/cursor"
	"orgd/internal/db"
	"orgd/internal/uuid"
)

// Repository keeps organizations in PostgreSQL. Every method takes the account,
// and sees nothing of any other.
type Repository struct{ db *db.Pool }

// NewRepository returns a repository on the pool.
func NewRepository(pool *db.Pool) *Repository { return &Repository{db: pool} }

// List returns a page, ordered by creation and then by id, newest first. A walk
// from page to page sees no organization twice, and sees exactly once each that
// was there before its first page, was not deleted and kept matching. Errors:
// ErrInvalidCursor, ErrUnavailable.
func (r *Repository) List(ctx context.Context, accountID uuid.UUID, p ListParams) (Page, error) {
	if p.Limit < 1 || p.Limit > MaxLimit {
		return Page{}, fmt.Errorf("orgs: limit %d is not in 1–%d", p.Limit, MaxLimit)
	}
	query := listQuery{ListParams: p, accountID: accountID, folded: Fold(p.Name)}
	if p.Cursor != "" {
		after, err := cursor.Decode(p.Cursor, p.scope(accountID))
		if err != nil {
			return Page{}, ErrInvalidCursor
		}
		query.after = &after
	}
	var found []Org
	err := r.db.Read(ctx, func(ctx context.Context, q db.Querier) (err error) {
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
}

func (l listQuery) run(ctx context.Context, q db.Querier) ([]Org, error) {
	if l.Name == "" {
		return l.fetch(ctx, q, orgList(l))
	}
	// Each statement alone gives the whole answer if it fills the page; the walk's
	// promises need no snapshot common to both.
	found, err := l.fetch(ctx, q, orgListNearby(l))
	if err != nil || len(found) > l.Limit {
		return found, err
	}
	if hasTrigram(l.folded) {
		return l.fetch(ctx, q, orgListIndexed(l))
	}
	return l.fetch(ctx, q, orgListWalked(l))
}

func (l listQuery) fetch(ctx context.Context, q db.Querier, s statement) ([]Org, error) {
	rows, err := q.Query(ctx, s.sql, append([]any{binaryResults}, s.args...)...)
	if err != nil {
		return nil, err
	}
	return collectOrgs(rows, l.Limit+1)
}

// namePattern is the LIKE pattern for names that contain the filter literally.
func (l listQuery) namePattern() string {
	return "%" + likeLiteral.Replace(l.folded) + "%"
}

var likeLiteral = strings.NewReplacer(`\`, `\\`, `%`, `\%`, `_`, `\_`)

// hasTrigram says whether pg_trgm can look s up: it takes three letters or
// digits in a row. (Which of the letters beyond ASCII it knows depends on the
// database's locale. It only costs time to be wrong.)
func hasTrigram(s string) bool {
	run := 0
	for _, r := range s {
		if !unicode.IsLetter(r) && !unicode.IsDigit(r) {
			run = 0
			continue
		}
		if run++; run == 3 {
			return true
		}
	}
	return false
}
