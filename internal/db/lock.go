package db

import "context"

// TryLock takes the advisory lock until the end of the transaction that q runs
// in, and says whether it could: it never waits. The locks of a database share
// one space of numbers.
func TryLock(ctx context.Context, q Querier, id int64) (bool, error) {
	var locked bool
	err := q.QueryRow(ctx, "SELECT pg_try_advisory_xact_lock($1)", id).Scan(&locked)
	return locked, err
}
