package orgs

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"orgd/internal/db"
	"orgd/internal/uuid"
)

// Repository stores organizations in PostgreSQL. Every method that reads or changes them
// takes an account, and reaches only that account's organizations.
type Repository struct {
	db      *db.Pool
	nearby  nearby
	page    int // the maximum size of a page in bytes
	answers *answers

	erasures *erasures
	changed  func(accountID uuid.UUID)
}

// NewRepository returns a repository that uses the pool.
func NewRepository(pool *db.Pool) *Repository {
	return &Repository{db: pool, nearby: usualNearby, page: MaxPageBytes, answers: newAnswers(pool), erasures: newErasures(), changed: func(uuid.UUID) {}}
}

// OnChange sets the function that is called after each change of an account. Call it
// before the repository is used.
func (r *Repository) OnChange(changed func(accountID uuid.UUID)) { r.changed = changed }

// share returns the account's share of the pool, for changes.
func (r *Repository) share(accountID uuid.UUID) db.Share {
	return r.db.For(accountID).AfterWrite(func() { r.changed(accountID) })
}

// Get returns the organization. Errors: ErrNotFound, ErrUnavailable.
func (r *Repository) Get(ctx context.Context, accountID, orgID uuid.UUID) (Org, error) {
	var org Org
	err := r.db.For(accountID).Read(ctx, func(ctx context.Context, q db.Querier) (err error) {
		org, err = getOrg(ctx, q, accountID, orgID)
		return err
	})
	if err != nil {
		return Org{}, fmt.Errorf("get organization: %w", err)
	}
	return org, nil
}

const orgGet = `
SELECT ` + orgColumns + `, version
FROM orgs
WHERE account_id = $1 AND org_id = $2`

func getOrg(ctx context.Context, q db.Querier, accountID, orgID uuid.UUID) (Org, error) {
	rows, err := q.Query(ctx, orgGet, binaryResults, accountID, orgID)
	if err != nil {
		return Org{}, err
	}
	found, err := pgx.CollectRows(rows, scanVersioned)
	if err == nil && len(found) == 0 {
		err = ErrNotFound
	}
	if err != nil {
		return Org{}, err
	}
	return found[0], nil
}
