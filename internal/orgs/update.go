package orgs

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"orgd/internal/db"
	"orgd/internal/uuid"
)

// Changes are new values of an organization's fields; nil leaves a field as it is.
type Changes struct {
	Name     *string
	Metadata *map[string]string // replaces the whole map
}

// Update makes the changes. If they change nothing, the version stays the same. Errors:
// ErrNotFound, VersionError, ErrInProgress, ErrKeyReused, ErrUnavailable.
func (r *Repository) Update(ctx context.Context, c Call, orgID uuid.UUID, match Versions, changes Changes) (Changed, error) {
	u := updateRequest{OrgID: orgID, Match: match, Name: changes.Name}
	if changes.Metadata != nil {
		metadata, err := encodeMetadata(*changes.Metadata)
		if err != nil {
			return Changed{}, fmt.Errorf("update organization: %w", err)
		}
		u.Metadata = &metadata
	}
	return r.update(ctx, c, "update organization", u)
}

// SetActive deactivates or reactivates the organization. If it is in that state already,
// nothing changes. After a deactivation has returned, no member is added. Errors: those
// of Update.
func (r *Repository) SetActive(ctx context.Context, c Call, orgID uuid.UUID, match Versions, active bool) (Changed, error) {
	request := updateRequest{OrgID: orgID, Match: match, IsActive: &active}
	if active {
		return r.update(ctx, c, "reactivate organization", request)
	}
	return r.update(ctx, c, "deactivate organization", request)
}

func (r *Repository) update(ctx context.Context, c Call, operation string, u updateRequest) (Changed, error) {
	return r.change(ctx, r.inTurn(c, u.OrgID), c, operation, u, func(ctx context.Context, q db.Querier) (Org, error) {
		return u.run(ctx, q, c)
	})
}

var orgUpdate = `
SELECT ` + prefixed("(made.changed).", orgColumns+", version") + `, made.outcome
FROM org_update_1($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) AS made`

func (u updateRequest) run(ctx context.Context, q db.Querier, c Call) (Org, error) {
	var folded *string
	if u.Name != nil {
		f := Fold(*u.Name)
		folded = &f
	}
	rows, err := q.Query(ctx, orgUpdate, binaryResults, c.AccountID, u.OrgID, []int64(u.Match), u.Name, folded, u.Metadata, u.IsActive,
		orNull(c.KeyID), orNull(c.UserID), c.RequestID)
	if err != nil {
		return Org{}, err
	}
	made, err := pgx.CollectExactlyOneRow(rows, scanUpdated)
	if err != nil {
		return Org{}, err
	}
	if made.outcome == outcomeVersion {
		return Org{Version: made.Version}, ErrVersion
	}
	return made.Org, made.outcome.err()
}

type updated struct {
	Org
	outcome outcome
}

func scanUpdated(row pgx.CollectableRow) (u updated, err error) {
	columns := row.RawValues()
	last := len(columns) - 1
	if u.outcome = outcome(columns[last]); u.outcome == outcomeNotFound {
		return u, nil
	}
	u.Org, err = readVersioned(columns[:last])
	return u, err
}
