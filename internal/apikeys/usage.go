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

// usageBatch is how many keys one statement writes the use of.
const usageBatch = 1000

// Usage gathers when keys were used, to the hour, and writes it in batches: a
// request waits for no write.
type Usage struct {
	db      *db.Pool
	mu      sync.Mutex
	pending map[uuid.UUID]int64 // hours since 1970
}

// NewUsage returns one that has gathered nothing.
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

// Flush writes what was gathered. What it cannot write, the next one will.
// Errors: ErrUnavailable.
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
		failed = errors.Join(failed, fmt.Errorf("write when keys were used: %w", err))
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
