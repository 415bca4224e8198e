package orgs

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"orgd/internal/db"
	"orgd/internal/text"
	"orgd/internal/uuid"
)

// Changes are new values of an organization's fields. Nil leaves a field unchanged.
type Changes struct {
	Name       *string
	Metadata   *map[string]string // replaces the whole map
	ExternalID *string            // empty for none
}

// Update changes fields of the organization. If nothing changes, the version stays the
// same. Errors: ErrNotFound, VersionError, RevisionError, ExternalIDTakenError,
// ErrInProgress, ErrKeyReused, ErrUnavailable.
func (r *Repository) Update(ctx context.Context, c Call, orgID uuid.UUID, on *Precondition, changes Changes) (Changed, error) {
	u := newUpdate(orgID, on)
	u.Name, u.ExternalID = changes.Name, changes.ExternalID
	if changes.Metadata != nil {
		metadata, err := encodeMetadata(*changes.Metadata)
		if err != nil {
			return Changed{}, fmt.Errorf("update organization: %w", err)
		}
		u.Metadata = &metadata
	}
	return r.update(ctx, c, "update organization", u)
}

// MetadataPatch sets the pairs that have a value, and removes those whose value is nil.
type MetadataPatch map[string]*string

// PatchMetadata changes individual metadata pairs. Concurrent patches of different pairs
// are all kept. Errors: ErrTooManyPairs and those of Update, except ExternalIDTakenError.
func (r *Repository) PatchMetadata(ctx context.Context, c Call, orgID uuid.UUID, on *Precondition, patch MetadataPatch) (Changed, error) {
	const operation = "patch metadata"
	u := newUpdate(orgID, on)
	encoded, err := text.MarshalJSON(patch)
	if err != nil {
		return Changed{}, fmt.Errorf("%s: %w", operation, err)
	}
	u.Patch = new(string(encoded))
	return r.update(ctx, c, operation, u)
}

// SetActive deactivates or reactivates the organization. If it is already in that state,
// nothing changes. After a deactivation has returned, no member can be added. Errors:
// those of Update, except ExternalIDTakenError.
func (r *Repository) SetActive(ctx context.Context, c Call, orgID uuid.UUID, on *Precondition, active bool) (Changed, error) {
	request := newUpdate(orgID, on)
	request.IsActive = &active
	if active {
		return r.update(ctx, c, "reactivate organization", request)
	}
	return r.update(ctx, c, "deactivate organization", request)
}

func newUpdate(orgID uuid.UUID, on *Precondition) updateRequest {
	u := updateRequest{OrgID: orgID}
	if on != nil {
		u.Match, u.Revision = on.Versions, on.Revision
	}
	return u
}

func (r *Repository) update(ctx context.Context, c Call, operation string, u updateRequest) (Changed, error) {
	return r.change(ctx, r.inTurn(c, u.OrgID), c, operation, u.OrgID, u, func(ctx context.Context, q db.Querier) (Org, error) {
		return u.run(ctx, q, c)
	})
}

var orgUpdate = `
SELECT ` + prefixed("(made.changed).", orgColumns+", version") + `, made.outcome
FROM org_update_1($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13) AS made`

func (u updateRequest) run(ctx context.Context, q db.Querier, c Call) (Org, error) {
	var folded *string
	if u.Name != nil {
		f := Fold(*u.Name)
		folded = &f
	}
	rows, err := q.Query(ctx, orgUpdate, binaryResults, c.AccountID, u.OrgID, []int64(u.Match), u.Revision,
		u.Name, folded, u.Metadata, u.Patch, u.ExternalID, u.IsActive,
		db.OrNull(c.KeyID), db.OrNull(c.UserID), c.RequestID)
	if err != nil {
		return Org{}, err
	}
	made, err := pgx.CollectExactlyOneRow(rows, scanUpdated)
	if err != nil {
		return Org{}, err
	}
	return stateFor(made.outcome, made.Org), made.outcome.err()
}

// stateFor returns the part of the organization that is stored with an outcome. For an
// outcome that is an error, this is only the part that withState reads.
func stateFor(made outcome, o Org) Org {
	switch made {
	case outcomeCreated, outcomeChanged, outcomeUnchanged:
		return o
	case outcomeVersion:
		return Org{Version: o.Version}
	case outcomeRevision:
		return Org{Version: o.Version, Revision: o.Revision}
	case outcomeTaken:
		return Org{ID: o.ID}
	default:
		return Org{}
	}
}

type updated struct {
	Org
	outcome outcome
}

func scanUpdated(row pgx.CollectableRow) (updated, error) { return readUpdated(row.RawValues()) }

func readUpdated(columns [][]byte) (u updated, err error) {
	last := len(columns) - 1
	switch u.outcome = outcome(columns[last]); u.outcome {
	case outcomeNotFound, outcomeIDTaken, outcomeFuture: // the other columns are NULL
		return u, nil
	}
	u.Org, err = readVersioned(columns[:last])
	return u, err
}
