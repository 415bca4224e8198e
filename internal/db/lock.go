package db

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"slices"
	"strconv"
	"time"
)

// LockID returns the advisory lock of the parts. It is a hash, so nobody can target a
// lock by choosing an id.
func LockID(parts ...[]byte) int64 {
	digest := sha256.Sum256(slices.Concat(parts...))
	return int64(binary.BigEndian.Uint64(digest[:]))
}

// TryLock takes the advisory lock until the end of q's transaction and reports whether
// it got it. It never waits. All locks of a database share one number space.
func TryLock(ctx context.Context, q Querier, id int64) (bool, error) {
	var locked bool
	err := q.QueryRow(ctx, "SELECT pg_try_advisory_xact_lock($1)", id).Scan(&locked)
	return locked, err
}

// Lock is TryLock, but waits for the lock up to the limit. The limit then bounds the
// transaction's other waits for locks too. After false, the transaction can only be
// rolled back.
func Lock(ctx context.Context, q Querier, id int64, limit time.Duration) (bool, error) {
	_, err := q.Exec(ctx, lockWithin, id, strconv.FormatInt(limit.Milliseconds(), 10))
	if isLockTimeout(err) {
		return false, nil
	}
	return err == nil, err
}

const lockWithin = `
WITH bounded AS MATERIALIZED (
  SELECT set_config('lock_timeout', $2, true)
)
SELECT pg_advisory_xact_lock($1)
FROM bounded`
