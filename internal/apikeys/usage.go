package apikeys

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"orgd/internal/db"
	"orgd/internal/uuid"
)

// The rows are locked in the order of their ids, so two statements that write the same
// keys do not deadlock.
const apiKeyUsed = `
WITH used AS MATERIALIZED (
  SELECT api_keys.id, given.at
  FROM unnest($1::uuid[], $2::timestamptz[]) AS given (id, at)
  JOIN api_keys USING (id)
  WHERE last_used_at IS NULL OR last_used_at < given.at
  ORDER BY api_keys.id
  FOR NO KEY UPDATE OF api_keys
)
UPDATE api_keys
SET last_used_at = greatest(last_used_at, used.at)
FROM used
WHERE api_keys.id = used.id`

// usageBatch is the maximum number of keys that one statement writes.
const usageBatch = 1000

// Usage collects the hour in which each key was last used, and writes these hours in
// batches, so that no request waits for a write.
type Usage struct {
	db      *db.Pool
	mu      sync.Mutex
	pending map[uuid.UUID]int64 // hours since 1970
}

// NewUsage returns an empty Usage.
func NewUsage(pool *db.Pool) *Usage {
	return &Usage{db: pool, pending: map[uuid.UUID]int64{}}
}

func hourOf(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.Unix() / int64(time.Hour/time.Second)
}

func (u *Usage) note(key uuid.UUID, hour int64) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.pending[key] = max(u.pending[key], hour)
}

// Flush writes the collected hours. The next Flush retries those that could not be
// written. Errors: ErrUnavailable.
func (u *Usage) Flush(ctx context.Context) error {
	u.mu.Lock()
	pending := u.pending
	u.pending = map[uuid.UUID]int64{}
	u.mu.Unlock()

	var failed error
	for batch := range slices.Chunk(slices.Collect(maps.Keys(pending)), usageBatch) {
		err := u.write(ctx, batch, pending)
		if err == nil {
			continue
		}
		failed = errors.Join(failed, fmt.Errorf("write the last use of keys: %w", err))
		for _, key := range batch {
			u.note(key, pending[key])
		}
	}
	return failed
}

func (u *Usage) write(ctx context.Context, keys []uuid.UUID, hours map[uuid.UUID]int64) error {
	times := make([]time.Time, len(keys))
	for i, key := range keys {
		times[i] = time.Unix(hours[key]*int64(time.Hour/time.Second), 0)
	}
	return u.db.Write(ctx, func(ctx context.Context, q db.Querier) error {
		_, err := q.Exec(ctx, apiKeyUsed, keys, times)
		return err
	})
}
