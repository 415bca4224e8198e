package webhooks

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"orgd/internal/cursor"
	"orgd/internal/db"
	"orgd/internal/events"
	"orgd/internal/uuid"
)

// Repository stores endpoints in PostgreSQL. Every method for a client takes an account,
// and reaches only that account's endpoints.
type Repository struct {
	db      *db.Pool
	feed    *events.Repository
	sender  *Sender
	limit   int // endpoints of an account; 0 for no limit
	changed func(accountID uuid.UUID)
}

// NewRepository returns a repository that uses the pool, without a limit on the number of
// endpoints. The Test method sends its messages with sender.
func NewRepository(pool *db.Pool, feed *events.Repository, sender *Sender) *Repository {
	return &Repository{db: pool, feed: feed, sender: sender, changed: func(uuid.UUID) {}}
}

// WithLimit returns a repository that limits the number of endpoints of an account. 0
// means no limit.
func (r *Repository) WithLimit(perAccount int) *Repository {
	limited := *r
	limited.limit = perAccount
	return &limited
}

// OnChange sets the function that is called after each change that wrote an event. Call it
// before the repository is used.
func (r *Repository) OnChange(changed func(accountID uuid.UUID)) { r.changed = changed }

// CheckURL returns an error if no endpoint can have the URL; see Targets.CheckURL.
func (r *Repository) CheckURL(url string) error { return r.sender.targets.CheckURL(url) }

// ListParams select a page of an account's endpoints.
type ListParams struct {
	Limit  int    // 1 to cursor.MaxLimit
	Cursor string // Page.Cursor of the previous page; empty for the first page
}

// Page is one page of an account's endpoints, newest first.
type Page struct {
	Webhooks []Webhook
	Cursor   string // for the next page; empty on the last page
}

const webhookColumns = `id, url, description, types, created_at, created_by_api_key_id, disabled_at, disabled_reason, ` +
	`CASE WHEN old_secret_until > statement_timestamp() THEN old_secret_until END, ` +
	`position, failures, failing_since, CASE WHEN failures > 0 THEN due_at END`

// The first page and the later pages have separate statements. One statement with
// "$3 IS NULL OR …" would filter rows instead of seeking in the index.
const (
	webhookList = `
SELECT ` + webhookColumns + `
FROM webhooks
WHERE account_id = $1
ORDER BY created_at DESC, id DESC
LIMIT $2`

	webhookListNext = `
SELECT ` + webhookColumns + `
FROM webhooks
WHERE account_id = $1 AND (created_at, id) < ($3, $4)
ORDER BY created_at DESC, id DESC
LIMIT $2`

	webhookGet = `
SELECT ` + webhookColumns + `
FROM webhooks
WHERE account_id = $1 AND id = $2`
)

// List returns a page of the account's endpoints. Errors: ErrInvalidCursor,
// ErrUnavailable.
func (r *Repository) List(ctx context.Context, accountID uuid.UUID, p ListParams) (Page, error) {
	pages := cursor.List[Webhook]{
		Scope: append([]byte("webhooks\x00"), accountID[:]...),
		First: webhookList,
		Next:  webhookListNext,
		Read: func(ctx context.Context, sql string, args ...any) ([]Webhook, error) {
			return list(ctx, r.db.For(accountID), sql, args...)
		},
		PositionOf: func(w Webhook) cursor.Position { return cursor.Position{CreatedAt: w.CreatedAt, ID: w.ID} },
	}
	found, next, err := pages.Page(ctx, p.Limit, p.Cursor, accountID)
	if errors.Is(err, cursor.ErrInvalid) {
		err = ErrInvalidCursor
	}
	return Page{Webhooks: found, Cursor: next}, err
}

func list(ctx context.Context, share db.Share, sql string, args ...any) (found []Webhook, err error) {
	err = share.Read(ctx, func(ctx context.Context, q db.Querier) error {
		rows, err := q.Query(ctx, sql, args...)
		if err != nil {
			return err
		}
		found, err = pgx.CollectRows(rows, scanWebhook)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list webhooks: %w", err)
	}
	return found, nil
}

// Get returns an endpoint of the account. Errors: ErrNotFound, ErrUnavailable.
func (r *Repository) Get(ctx context.Context, accountID, id uuid.UUID) (found Webhook, err error) {
	err = r.db.For(accountID).Read(ctx, func(ctx context.Context, q db.Querier) (err error) {
		found, err = oneWebhook(q.Query(ctx, webhookGet, accountID, id))
		return err
	})
	if err != nil {
		return Webhook{}, fmt.Errorf("find webhook: %w", err)
	}
	return found, nil
}

// oneWebhook returns the single row of a query, or ErrNotFound.
func oneWebhook(rows pgx.Rows, err error) (Webhook, error) {
	if err != nil {
		return Webhook{}, err
	}
	found, err := db.One(rows, scanWebhook)
	if errors.Is(err, db.ErrNoRows) {
		err = ErrNotFound
	}
	return found, err
}

func scanWebhook(row pgx.CollectableRow) (w Webhook, err error) {
	var creator *uuid.UUID
	var disabledAt, oldSecretUntil, failingSince, nextAttemptAt *time.Time
	var reason *Reason
	err = row.Scan(&w.ID, &w.URL, &w.Description, &w.Types, &w.CreatedAt, &creator, &disabledAt, &reason, &oldSecretUntil,
		&w.Position, &w.Failures, &failingSince, &nextAttemptAt)
	w.CreatedByAPIKeyID = db.OrZero(creator)
	w.DisabledAt, w.DisabledReason = db.OrZero(disabledAt), db.OrZero(reason)
	w.OldSecretUntil = db.OrZero(oldSecretUntil)
	w.FailingSince, w.NextAttemptAt = db.OrZero(failingSince), db.OrZero(nextAttemptAt)
	return w, err
}
