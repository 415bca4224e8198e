package orgs

import (
	"context"
	"encoding/binary"
	"slices"

	"github.com/jackc/pgx/v5"

	"orgd/internal/db"
	"orgd/internal/uuid"
)

// update is a change of one organization's own fields. Its exported fields are
// all that the call says; nil leaves as it is.
type update struct {
	OrgID    uuid.UUID
	Match    Versions
	Name     *string
	Metadata *string
	IsActive *bool

	event string
}

func (u update) run(ctx context.Context, q db.Querier, c Call) (Org, error) {
	var folded *string
	if u.Name != nil {
		f := Fold(*u.Name)
		folded = &f
	}
	rows, err := q.Query(ctx, orgUpdate, binaryResults, c.AccountID, u.OrgID, u.Name, folded, u.Metadata, u.IsActive, []int64(u.Match),
		u.event, orNull(c.KeyID), orNull(c.UserID), c.RequestID, turnOf(c.AccountID, u.OrgID))
	if err != nil {
		return Org{}, err
	}
	found, err := pgx.CollectRows(rows, scanUpdated)
	switch {
	case err != nil:
		return Org{}, err
	case len(found) == 0:
		return Org{}, ErrNotFound
	case !found[0].changed && !u.Match.has(found[0].Version):
		return Org{Version: found[0].Version}, ErrVersion
	}
	return found[0].Org, nil
}

// inTurn is the account's share for a change of the organization.
func (r *Repository) inTurn(c Call, orgID uuid.UUID) db.Share {
	return r.db.For(c.AccountID).InTurn(turnOf(c.AccountID, orgID))
}

// turnOf is the lock under which an organization is changed.
func turnOf(accountID, orgID uuid.UUID) int64 { return db.LockID(accountID[:], orgID[:]) }

func (v Versions) has(version int64) bool { return v == nil || slices.Contains(v, version) }

type updated struct {
	Org
	changed bool
}

func scanUpdated(row pgx.CollectableRow) (u updated, err error) {
	columns := row.RawValues()
	u.changed = columns[len(columns)-1][0] == 1
	u.Org, err = readVersioned(columns[:len(columns)-1])
	return u, err
}

func scanVersioned(row pgx.CollectableRow) (Org, error) { return readVersioned(row.RawValues()) }

// readVersioned reads orgColumns and the version.
func readVersioned(columns [][]byte) (o Org, err error) {
	var texts arena
	last := len(columns) - 1
	o.Version = int64(binary.BigEndian.Uint64(columns[last]))
	return o, readOrg(columns[:last], &o, &texts)
}
