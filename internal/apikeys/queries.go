package apikeys

// Keys expire by the database's clock, which all replicas share. The last column is the
// key's remaining life in seconds, at most $2. place is the position in $1, counted from
// 1.
const apiKeyLookUp = `
SELECT place, account_id, api_keys.id, digest, scopes, rate_limit, last_used_at, least(extract(epoch FROM expires_at - now()), $2)::float8
FROM unnest($1::bytea[]) WITH ORDINALITY AS asked (digest, place)
JOIN api_keys USING (digest)
JOIN accounts ON accounts.id = account_id
WHERE revoked_at IS NULL AND suspended_at IS NULL
  AND (expires_at IS NULL OR expires_at > now())`

// The rows are locked in the order of their ids, so two statements that write the same
// keys do not deadlock.
const apiKeyUsed = `
WITH used AS MATERIALIZED (
  SELECT api_keys.id, given.at
  FROM unnest($1::uuid[], $2::timestamptz[]) AS given (id, at)
  JOIN api_keys USING (id)
  WHERE last_used_at IS NULL OR last_used_at < given.at
  ORDER BY api_keys.id
  FOR NO KEY UPDATE OF api_keys
)
UPDATE api_keys
SET last_used_at = greatest(last_used_at, used.at)
FROM used
WHERE api_keys.id = used.id`

const apiKeyColumns = `
  id, account_id, description, hint, scopes, rate_limit, created_at, expires_at, revoked_at, last_used_at, created_by_api_key_id`

// isActive has the form that the index api_keys_live supports. It uses the statement's
// time instead of the transaction's, because a change may first wait for other changes of
// the account.
const isActive = `(revoked_at IS NULL AND coalesce(expires_at, 'infinity') > statement_timestamp())`

const apiKeyCountActive = `
SELECT count(*)
FROM api_keys
WHERE account_id = $1 AND ` + isActive

// apiKeyCreate returns no row if the expiry is in the past.
const apiKeyCreate = `
INSERT INTO api_keys (account_id, id, description, digest, hint, scopes, rate_limit, expires_at, lifetime, created_by_api_key_id)
SELECT $1, $2, $3, $4, $5, $6, $7, given.expires_at, given.expires_at - now(), $10
FROM (SELECT coalesce($8::timestamptz, now() + make_interval(secs => $9::float8)) AS expires_at) AS given
WHERE given.expires_at IS NULL OR given.expires_at > now()
RETURNING` + apiKeyColumns

// The new key expires after its lifetime or at $7, whichever is earlier. NULL means
// never.
const apiKeyRotate = `
INSERT INTO api_keys (account_id, id, description, digest, hint, scopes, rate_limit, expires_at, lifetime, created_by_api_key_id)
SELECT account_id, $3, description, $4, $5, scopes, $6, least(now() + lifetime, $7), lifetime, $8
FROM api_keys
WHERE account_id = $1 AND id = $2
RETURNING` + apiKeyColumns

const apiKeyGrants = `
SELECT scopes, rate_limit, expires_at, now()
FROM api_keys
WHERE account_id = $1 AND id = $2 AND ` + isActive

// apiKeyNextEnd returns the expiry of the key that a rotation would create now; NULL
// means never.
const apiKeyNextEnd = `
SELECT now() + lifetime
FROM api_keys
WHERE account_id = $1 AND id = $2`

const apiKeyGet = `
SELECT` + apiKeyColumns + `
FROM api_keys
WHERE account_id = $1 AND id = $2`

const apiKeyFind = `
SELECT` + apiKeyColumns + `
FROM api_keys
WHERE id = $1`

const apiKeyFindDigest = `
SELECT` + apiKeyColumns + `
FROM api_keys
WHERE digest = $1`

// The first page and the following pages have different statements, for the reason in
// statement.after of internal/orgs.
const apiKeyList = `
SELECT` + apiKeyColumns + `
FROM api_keys
WHERE account_id = $1
ORDER BY created_at DESC, id DESC
LIMIT $2`

const apiKeyListNext = `
SELECT` + apiKeyColumns + `
FROM api_keys
WHERE account_id = $1 AND (created_at, id) < ($3, $4)
ORDER BY created_at DESC, id DESC
LIMIT $2`

const apiKeyListAll = `
SELECT` + apiKeyColumns + `
FROM api_keys
WHERE $1::uuid IS NULL OR account_id = $1
ORDER BY created_at DESC, id DESC`

const apiKeyState = `
SELECT ` + isActive + `, rotated_at IS NOT NULL
FROM api_keys
WHERE account_id = $1 AND id = $2`

// $4 is whether the expiry changes: to $5, to $6 seconds from now, or to never. $7 is
// whether the rate limit changes to $8. apiKeyUpdate returns no row if the expiry is in
// the past.
const apiKeyUpdate = `
UPDATE api_keys
SET description = coalesce($3, description),
    expires_at = CASE WHEN $4 THEN given.expires_at ELSE api_keys.expires_at END,
    lifetime = CASE WHEN $4 THEN given.expires_at - now() ELSE lifetime END,
    rate_limit = CASE WHEN $7 THEN $8 ELSE rate_limit END
FROM (SELECT coalesce($5::timestamptz, now() + make_interval(secs => $6::float8)) AS expires_at) AS given
WHERE account_id = $1 AND id = $2 AND (given.expires_at IS NULL OR given.expires_at > now())
RETURNING id, account_id, description, hint, scopes, rate_limit, created_at, api_keys.expires_at, revoked_at, last_used_at, created_by_api_key_id`

const apiKeyEnd = `
UPDATE api_keys
SET expires_at = least(expires_at, clock_timestamp() + make_interval(secs => $3)),
    rotated_at = coalesce(rotated_at, clock_timestamp())
WHERE account_id = $1 AND id = $2
RETURNING` + apiKeyColumns

const accountLock = `
SELECT
FROM accounts
WHERE id = $1
FOR NO KEY UPDATE`

// apiKeyIsLastManager is true if $2 is the account's only active key with the scope
// keys:manage.
const apiKeyIsLastManager = `
SELECT coalesce(bool_or(id = $2), false) AND count(*) = 1
FROM api_keys
WHERE account_id = $1 AND 'keys:manage' = ANY(scopes) AND ` + isActive

// apiKeyEvent runs in the account's turn, so the ids of a key's events have the order of
// its changes. $9 is NULL for the time of the statement.
const apiKeyEvent = `
INSERT INTO events (account_id, type, api_key_id, before, after, actor_api_key_id, actor_user_id, request_id, occurred_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, coalesce($9, statement_timestamp()))`

const apiKeyRevoke = `
UPDATE api_keys
SET revoked_at = coalesce(revoked_at, clock_timestamp())
WHERE account_id = $1 AND id = $2
RETURNING` + apiKeyColumns
