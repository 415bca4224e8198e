package orgs

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
	// erasePiece is the maximum number of rows that one transaction erases.
	erasePiece = 1000
	// eraseOrgs is the maximum number of organizations in which one transaction erases a
	// user. Each organization takes about four rows.
	eraseOrgs = erasePiece / 4
	// eraseAtOnce is the maximum number of erasures that take turns in Erase.
	eraseAtOnce = 100
)

// EraseUser queues the removal of every trace of the user from the account: in
// memberships, in organizations that the user created, in events and in stored results.
// Erase does the work. pending is true until Erase has finished; call EraseUser again to
// check. Errors: ErrUnavailable.
func (r *Repository) EraseUser(ctx context.Context, c Call, userID string) (pending bool, err error) {
	err = r.db.For(c.AccountID).Write(ctx, func(ctx context.Context, q db.Querier) error {
		return q.QueryRow(ctx, userErasureRequest, c.AccountID, userID, db.OrNull(c.KeyID), c.RequestID).Scan(&pending)
	})
	if err != nil {
		return false, fmt.Errorf("erase user: %w", err)
	}
	if pending {
		r.erasures.wake()
	}
	return pending, nil
}

const userErasureRequest = `
SELECT pending
FROM user_erasure_request_1($1, $2, $3, $4)`

// erasures signals that there are new erasures, and counts the pending ones.
type erasures struct {
	added  chan struct{}
	count  atomic.Int64
	oldest atomic.Pointer[time.Time]
}

func newErasures() *erasures { return &erasures{added: make(chan struct{}, 1)} }

func (e *erasures) wake() {
	select {
	case e.added <- struct{}{}:
	default: // the channel already has a message
	}
}

// Erasing returns a channel that gets a message when this process has queued work for
// Erase.
func (r *Repository) Erasing() <-chan struct{} { return r.erasures.added }

// PendingErasures returns how many deleted organizations and users were not fully erased
// when Erase last looked, and how long the oldest of them has waited.
func (r *Repository) PendingErasures() (count int64, waited time.Duration) {
	if oldest := r.erasures.oldest.Load(); oldest != nil {
		waited = time.Since(*oldest)
	}
	return r.erasures.count.Load(), waited
}

// erasure is a pending erasure of a deleted organization, or of a user.
type erasure struct {
	AccountID   uuid.UUID
	OrgID       *uuid.UUID // nil for a user
	UserID      *string    // nil for an organization
	RequestedAt time.Time
}

func (e erasure) id() string {
	if e.OrgID != nil {
		return string(e.AccountID[:]) + "o" + string(e.OrgID[:])
	}
	return string(e.AccountID[:]) + "u" + *e.UserID
}

// progress is the position of an organization's erasure: the last user and the last event
// that it erased. The position is not stored: after a crash, the next run starts with the
// first remaining row. org_erase_1 goes back to the beginning before it finishes, because
// a failover may have undone what this process erased.
type progress struct {
	user  string
	event int64
}

// Erase carries out the pending erasures, in small transactions. It stops if another
// replica is erasing. Erasures take turns, so that a short one does not wait for a long
// one. The next call retries those that failed. Erase returns the number of transactions.
func (r *Repository) Erase(ctx context.Context) (pieces int, err error) {
	begun := map[string]*progress{}
	failed := map[string]error{}
	for {
		pending, err := r.pendingErasures(ctx)
		if err != nil {
			return pieces, fmt.Errorf("list erasures: %w", err)
		}
		worked := false
		for _, e := range pending {
			id := e.id()
			if failed[id] != nil {
				continue
			}
			if begun[id] == nil {
				begun[id] = &progress{}
			}
			switch locked, err := r.erasePiece(ctx, e, begun[id]); {
			case ctx.Err() != nil:
				return pieces, ctx.Err()
			case err != nil:
				failed[id] = err
			case !locked:
				return pieces, joined(failed)
			default:
				worked = true
				pieces++
			}
		}
		if !worked {
			return pieces, joined(failed)
		}
	}
}

func joined(failed map[string]error) error {
	var all error
	for _, err := range failed {
		all = errors.Join(all, err)
	}
	return all
}

const erasuresPending = `
SELECT account_id, org_id, NULL::text, requested_at
FROM org_erasures
UNION ALL
SELECT account_id, NULL, user_id, requested_at
FROM user_erasures
ORDER BY requested_at
LIMIT $1`

const erasureCount = `
SELECT (SELECT count(*) FROM org_erasures) + (SELECT count(*) FROM user_erasures)`

func (r *Repository) pendingErasures(ctx context.Context) (pending []erasure, err error) {
	var all int64
	err = r.db.Read(ctx, func(ctx context.Context, q db.Querier) error {
		if err := q.QueryRow(ctx, erasureCount).Scan(&all); err != nil {
			return err
		}
		rows, err := q.Query(ctx, erasuresPending, eraseAtOnce)
		if err != nil {
			return err
		}
		pending, err = pgx.CollectRows(rows, pgx.RowToStructByPos[erasure])
		return err
	})
	if err != nil {
		return nil, err
	}
	r.erasures.count.Store(all)
	r.erasures.oldest.Store(nil)
	if len(pending) > 0 {
		r.erasures.oldest.Store(&pending[0].RequestedAt)
	}
	return pending, nil
}

// erasePiece runs one transaction of an erasure. If another replica is erasing, locked is
// false and nothing is erased.
func (r *Repository) erasePiece(ctx context.Context, e erasure, p *progress) (locked bool, err error) {
	next := *p
	err = r.db.WriteTx(ctx, func(ctx context.Context, q db.Querier) (err error) {
		if locked, err = db.TryLock(ctx, q, eraseLock); err != nil || !locked {
			return err
		}
		if e.OrgID == nil {
			_, err = q.Exec(ctx, userErase, e.AccountID, *e.UserID, eraseOrgs)
			return err
		}
		return q.QueryRow(ctx, orgErase, e.AccountID, *e.OrgID, p.user, p.event, erasePiece).Scan(&next.user, &next.event)
	})
	if err != nil {
		return locked, fmt.Errorf("erase: %w", err)
	}
	*p = next
	if locked {
		r.changed(e.AccountID)
	}
	return locked, nil
}

const eraseLock = 0x6f7267642d657261 // "orgd-era"

const orgErase = `
SELECT next_user, next_event
FROM org_erase_1($1, $2, $3, $4, $5)`

const userErase = `
SELECT done
FROM user_erase_1($1, $2, $3)`
