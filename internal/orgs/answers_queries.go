package orgs

// A creation that a client may retry without naming it has one row for each call that
// may, or might have, answered with its organization:
//
//	unanswered  the call still works on it; answerSettle then deletes the row
//	lost        lost_at: the call's process knows that the answer did not arrive
//	taken       a retry may answer in its place, under a row of its own; this one stays
//	            so that the call that lost its right does not get it back
//
// Every statement names the call, so that one which arrives late, after its process
// has given it up, changes nothing that another call has since taken.

const answerSettle = `
DELETE FROM unanswered_creations
WHERE account_id = $1 AND call_digest = $2 AND call_id = $3 AND lost_at IS NULL AND NOT taken`

// The row may be gone (it was settled, and the answer could not be written), or not be
// there yet: then the creation, should it still arrive, fails on this one.
const answerLose = `
INSERT INTO unanswered_creations (account_id, call_digest, call_id, org_id, owner, lost_at)
VALUES ($1, $2, $3, $4, $5, now())
ON CONFLICT (account_id, call_digest, call_id) DO UPDATE
SET lost_at = excluded.lost_at
WHERE NOT unanswered_creations.taken`

// For a row that may never have been taken: then another call still has the right.
const answerLoseTaken = `
UPDATE unanswered_creations
SET lost_at = now()
WHERE account_id = $1 AND call_digest = $2 AND call_id = $3 AND NOT taken`

// What PostgreSQL knew before its last start or promotion is no evidence: it may have
// lost that the call was settled or taken. An organization that was changed since is
// known to somebody already.
const answersOpen = `
SELECT u.call_id, u.owner, u.lost_at IS NOT NULL,
  coalesce(u.lost_at, u.created_at) > greatest(pg_postmaster_start_time(), pg_last_xact_replay_timestamp())
FROM unanswered_creations AS u
JOIN orgs ON orgs.account_id = u.account_id AND orgs.org_id = u.org_id
WHERE u.account_id = $1 AND u.call_digest = $2 AND u.created_at > now() - interval '10 minutes'
  AND NOT u.taken AND orgs.version = 1
ORDER BY u.call_id
LIMIT 100`

const answerTake = `
WITH taken AS (
  UPDATE unanswered_creations
  SET taken = true
  WHERE account_id = $1 AND call_digest = $2 AND call_id = $3 AND NOT taken
  RETURNING org_id
), unanswered AS (
  INSERT INTO unanswered_creations (account_id, call_digest, call_id, org_id, owner)
  SELECT $1, $2, $4, org_id, $5 FROM taken
)
SELECT ` + orgColumns + `, version
FROM orgs
WHERE account_id = $1 AND org_id = (SELECT org_id FROM taken)`

const answerSweep = `
DELETE FROM unanswered_creations AS old
USING (
  SELECT account_id, call_digest, call_id
  FROM unanswered_creations
  WHERE created_at <= now() - interval '10 minutes'
  LIMIT $1
) AS oldest
WHERE old.account_id = oldest.account_id AND old.call_digest = oldest.call_digest AND old.call_id = oldest.call_id`
