package events

import "orgd/internal/db"

// Repository reads events from PostgreSQL. Every method takes an account, and reaches
// only that account's events.
type Repository struct {
	db     *db.Pool
	page   int // the maximum size of a page in bytes
	scan   int // how many events a call with a filter looks at
	shared *sharedReads
}

// NewRepository returns a repository that uses the pool.
func NewRepository(pool *db.Pool) *Repository {
	return &Repository{db: pool, page: MaxPageBytes, scan: maxScan, shared: newSharedReads()}
}
