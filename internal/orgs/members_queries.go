package orgs

// memberAdd and memberRemove return the version before the change, and test If-Match
// against it in the same statement. Whether the user is a member of a deactivated
// organization is known only if the snapshot is as new as the row. Otherwise the result
// is NULL.
//
// After the insert, a trigger maintains org_activity (migration 00014).
const memberAdd = `
WITH turn AS MATERIALIZED (
  SELECT pg_advisory_xact_lock($9)
), kept AS MATERIALIZED (
  SELECT account_id, org_id, is_active, user_count, created_at, version
  FROM turn, orgs
  WHERE account_id = $1 AND org_id = $2
  FOR NO KEY UPDATE OF orgs
), added AS (
  INSERT INTO org_members (account_id, org_id, user_id, added_at, org_created_at, org_activity)
  SELECT account_id, org_id, $3, clock_timestamp(), created_at, CASE WHEN user_count < 1000 THEN 1 ELSE -1 END
  FROM kept
  WHERE is_active AND ($10::bigint[] IS NULL OR version = ANY($10))
  ON CONFLICT DO NOTHING
  RETURNING account_id, org_id, user_id
), counted AS (
  UPDATE orgs
  SET user_count = orgs.user_count + 1,
      version = orgs.version + 1,
      updated_at = greatest(clock_timestamp(), orgs.updated_at + interval '1 microsecond')
  FROM added
  WHERE orgs.account_id = added.account_id AND orgs.org_id = added.org_id
  RETURNING orgs.account_id, orgs.org_id, orgs.updated_at
), event AS (
  INSERT INTO org_events (` + eventColumns + `)
  SELECT account_id, org_id, $4, $5, $6, $7, '{}', jsonb_build_object('userId', $8::text), updated_at
  FROM counted
)
SELECT version, CASE
  WHEN is_active OR EXISTS (SELECT FROM org_members WHERE account_id = $1 AND org_id = $2 AND user_id = $3) THEN true
  WHEN version = (SELECT version FROM orgs WHERE account_id = $1 AND org_id = $2) THEN false
END
FROM kept`

const memberRemove = `
WITH turn AS MATERIALIZED (
  SELECT pg_advisory_xact_lock($9)
), kept AS MATERIALIZED (
  SELECT account_id, org_id, version
  FROM turn, orgs
  WHERE account_id = $1 AND org_id = $2
  FOR NO KEY UPDATE OF orgs
), removed AS (
  DELETE FROM org_members
  USING kept
  WHERE org_members.account_id = kept.account_id AND org_members.org_id = kept.org_id AND org_members.user_id = $3
    AND ($10::bigint[] IS NULL OR kept.version = ANY($10))
  RETURNING org_members.account_id, org_members.org_id
), counted AS (
  UPDATE orgs
  SET user_count = orgs.user_count - 1,
      version = orgs.version + 1,
      updated_at = greatest(clock_timestamp(), orgs.updated_at + interval '1 microsecond')
  FROM removed
  WHERE orgs.account_id = removed.account_id AND orgs.org_id = removed.org_id
  RETURNING orgs.account_id, orgs.org_id, orgs.updated_at
), event AS (
  INSERT INTO org_events (` + eventColumns + `)
  SELECT account_id, org_id, $4, $5, $6, $7, jsonb_build_object('userId', $8::text), '{}', updated_at
  FROM counted
)
SELECT version, true
FROM kept`

// An organization without members returns one row without a member, and an unknown
// organization returns no row. The first page and the next pages are two statements, as
// in statement.after.
const memberList = `
SELECT member.user_id, member.added_at
FROM orgs
LEFT JOIN LATERAL (
  SELECT user_id, added_at
  FROM org_members
  WHERE account_id = $1 AND org_id = $2
  ORDER BY added_at DESC, user_id DESC
  LIMIT $3
) AS member ON true
WHERE orgs.account_id = $1 AND orgs.org_id = $2
ORDER BY member.added_at DESC, member.user_id DESC`

const memberListNext = `
SELECT member.user_id, member.added_at
FROM orgs
LEFT JOIN LATERAL (
  SELECT user_id, added_at
  FROM org_members
  WHERE account_id = $1 AND org_id = $2 AND (added_at, user_id) < ($4, $5)
  ORDER BY added_at DESC, user_id DESC
  LIMIT $3
) AS member ON true
WHERE orgs.account_id = $1 AND orgs.org_id = $2
ORDER BY member.added_at DESC, member.user_id DESC`
