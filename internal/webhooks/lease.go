package webhooks

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"orgd/internal/db"
	"orgd/internal/events"
	"orgd/internal/uuid"
)

// candidate is an endpoint that a worker may take.
type candidate struct {
	accountID uuid.UUID
	id        uuid.UUID
	term      int64
	failures  int
	worker    *uuid.UUID // the worker that holds the endpoint; nil for none
}

func scanCandidate(row pgx.CollectableRow) (c candidate, err error) {
	err = row.Scan(&c.accountID, &c.id, &c.term, &c.failures, &c.worker)
	return c, err
}

// The statements that find candidates look at all accounts, and return the account of each
// endpoint.
const (
	// webhooksDue returns the endpoints to try now. Those that are not failing come first,
	// and do not wait. No wait is longer than $2 seconds. An endpoint that seems to wait
	// longer is tried at once: the database's clock has stepped back, or the clock of a new
	// primary is behind.
	webhooksDue = `
SELECT account_id, id, term, failures, worker
FROM webhooks
WHERE due_at IS NOT NULL AND (failures = 0 OR due_at <= now() OR due_at > now() + make_interval(secs => $2)) AND worker IS NULL
  AND NOT EXISTS (SELECT FROM accounts WHERE accounts.id = webhooks.account_id AND suspended_at IS NOT NULL)
ORDER BY failures > 0, due_at
LIMIT $1`

	// webhooksLeft returns the endpoints of workers whose lease has expired. A lease that
	// seems to last longer than $2 seconds was written before the database's clock stepped
	// back. Its worker is dead, or will renew the lease within moments.
	webhooksLeft = `
SELECT account_id, id, term, failures, worker
FROM webhooks
WHERE worker IS NOT NULL AND disabled_at IS NULL
  AND NOT EXISTS (SELECT FROM webhook_workers WHERE webhook_workers.id = worker
    AND alive_until > now() AND alive_until <= now() + make_interval(secs => $2))
  AND NOT EXISTS (SELECT FROM accounts WHERE accounts.id = webhooks.account_id AND suspended_at IS NOT NULL)
LIMIT $1`

	// webhooksOwn returns the endpoints of a worker. An endpoint to which the worker does
	// not deliver is left over from a release that failed.
	webhooksOwn = `
SELECT account_id, id, term, failures, worker
FROM webhooks
WHERE worker = $2 AND disabled_at IS NULL
LIMIT $1`

	// webhooksOf returns the idle endpoints of the accounts in $1, which have new events.
	webhooksOf = `
SELECT account_id, id, term, failures, worker
FROM webhooks
WHERE account_id = ANY ($1) AND worker IS NULL AND due_at IS NULL AND disabled_at IS NULL
  AND NOT EXISTS (SELECT FROM accounts WHERE accounts.id = webhooks.account_id AND suspended_at IS NOT NULL)
LIMIT $2`

	// webhooksBehind looks at the next $3 endpoints after ($1, $2), and returns for each
	// whether it is idle although there are events for it.
	webhooksBehind = `
SELECT account_id, id, term, failures,
    worker IS NULL AND due_at IS NULL AND disabled_at IS NULL
    AND NOT EXISTS (SELECT FROM accounts WHERE accounts.id = seen.account_id AND suspended_at IS NOT NULL) AND (
        EXISTS (SELECT FROM events WHERE events.account_id = seen.account_id AND events.position IS NULL)
        OR EXISTS (SELECT FROM feeds WHERE feeds.account_id = seen.account_id AND last_position > seen.position))
FROM (
    SELECT account_id, id, term, failures, worker, due_at, disabled_at, position
    FROM webhooks
    WHERE (account_id, id) > ($1, $2)
    ORDER BY account_id, id
    LIMIT $3
) AS seen
ORDER BY account_id, id`

	// The term changes with each lease, so only one of two workers that found the same
	// candidate gets it. If a worker has released the candidate since, the endpoint may have
	// to wait, so nobody gets it.
	webhookTake = `
UPDATE webhooks
SET worker = $4, term = term + 1, due_at = NULL
WHERE account_id = $1 AND id = $2 AND term = $3 AND worker IS NOT DISTINCT FROM $5 AND disabled_at IS NULL
  AND EXISTS (SELECT FROM webhook_workers WHERE webhook_workers.id = $4 AND alive_until > now())
  AND NOT EXISTS (SELECT FROM accounts WHERE accounts.id = $1 AND suspended_at IS NOT NULL)
RETURNING ` + endpointColumns

	webhookRead = `
SELECT ` + endpointColumns + `
FROM webhooks
WHERE account_id = $1 AND id = $2`

	endpointColumns = `url, types, secret, CASE WHEN old_secret_until > now() THEN old_secret END, ` +
		`coalesce(extract(epoch FROM old_secret_until - now()), 0)::float8, version, position, mark, generation, term, failures`

	workerAlive = `
INSERT INTO webhook_workers (id, alive_until)
VALUES ($1, now() + make_interval(secs => $2))
ON CONFLICT (id) DO UPDATE SET alive_until = excluded.alive_until`

	// workersForget deletes worker $1, and the workers whose lease expired over an hour ago,
	// unless an endpoint still refers to them.
	workersForget = `
DELETE FROM webhook_workers
WHERE (id = $1 OR alive_until < now() - interval '1 hour')
  AND NOT EXISTS (SELECT account_id FROM webhooks WHERE worker = webhook_workers.id)`
)

// endpoint is what a worker needs to know about an endpoint.
type endpoint struct {
	url        string
	types      []string
	secret     Secret
	oldSecret  Secret    // signs too until oldUntil
	oldUntil   time.Time // by this server's clock
	version    int64
	place      events.Place
	generation int64
	term       int64
	failures   int
}

func readEndpoint(ctx context.Context, q db.Querier, sql string, args ...any) (e endpoint, err error) {
	var mark []byte
	var overlap float64
	read := time.Now()
	err = q.QueryRow(ctx, sql, args...).Scan(&e.url, &e.types, &e.secret.key, &e.oldSecret.key, &overlap, &e.version, &e.place.Position, &mark, &e.generation, &e.term, &e.failures)
	copy(e.place.ID[:], mark)
	e.oldUntil = read.Add(time.Duration(overlap * float64(time.Second)))
	return e, err
}

// secrets returns the secrets that sign now.
func (e *endpoint) secrets() []Secret {
	if e.oldSecret.key != nil && time.Now().Before(e.oldUntil) {
		return []Secret{e.secret, e.oldSecret}
	}
	return []Secret{e.secret}
}

// take leases an endpoint to the worker. ok is false if another worker has taken the
// endpoint in the meantime, if a worker has released it, or if the endpoint must not get
// events now.
func (r *Repository) take(ctx context.Context, worker uuid.UUID, c candidate) (e endpoint, ok bool, err error) {
	err = r.db.For(c.accountID).Write(ctx, func(ctx context.Context, q db.Querier) (err error) {
		e, err = readEndpoint(ctx, q, webhookTake, c.accountID, c.id, c.term, worker, c.worker)
		return err
	})
	if errors.Is(err, db.ErrNoRows) {
		return endpoint{}, false, nil
	}
	return e, err == nil, err
}

// read returns the current state of an endpoint. Errors: ErrNotFound, ErrUnavailable.
func (r *Repository) read(ctx context.Context, accountID, id uuid.UUID) (e endpoint, err error) {
	err = r.db.For(accountID).Read(ctx, func(ctx context.Context, q db.Querier) (err error) {
		e, err = readEndpoint(ctx, q, webhookRead, accountID, id)
		return err
	})
	if errors.Is(err, db.ErrNoRows) {
		err = ErrNotFound
	}
	return e, err
}

// due returns the endpoints to try now, those of dead workers, and those of this worker.
// life is the length of a worker's lease.
func (r *Repository) due(ctx context.Context, worker uuid.UUID, life time.Duration, most int) (found []candidate, err error) {
	err = r.db.Read(ctx, func(ctx context.Context, q db.Querier) error {
		now, err := candidates(q.Query(ctx, webhooksDue, most, longestWait.Seconds()))
		if err != nil {
			return err
		}
		left, err := candidates(q.Query(ctx, webhooksLeft, most, (2 * life).Seconds()))
		if err != nil {
			return err
		}
		own, err := candidates(q.Query(ctx, webhooksOwn, most, worker))
		found = slices.Concat(now, left, own)
		return err
	})
	return found, err
}

// waiting returns the idle endpoints of the accounts: those that are enabled, that no
// worker holds, and that are not waiting for a retry. It skips suspended accounts.
func (r *Repository) waiting(ctx context.Context, accounts []uuid.UUID, most int) (found []candidate, err error) {
	err = r.db.Read(ctx, func(ctx context.Context, q db.Querier) (err error) {
		found, err = candidates(q.Query(ctx, webhooksOf, accounts, most))
		return err
	})
	return found, err
}

// behind looks at the next endpoints after the given one, and returns those that are idle
// although there are events for them. last is the last endpoint that behind looked at, or
// zero if it has reached the end.
func (r *Repository) behind(ctx context.Context, after candidate, most int) (found []candidate, last candidate, err error) {
	err = r.db.Read(ctx, func(ctx context.Context, q db.Querier) error {
		found, last = nil, candidate{}
		rows, err := q.Query(ctx, webhooksBehind, after.accountID, after.id, most)
		if err != nil {
			return err
		}
		seen := 0
		var c candidate
		var isBehind bool
		_, err = pgx.ForEachRow(rows, []any{&c.accountID, &c.id, &c.term, &c.failures, &isBehind}, func() error {
			if seen++; seen == most {
				last = c
			}
			if isBehind {
				found = append(found, c)
			}
			return nil
		})
		return err
	})
	return found, last, err
}

func candidates(rows pgx.Rows, err error) ([]candidate, error) {
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, scanCandidate)
}

// stayAlive renews the worker's lease.
func (r *Repository) stayAlive(ctx context.Context, worker uuid.UUID, life time.Duration) error {
	return r.db.Write(ctx, func(ctx context.Context, q db.Querier) error {
		_, err := q.Exec(ctx, workerAlive, worker, life.Seconds())
		return err
	})
}

// forget deletes the worker, and other workers whose lease expired long ago.
func (r *Repository) forget(ctx context.Context, worker uuid.UUID) error {
	err := r.db.Write(ctx, func(ctx context.Context, q db.Querier) error {
		_, err := q.Exec(ctx, workersForget, worker)
		return err
	})
	if err != nil {
		return fmt.Errorf("delete webhook worker: %w", err)
	}
	return nil
}
