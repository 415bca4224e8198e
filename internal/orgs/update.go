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
	u := update{updateRequest{OrgID: orgID, Match: match, Name: changes.Name}, eventUpdated}
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
		return r.update(ctx, c, "reactivate organization", update{request, eventReactivated})
	}
	return r.update(ctx, c, "deactivate organization", update{request, eventDeactivated})
}

func (r *Repository) update(ctx context.Context, c Call, operation string, u update) (Changed, error) {
	return r.change(ctx, r.inTurn(c, u.OrgID), c, operation, u.updateRequest, func(ctx context.Context, q db.Querier) (Org, error) {
		return u.run(ctx, q, c)
	})
}

// update is a change of one organization's own fields.
type update struct {
	updateRequest
	event string
}

// updated_at always rises, even if the clock goes back.
const orgUpdate = `
WITH turn AS MATERIALIZED (
  SELECT pg_advisory_xact_lock($12)
), kept AS MATERIALIZED (
  SELECT account_id, ` + orgColumns + `, version
  FROM turn, orgs
  WHERE account_id = $1 AND org_id = $2
  FOR NO KEY UPDATE OF orgs
), changed AS (
  UPDATE orgs
  SET org_name = coalesce($3, orgs.org_name),
      org_name_folded = coalesce($4, orgs.org_name_folded),
      metadata = coalesce($5, orgs.metadata),
      is_active = coalesce($6, orgs.is_active),
      version = orgs.version + 1,
      updated_at = greatest(clock_timestamp(), orgs.updated_at + interval '1 microsecond')
  FROM kept
  WHERE orgs.account_id = kept.account_id AND orgs.org_id = kept.org_id
    AND ($7::bigint[] IS NULL OR kept.version = ANY($7))
    AND (kept.org_name, kept.metadata, kept.is_active)
      IS DISTINCT FROM (coalesce($3, kept.org_name), coalesce($5, kept.metadata), coalesce($6, kept.is_active))
  RETURNING orgs.account_id, orgs.org_id, orgs.org_name, orgs.is_active, orgs.metadata, orgs.user_count, orgs.created_at,
    orgs.updated_at, orgs.created_by_api_key_id, orgs.created_by_user_id, orgs.version
), event AS (
  INSERT INTO org_events (` + eventColumns + `)
  SELECT kept.account_id, kept.org_id, $8, $9, $10, $11,
    jsonb_strip_nulls(jsonb_build_object(
      'orgName', CASE WHEN kept.org_name <> changed.org_name THEN kept.org_name END,
      'metadata', CASE WHEN kept.metadata <> changed.metadata THEN kept.metadata END,
      'isActive', CASE WHEN kept.is_active <> changed.is_active THEN kept.is_active END)),
    jsonb_strip_nulls(jsonb_build_object(
      'orgName', CASE WHEN kept.org_name <> changed.org_name THEN changed.org_name END,
      'metadata', CASE WHEN kept.metadata <> changed.metadata THEN changed.metadata END,
      'isActive', CASE WHEN kept.is_active <> changed.is_active THEN changed.is_active END)),
    changed.updated_at
  FROM kept, changed
)
SELECT ` + orgColumns + `, version, true FROM changed
UNION ALL
SELECT ` + orgColumns + `, version, false FROM kept WHERE NOT EXISTS (SELECT FROM changed)`

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
