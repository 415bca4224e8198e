package orgs

// A creation that may be retried without an idempotency key has a row in
// unanswered_creations for each call that may return its organization, or may have
// returned it. A row is in one of these states:
//
//	unanswered  the call is in progress; answerSettle deletes the row at its end
//	lost        lost_at is set: the call's process knows that the answer did not arrive
//	taken       a retry answers instead, and has its own row; this row is kept, so that
//	            the call that lost its right does not get it back
//
// Every statement names the call. A statement that arrives late, after its process has
// given up, therefore cannot change the row of a call that has taken over the creation.

const answerSettle = `
DELETE FROM unanswered_creations
WHERE account_id = $1 AND call_digest = $2 AND call_id = $3 AND lost_at IS NULL AND NOT taken`

// The row may already be deleted (the answer was settled but could not be sent), or may
// not exist yet. In the second case, if the creation still reaches the database, it fails
// because this row exists.
const answerLose = `
INSERT INTO unanswered_creations (account_id, call_digest, call_id, org_id, owner, lost_at)
VALUES ($1, $2, $3, $4, $5, now())
ON CONFLICT (account_id, call_digest, call_id) DO UPDATE
SET lost_at = excluded.lost_at
WHERE NOT unanswered_creations.taken`

// answerLoseTaken is for a call that may have no row: if it failed to take the right to
// answer, another call still has that right.
const answerLoseTaken = `
UPDATE unanswered_creations
SET lost_at = now()
WHERE account_id = $1 AND call_digest = $2 AND call_id = $3 AND NOT taken`

// A row from before PostgreSQL's last start or promotion is not evidence, because
// PostgreSQL may have lost the commit that settled or took the answer. An organization
// that has changed since its creation is left out, because a client already knows it.
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

// The rows are locked in the order in which org_delete_1 locks them, so the two cannot
// deadlock.
const answerSweep = `
DELETE FROM unanswered_creations AS old
USING (
  SELECT account_id, call_digest, call_id
  FROM unanswered_creations
  WHERE created_at <= now() - interval '10 minutes'
  ORDER BY account_id, call_digest, call_id
  LIMIT $1
  FOR UPDATE
) AS oldest
WHERE old.account_id = oldest.account_id AND old.call_digest = oldest.call_digest AND old.call_id = oldest.call_id`
