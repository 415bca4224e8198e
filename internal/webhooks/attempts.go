package webhooks

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"orgd/internal/db"
	"orgd/internal/uuid"
)

const (
	attemptsList = `
SELECT attempted_at, mark, position, type, status, milliseconds, error
FROM webhook_attempts
WHERE account_id = $1 AND webhook_id = $2
ORDER BY number DESC`

	attemptCount = `
UPDATE webhooks
SET attempts = attempts + 1
WHERE account_id = $1 AND id = $2
RETURNING attempts`

	attemptKeep = `
INSERT INTO webhook_attempts (account_id, webhook_id, slot, number, attempted_at, mark, position, type, status, milliseconds, error)
VALUES ($1, $2, $3::bigint % 100, $3, $4, $5, $6, $7, $8, $9, $10)
ON CONFLICT (account_id, webhook_id, slot) DO UPDATE
SET number = excluded.number, attempted_at = excluded.attempted_at, mark = excluded.mark, position = excluded.position,
    type = excluded.type, status = excluded.status, milliseconds = excluded.milliseconds, error = excluded.error`
)

// Attempts returns the last attempts to deliver to the endpoint, at most KeptAttempts,
// newest first. Errors: ErrNotFound, ErrUnavailable.
func (r *Repository) Attempts(ctx context.Context, accountID, id uuid.UUID) (found []Attempt, err error) {
	err = r.db.For(accountID).Read(ctx, func(ctx context.Context, q db.Querier) error {
		if _, err := oneWebhook(q.Query(ctx, webhookGet, accountID, id)); err != nil {
			return err
		}
		rows, err := q.Query(ctx, attemptsList, accountID, id)
		if err != nil {
			return err
		}
		found, err = pgx.CollectRows(rows, scanAttempt)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list attempts: %w", err)
	}
	return found, nil
}

func scanAttempt(row pgx.CollectableRow) (a Attempt, err error) {
	var mark []byte
	var position *int64
	var status *int
	var milliseconds int64
	var failure *Failure
	err = row.Scan(&a.At, &mark, &position, &a.Type, &status, &milliseconds, &failure)
	copy(a.EventID[:], mark)
	a.Position, a.Status, a.Failure = db.OrZero(position), db.OrZero(status), db.OrZero(failure)
	a.Took = time.Duration(milliseconds) * time.Millisecond
	return a, err
}

// keepAttempt stores an attempt that no worker made.
func (r *Repository) keepAttempt(ctx context.Context, accountID, id uuid.UUID, a Attempt) error {
	err := r.db.For(accountID).WriteTx(ctx, func(ctx context.Context, q db.Querier) error {
		var number int64
		if err := q.QueryRow(ctx, attemptCount, accountID, id).Scan(&number); err != nil {
			return err
		}
		_, err := q.Exec(ctx, attemptKeep, accountID, id, number, a.At, a.EventID[:], db.OrNull(a.Position), a.Type,
			db.OrNull(a.Status), a.Took.Milliseconds(), db.OrNull(a.Failure))
		return err
	})
	if errors.Is(err, db.ErrNoRows) {
		err = ErrNotFound
	}
	return err
}
