package orgs

import (
	"context"
	"fmt"

	"orgd/internal/db"
	"orgd/internal/uuid"
)

// Delete deletes a deactivated organization. Afterwards, no call finds it and no retry
// returns it. Erase removes its members and the contents of its events. Errors:
// ErrNotFound, VersionError, RevisionError, ErrActive, ErrUnavailable.
func (r *Repository) Delete(ctx context.Context, c Call, orgID uuid.UUID, on *Precondition) error {
	if on == nil {
		on = &Precondition{}
	}
	var made outcome
	var kept struct{ version, revision *int64 }
	err := r.inTurn(c, orgID).Write(ctx, func(ctx context.Context, q db.Querier) error {
		return q.QueryRow(ctx, orgDelete, c.AccountID, orgID, []int64(on.Versions), on.Revision, db.OrNull(c.KeyID), c.RequestID).
			Scan(&made, &kept.version, &kept.revision)
	})
	switch {
	case err != nil:
	case made == outcomeVersion:
		err = VersionError{Current: *kept.version}
	case made == outcomeRevision:
		err = RevisionError{Current: *kept.revision, Version: *kept.version}
	default:
		err = made.err()
	}
	if err != nil {
		return fmt.Errorf("delete organization: %w", err)
	}
	r.erasures.wake()
	return nil
}

const orgDelete = `
SELECT outcome, kept_version, kept_revision
FROM org_delete_1($1, $2, $3, $4, $5, $6)`
