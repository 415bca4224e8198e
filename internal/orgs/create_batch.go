package orgs

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"orgd/internal/db"
	"orgd/internal/idempotency"
	"orgd/internal/uuid"
)

// BatchError says why a batch was not created. Nothing was created.
type BatchError struct{ Faults []BatchFault } // at least one, in the order of the batch

// BatchFault says why the organization at an index of the batch cannot be created.
type BatchFault struct {
	Index int
	Err   error // an ExternalIDTakenError, ErrOrgIDTaken or ErrFuture
}

func (e BatchError) Error() string {
	return fmt.Sprintf("organization %d of the batch: %v (%d faults)", e.Faults[0].Index, e.Faults[0].Err, len(e.Faults))
}

// Unwrap returns the errors of the faults.
func (e BatchError) Unwrap() []error {
	all := make([]error, len(e.Faults))
	for i, fault := range e.Faults {
		all[i] = fault.Err
	}
	return all
}

var errRepeatedID = errors.New("orgs: two organizations of a batch have the same id")

// CreateBatch creates all organizations, or none. No two of them may have the same id or
// the same external id. replayed reports whether the result is that of an earlier call
// with the same idempotency key. Errors: BatchError, ErrBatchIncomplete, ErrInProgress,
// ErrKeyReused, ErrUnavailable.
func (r *Repository) CreateBatch(ctx context.Context, c Call, all []NewOrg) (made []Org, replayed bool, err error) {
	const operation = "create organizations"
	b, err := r.newBatch(c, all)
	if err == nil {
		err = againAfterDeadlock(func() (err error) {
			made, replayed, err = r.createBatch(ctx, operation, b)
			return err
		})
	}
	if err != nil {
		return nil, false, fmt.Errorf("%s: %w", operation, err)
	}
	return made, replayed, nil
}

func (r *Repository) createBatch(ctx context.Context, operation string, b batch) (made []Org, replayed bool, err error) {
	// The batches of an account take turns. A batch is a lot of work, and batches with the
	// same ids would hold connections while they wait for each other in the database.
	share := r.share(b.AccountID).InTurn(db.LockID(b.AccountID[:], []byte("batch")))
	if b.IdempotencyKey == "" {
		err = share.Write(ctx, func(ctx context.Context, q db.Querier) (err error) {
			made, err = b.run(ctx, q)
			return err
		})
		return made, false, err
	}
	call, err := callText(b.Call, b.requests)
	if err != nil {
		return nil, false, err
	}
	key := idempotency.NewKey(b.AccountID, operation, b.IdempotencyKey, call)
	records, replayed, err := idempotency.OnceEach(ctx, share, key, b.runOnce)
	for _, one := range records {
		made = append(made, Org(one))
	}
	return made, replayed, err
}

// batch has the parameters of orgCreateBatch.
type batch struct {
	Call
	requests []createRequest

	ids                    []uuid.UUID
	names, folds, metadata []string
	externalIDs, creators  []*string
	areImported, areActive []bool
	createdAt              []*time.Time
}

func (r *Repository) newBatch(c Call, all []NewOrg) (batch, error) {
	c.CountsRetries = false // a batch is safe to repeat only with an idempotency key
	b := batch{Call: c}
	fresh := newIDs(len(all))
	known := map[any]bool{}
	for n, org := range all {
		one, err := r.newCreation(c, org)
		if err != nil {
			return batch{}, err
		}
		if one.importFields().OrgID == (uuid.UUID{}) {
			one.orgID = fresh[n]
		}
		if known[one.orgID] || org.ExternalID != "" && known[org.ExternalID] {
			return batch{}, errRepeatedID // org_create_batch_1 would retry forever
		}
		known[one.orgID], known[org.ExternalID] = true, true
		b.add(one)
	}
	return b, nil
}

func (b *batch) add(c creation) {
	i := c.importFields()
	b.requests = append(b.requests, c.request())
	b.ids = append(b.ids, c.orgID)
	b.names = append(b.names, c.name)
	b.folds = append(b.folds, Fold(c.name))
	b.metadata = append(b.metadata, c.metadata)
	b.externalIDs = append(b.externalIDs, db.OrNull(c.externalID))
	b.areImported = append(b.areImported, c.imported != nil)
	b.createdAt = append(b.createdAt, db.OrNull(i.CreatedAt))
	b.areActive = append(b.areActive, !i.Inactive)
	b.creators = append(b.creators, db.OrNull(i.CreatedByUserID))
}

// newIDs returns ids in ascending order. The organizations of a batch have the same
// creation time, so lists order them by id.
func newIDs(n int) []uuid.UUID {
	ids := make([]uuid.UUID, n)
	for i := range ids {
		ids[i] = uuid.NewV7()
	}
	slices.SortFunc(ids, func(a, b uuid.UUID) int { return bytes.Compare(a[:], b[:]) })
	return ids
}

var orgCreateBatch = `
SELECT result.place, ` + prefixed("(result.made).", orgColumns+", version") + `, result.outcome
FROM org_create_batch_1($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13) AS result
ORDER BY result.place`

func (b batch) run(ctx context.Context, q db.Querier) ([]Org, error) {
	rows, err := q.Query(ctx, orgCreateBatch, binaryResults, b.AccountID, b.ids, b.names, b.folds, b.metadata, b.externalIDs,
		b.areImported, b.createdAt, b.areActive, b.creators, db.OrNull(b.KeyID), db.OrNull(b.UserID), b.RequestID)
	if err != nil {
		return nil, err
	}
	results, err := pgx.CollectRows(rows, scanPlaced)
	if err != nil {
		return nil, err
	}
	var made []Org
	var faults []BatchFault
	for _, one := range results {
		made = append(made, one.Org)
		if err := one.outcome.err(); err != nil {
			faults = append(faults, BatchFault{Index: one.place - 1, Err: withState(err, one.Org)})
		}
	}
	if len(faults) > 0 {
		return nil, BatchError{faults}
	}
	return made, nil
}

// runOnce is run for idempotency.OnceEach. A BatchError is not stored: it is about other
// organizations, whose deletion would not delete the stored error.
func (b batch) runOnce(ctx context.Context, q db.Querier) ([]idempotency.Part[record], error) {
	made, err := b.run(ctx, q)
	var refused BatchError
	if errors.As(err, &refused) {
		err = idempotency.UnstoredError{Err: err}
	}
	parts := make([]idempotency.Part[record], len(made))
	for i, o := range made {
		parts[i] = idempotency.Part[record]{OrgID: o.ID, Result: record(o)}
	}
	return parts, err
}

// placed is the result for one organization of a batch.
type placed struct {
	updated
	place int // from 1
}

func scanPlaced(row pgx.CollectableRow) (p placed, err error) {
	columns := row.RawValues()
	p.place = int(binary.BigEndian.Uint32(columns[0]))
	p.updated, err = readUpdated(columns[1:])
	return p, err
}
