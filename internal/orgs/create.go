package orgs

import (
	"context"
	"encoding/binary"
	"fmt"

	"github.com/jackc/pgx/v5"

	"orgd/internal/db"
	"orgd/internal/uuid"
)

// NewOrg is an organization to create.
type NewOrg struct {
	Name     string // as ValidName returns it
	Metadata map[string]string
}

// Create creates an organization. If the client counts its retries and sends no
// idempotency key, a retry returns the organization of an equal call in the last 10
// minutes whose answer is known to be lost. Errors: ErrInProgress, ErrKeyReused,
// ErrUnavailable.
func (r *Repository) Create(ctx context.Context, c Call, n NewOrg) (Changed, error) {
	const operation = "create organization"
	creation, err := r.newCreation(c, n)
	if err != nil {
		return Changed{}, fmt.Errorf("%s: %w", operation, err)
	}
	if creation.due == nil {
		return r.change(ctx, r.db.For(c.AccountID), c, operation, createRequest{creation.name, creation.metadata}, creation.run)
	}
	made, err := r.answers.create(ctx, creation)
	if err != nil {
		return Changed{}, fmt.Errorf("%s: %w", operation, err)
	}
	return made, nil
}

// creation is everything that the statement needs to create an organization.
type creation struct {
	Call
	orgID    uuid.UUID
	name     string
	metadata string
	due      *answer // nil unless the call may be retried without an idempotency key
	owner    int64   // of due
}

func (r *Repository) newCreation(c Call, n NewOrg) (creation, error) {
	metadata, err := encodeMetadata(n.Metadata)
	if err != nil {
		return creation{}, err
	}
	made := creation{Call: c, orgID: uuid.NewV7(), name: n.Name, metadata: metadata, owner: r.answers.owner}
	if c.IdempotencyKey != "" || !c.CountsRetries {
		return made, nil
	}
	digest, err := digestOf(c, createRequest{n.Name, metadata})
	if err != nil {
		return creation{}, err
	}
	made.due = &answer{accountID: c.AccountID, digest: digest, callID: uuid.NewV7(), orgID: made.orgID}
	return made, nil
}

// lockID is the lock of equal creations: each creation holds it shared, and a retry that
// looks for earlier ones holds it exclusively.
func (c creation) lockID() int64 { return int64(binary.BigEndian.Uint64(c.due.digest[:])) }

const orgCreate = `
SELECT ` + orgColumns + `, version
FROM org_create_1($1, $2, $3, $4, $5, NULL, $6, $7, $8, $9, $10, $11, $12)`

func (c creation) run(ctx context.Context, q db.Querier) (Org, error) {
	args := []any{
		binaryResults, c.AccountID, c.orgID, c.name, Fold(c.name), c.metadata,
		orNull(c.KeyID), orNull(c.UserID), c.RequestID,
	}
	if c.due == nil {
		args = append(args, nil, nil, nil, nil)
	} else {
		args = append(args, c.lockID(), c.due.digest[:], c.due.callID, c.owner)
	}
	rows, err := q.Query(ctx, orgCreate, args...)
	if err != nil {
		return Org{}, err
	}
	return pgx.CollectExactlyOneRow(rows, scanVersioned)
}

// create serves a call that may be retried without an idempotency key: it creates an
// organization, or returns that of an equal call.
func (a *answers) create(ctx context.Context, c creation) (Changed, error) {
	if c.IsRetry {
		if found, changed, err := a.findLost(ctx, c); err != nil || found {
			return changed, err
		}
	}
	var org Org
	begun := false
	err := a.db.For(c.AccountID).Write(ctx, func(ctx context.Context, q db.Querier) (err error) {
		begun = true
		// Wait for the outcome even if the client has disconnected.
		ctx, cancel := untilDeadline(ctx)
		defer cancel()
		org, err = c.run(ctx, q)
		return err
	})
	if err != nil {
		if begun { // the commit may have succeeded
			a.lost.add(*c.due)
		}
		return Changed{}, err
	}
	return a.settle(ctx, *c.due, org, false)
}

// untilDeadline returns a context that has the deadline of ctx but not its cancellation.
func untilDeadline(ctx context.Context) (context.Context, context.CancelFunc) {
	detached := context.WithoutCancel(ctx)
	if deadline, ok := ctx.Deadline(); ok {
		return context.WithDeadline(detached, deadline)
	}
	return context.WithCancel(detached)
}
