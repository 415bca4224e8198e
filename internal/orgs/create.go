package orgs

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"orgd/internal/db"
	"orgd/internal/uuid"
)

// NewOrg is an organization to create.
type NewOrg struct {
	Name       string // as ValidName returns it
	Metadata   map[string]string
	ExternalID string // unique in the account; empty for none
	Import     *Import
}

// Import has additional fields for an organization that comes from another system. A zero
// field gets the value that it has without an import.
type Import struct {
	OrgID           uuid.UUID
	CreatedAt       time.Time // whole microseconds, not in the future
	Inactive        bool
	CreatedByUserID string
}

// Create creates an organization. If the client counts its retries and sends no
// idempotency key, a retry returns the organization of an identical call in the last 10
// minutes, provided that the response to that call is known to be lost. Errors:
// ExternalIDTakenError, ErrInProgress, ErrKeyReused, ErrUnavailable, and for an import
// ErrOrgIDTaken and ErrFuture.
func (r *Repository) Create(ctx context.Context, c Call, n NewOrg) (Changed, error) {
	const operation = "create organization"
	creation, err := r.newCreation(c, n)
	if err != nil {
		return Changed{}, fmt.Errorf("%s: %w", operation, err)
	}
	if creation.due == nil {
		return r.change(ctx, r.createShare(creation), c, operation, creation.orgID, creation.request(), creation.run)
	}
	made, err := r.answers.create(ctx, r.createShare(creation), creation)
	if err != nil {
		return Changed{}, fmt.Errorf("%s: %w", operation, withState(err, made.Org))
	}
	return made, nil
}

// Ensure returns the account's organization with the external id n.ExternalID, or creates
// it from n, which must not have an Import. Of several concurrent calls, only one creates
// the organization. Errors: ErrUnavailable.
func (r *Repository) Ensure(ctx context.Context, c Call, n NewOrg) (org Org, isNew bool, err error) {
	c.IdempotencyKey, c.CountsRetries = "", false // not needed: the external id prevents duplicates
	creation, err := r.newCreation(c, n)
	if err == nil {
		err = r.createShare(creation).Write(ctx, func(ctx context.Context, q db.Querier) (err error) {
			var made outcome
			org, made, err = creation.insert(ctx, q)
			isNew = made == outcomeCreated
			return err
		})
	}
	if err != nil {
		return Org{}, false, fmt.Errorf("ensure organization: %w", err)
	}
	return org, isNew, nil
}

// createShare returns the account's share of the pool. Creations with the same external
// id take turns, so that they do not hold connections while they wait for each other. So
// do imports with the same id, if they have no external id.
func (r *Repository) createShare(c creation) db.Share {
	share := r.share(c.AccountID)
	switch {
	case c.externalID != "":
		return share.InTurn(db.LockID(c.AccountID[:], []byte("external id "), []byte(c.externalID)))
	case c.imported != nil:
		return share.InTurn(turnOf(c.AccountID, c.orgID))
	}
	return share
}

// creation has the parameters of orgCreate.
type creation struct {
	Call
	orgID      uuid.UUID
	name       string
	metadata   string
	externalID string
	imported   *Import
	due        *answer // nil unless the call may be retried without an idempotency key
	owner      int64   // the lock of this process, see Repository.Owner
}

func (c creation) request() createRequest {
	return createRequest{c.name, c.metadata, c.externalID, (*importRequest)(c.imported)}
}

// importFields returns the fields of the import. They are zero if there is none.
func (c creation) importFields() Import {
	if c.imported == nil {
		return Import{}
	}
	return *c.imported
}

func (r *Repository) newCreation(c Call, n NewOrg) (creation, error) {
	metadata, err := encodeMetadata(n.Metadata)
	if err != nil {
		return creation{}, err
	}
	made := creation{
		Call: c, orgID: uuid.NewV7(), name: n.Name, metadata: metadata, externalID: n.ExternalID, imported: n.Import, owner: r.answers.owner,
	}
	if id := made.importFields().OrgID; id != (uuid.UUID{}) {
		made.orgID = id
	}
	if c.IdempotencyKey != "" || !c.CountsRetries {
		return made, nil
	}
	digest, err := digestOf(c, made.request())
	if err != nil {
		return creation{}, err
	}
	made.due = &answer{accountID: c.AccountID, digest: digest, callID: uuid.NewV7(), orgID: made.orgID}
	return made, nil
}

// lockID returns the id of the advisory lock for identical creations. A creation holds the
// lock in shared mode. A retry that looks for earlier creations holds it exclusively.
func (c creation) lockID() int64 { return int64(binary.BigEndian.Uint64(c.due.digest[:])) }

var orgCreate = `
SELECT ` + prefixed("(result.made).", orgColumns+", version") + `, result.outcome
FROM org_create_2($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17) AS result`

// run creates the organization. With ErrExternalIDTaken, it returns only the id of the
// organization that has the external id.
func (c creation) run(ctx context.Context, q db.Querier) (Org, error) {
	org, made, err := c.insert(ctx, q)
	if err != nil {
		return Org{}, err
	}
	return stateFor(made, org), made.err()
}

// insert creates the organization, or returns the one that has the external id.
func (c creation) insert(ctx context.Context, q db.Querier) (Org, outcome, error) {
	i := c.importFields()
	args := []any{
		binaryResults, c.AccountID, c.orgID, c.name, Fold(c.name), c.metadata, db.OrNull(c.externalID),
		c.imported != nil, db.OrNull(i.CreatedAt), !i.Inactive, db.OrNull(i.CreatedByUserID),
		db.OrNull(c.KeyID), db.OrNull(c.UserID), c.RequestID,
	}
	if c.due == nil {
		args = append(args, nil, nil, nil, nil)
	} else {
		args = append(args, c.lockID(), c.due.digest[:], c.due.callID, c.owner)
	}
	rows, err := q.Query(ctx, orgCreate, args...)
	if err != nil {
		return Org{}, "", err
	}
	made, err := pgx.CollectExactlyOneRow(rows, scanUpdated)
	return made.Org, made.outcome, err
}

// create serves a call that may be retried without an idempotency key. It creates an
// organization, or returns that of an identical call.
func (a *answers) create(ctx context.Context, share db.Share, c creation) (Changed, error) {
	if c.IsRetry {
		if found, changed, err := a.findLost(ctx, c); err != nil || found {
			return changed, err
		}
	}
	var org Org
	begun := false
	err := share.Write(ctx, func(ctx context.Context, q db.Querier) (err error) {
		begun = true
		// Wait for the outcome even if the client has disconnected.
		ctx, cancel := untilDeadline(ctx)
		defer cancel()
		org, err = c.run(ctx, q)
		return err
	})
	switch {
	case err == nil:
		return a.settle(ctx, *c.due, org, false)
	case begun && !isRefused(err): // the commit may have succeeded
		a.lost.add(*c.due)
	}
	return Changed{Org: org}, err
}

// isRefused reports whether PostgreSQL rejected the creation. Then no organization exists.
func isRefused(err error) bool {
	return errors.Is(err, ErrExternalIDTaken) || errors.Is(err, ErrOrgIDTaken) || errors.Is(err, ErrFuture)
}

// untilDeadline returns a context that has the deadline of ctx but not its cancellation.
func untilDeadline(ctx context.Context) (context.Context, context.CancelFunc) {
	detached := context.WithoutCancel(ctx)
	if deadline, ok := ctx.Deadline(); ok {
		return context.WithDeadline(detached, deadline)
	}
	return context.WithCancel(detached)
}
