package idempotency

// Results expire by the database's clock, which all replicas share. The row lock makes
// the retry's commit wait for a synchronous standby, because the first call's commit may
// not have waited.
const keyFind = `
SELECT call_digest, result
FROM idempotency_keys
WHERE account_id = $1 AND key_digest = $2
  AND created_at > now() - interval '24 hours'
FOR NO KEY UPDATE`

// A row that already exists has expired, because keyFind did not return it under the same
// lock.
const keyKeep = `
INSERT INTO idempotency_keys (account_id, key_digest, call_digest, org_id, result)
VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (account_id, key_digest) DO UPDATE
SET call_digest = excluded.call_digest, org_id = excluded.org_id, result = excluded.result, created_at = excluded.created_at`

const partsFind = `
SELECT key_digest, result
FROM idempotency_keys
WHERE account_id = $1 AND key_digest = ANY ($2)`

// partsKeep is keyKeep for several rows. It writes them in the order in which the sweep
// locks expired rows, so the two cannot deadlock.
const partsKeep = `
INSERT INTO idempotency_keys (account_id, key_digest, call_digest, org_id, result)
SELECT $1, part.key_digest, $2, part.org_id, part.result::jsonb
FROM unnest($3::bytea[], $4::uuid[], $5::text[]) AS part (key_digest, org_id, result)
ORDER BY part.key_digest
ON CONFLICT (account_id, key_digest) DO UPDATE
SET call_digest = excluded.call_digest, org_id = excluded.org_id, result = excluded.result, created_at = excluded.created_at`

// The rows are locked in the order in which the deletion of an organization and the
// erasure of a user lock them (migrations 00011 and 00012), so that these cannot deadlock
// with the sweep.
const keySweep = `
DELETE FROM idempotency_keys AS kept
USING (
  SELECT account_id, key_digest
  FROM idempotency_keys
  WHERE created_at <= now() - interval '24 hours'
  ORDER BY created_at, key_digest
  LIMIT $1
  FOR UPDATE
) AS old
WHERE kept.account_id = old.account_id AND kept.key_digest = old.key_digest`
