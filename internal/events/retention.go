package events

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"

	"orgd/internal/db"
	"orgd/internal/uuid"
)

const (
	// removeTurn is how many transactions may delete events of one account before the next
	// account gets its turn.
	removeTurn = 100
	// accountPiece is how many accounts one statement looks at.
	accountPiece = 1000
)

// Retention deletes events because of their age. It deletes from the beginning of each
// account's feed, and never from the middle, so a reader notices if it has missed any.
type Retention struct {
	db    *db.Pool
	keep  time.Duration
	turns int // see removeTurn

	onRemoved func(ctx context.Context, accountID uuid.UUID, after, upTo int64)
	removed   atomic.Int64
	oldest    atomic.Pointer[time.Time]
}

// NewRetention returns a Retention that keeps each event for at least the given time.
func NewRetention(pool *db.Pool, keep time.Duration) *Retention {
	return &Retention{db: pool, keep: keep, turns: removeTurn, onRemoved: func(context.Context, uuid.UUID, int64, int64) {}}
}

// OnRemoved makes Run call fn after it has deleted events of an account: those with
// positions greater than after and at most upTo. Call OnRemoved before Run.
func (t *Retention) OnRemoved(fn func(ctx context.Context, accountID uuid.UUID, after, upTo int64)) {
	t.onRemoved = fn
}

// Removed returns how many events this process has deleted.
func (t *Retention) Removed() int64 { return t.removed.Load() }

// OldestAge returns the age of the oldest event of all accounts when Run last looked, or
// 0 if there was none.
func (t *Retention) OldestAge() time.Duration {
	if oldest := t.oldest.Load(); oldest != nil {
		return time.Since(*oldest)
	}
	return 0
}

// Run deletes the old events of all accounts, in small transactions, and returns how many
// it deleted. It stops if another replica is doing the same. Accounts take turns. If an
// account fails, Run continues with the others, unless several in a row are unavailable.
// The next Run tries again.
func (t *Retention) Run(ctx context.Context) (deleted int64, err error) {
	waiting, oldest, err := t.look(ctx)
	if err != nil {
		return 0, fmt.Errorf("look for old events: %w", err)
	}
	var failed error
	unavailable := 0 // accounts in a row
	for len(waiting) > 0 {
		var again []uuid.UUID
		for _, accountID := range waiting {
			done, err := t.turn(ctx, accountID)
			deleted += done.deleted
			switch {
			case ctx.Err() != nil:
				return deleted, ctx.Err()
			case errors.Is(err, errOtherReplica):
				return deleted, failed
			case errors.Is(err, ErrUnavailable) && unavailable >= 2: // the cause is not just locked rows of one account
				return deleted, errors.Join(failed, err)
			case err != nil:
				failed = errors.Join(failed, err)
				if errors.Is(err, ErrUnavailable) {
					unavailable++
				}
				continue
			case done.more:
				again = append(again, accountID)
			default:
				oldest = earlier(oldest, done.oldest)
			}
			unavailable = 0
		}
		waiting = again
	}
	if failed == nil {
		t.oldest.Store(oldest)
	}
	return deleted, failed
}

func earlier(a, b *time.Time) *time.Time {
	if a == nil || b != nil && b.Before(*a) {
		return b
	}
	return a
}

// look returns the accounts whose oldest event is old, and the time of the oldest event
// of the other accounts.
func (t *Retention) look(ctx context.Context) (old []uuid.UUID, oldest *time.Time, err error) {
	var after uuid.UUID
	for {
		page, err := t.oldestAfter(ctx, after)
		if err != nil {
			return nil, nil, err
		}
		for _, o := range page {
			if o.IsOld {
				old = append(old, o.AccountID)
			} else {
				oldest = earlier(oldest, o.OccurredAt)
			}
		}
		if len(page) < accountPiece {
			return old, oldest, nil
		}
		after = page[len(page)-1].AccountID
	}
}

// oldestEvent says when the oldest event of an account occurred.
type oldestEvent struct {
	AccountID  uuid.UUID
	OccurredAt *time.Time // nil if the account has no events
	IsOld      bool
}

// oldestOfAccounts reads one event of each account: the first of its feed, or if no event
// has a position, the first that was written.
const oldestOfAccounts = `
SELECT walked.id, oldest.occurred_at, coalesce(oldest.occurred_at < now() - $2::interval, false)
FROM (SELECT id FROM accounts WHERE id > $1 ORDER BY id LIMIT $3) AS walked
LEFT JOIN feeds ON feeds.account_id = walked.id
LEFT JOIN LATERAL (
    (SELECT occurred_at FROM events
     WHERE account_id = walked.id AND position > coalesce(feeds.removed_position, 0)
     ORDER BY position LIMIT 1)
    UNION ALL
    (SELECT occurred_at FROM events
     WHERE account_id = walked.id AND position IS NULL
     ORDER BY id LIMIT 1)
    LIMIT 1
) AS oldest ON true
ORDER BY walked.id`

func (t *Retention) oldestAfter(ctx context.Context, after uuid.UUID) (page []oldestEvent, err error) {
	err = t.db.Read(ctx, func(ctx context.Context, q db.Querier) error {
		rows, err := q.Query(ctx, oldestOfAccounts, after, t.keep, accountPiece)
		if err != nil {
			return err
		}
		page, err = pgx.CollectRows(rows, pgx.RowToStructByPos[oldestEvent])
		return err
	})
	return page, err
}

// turn deletes old events of the account, in a limited number of transactions.
func (t *Retention) turn(ctx context.Context, accountID uuid.UUID) (all removal, err error) {
	for range t.turns {
		piece, err := t.remove(ctx, accountID)
		if err != nil {
			return all, fmt.Errorf("delete old events of account %s: %w", accountID, err)
		}
		all.deleted += piece.deleted
		if all.more, all.oldest = piece.more, piece.oldest; !all.more {
			break
		}
	}
	return all, nil
}
