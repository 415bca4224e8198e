package orgs

// Each change is one statement, and so a transaction by itself: the organization,
// what counts on it and its event are written together or not at all, in one
// round trip.
//
// A statement that changes an organization first waits for its turn, and then
// locks the row, in the mode that leaves foreign keys alone. So kept is the row as
// the one before left it, though the snapshot may be older; conditions are put to
// kept, since the same row read again is that of the snapshot. The turn is an
// advisory lock, because waiting for a row can fix the transaction id of the one
// that waits, and events would then not be in the order of what happened.

// The types of events, for the audit trail.
const (
	eventCreated       = "org.created"
	eventUpdated       = "org.updated"
	eventDeactivated   = "org.deactivated"
	eventReactivated   = "org.reactivated"
	eventMemberAdded   = "org.member_added"
	eventMemberRemoved = "org.member_removed"
)

const eventColumns = `account_id, org_id, type, actor_key_id, actor_user_id, request_id, before, after, occurred_at`

const orgGet = `
SELECT ` + orgColumns + `, version
FROM orgs
WHERE account_id = $1 AND org_id = $2`

// The shared lock comes before the organization and is held until the creation is
// committed: a retry that has the lock alone sees the creation, or comes before it.
const orgCreate = `
WITH shared AS MATERIALIZED (
  SELECT pg_advisory_xact_lock_shared($10::bigint) -- which NULL does not lock
), created AS (
  INSERT INTO orgs (account_id, org_id, org_name, org_name_folded, metadata, created_by_api_key_id, created_by_user_id)
  SELECT $1, $2, $3, $4, $5, $6, $7 FROM shared
  RETURNING ` + orgColumns + `, version
), unanswered AS (
  INSERT INTO unanswered_creations (account_id, call_digest, call_id, org_id, owner)
  SELECT $1, $11, $12, org_id, $13 FROM created WHERE $10::bigint IS NOT NULL
), event AS (
  INSERT INTO org_events (` + eventColumns + `)
  SELECT $1, org_id, $8, $6, $7, $9, '{}',
    jsonb_strip_nulls(jsonb_build_object('orgName', org_name, 'metadata', nullif(metadata, '{}'))), created_at
  FROM created
)
SELECT ` + orgColumns + `, version
FROM created`

// updated_at always rises, whatever the clock does.
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
