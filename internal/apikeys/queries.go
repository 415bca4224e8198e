package apikeys

// Expiry is by the database's clock, the one that all replicas share.
const apiKeyAuthenticate = `
SELECT account_id, id, digest, scopes
FROM api_keys
WHERE digest = $1
  AND revoked_at IS NULL
  AND (expires_at IS NULL OR expires_at > now())`

const apiKeyColumns = `
  id, account_id, description, hint, scopes, created_at, expires_at, revoked_at, last_used_at`

const apiKeyCreate = `
INSERT INTO api_keys (account_id, id, description, digest, hint, scopes, expires_at)
VALUES ($1, $2, $3, $4, $5, $6, now() + make_interval(secs => $7))
RETURNING` + apiKeyColumns

const apiKeyList = `
SELECT` + apiKeyColumns + `
FROM api_keys
WHERE account_id = $1
ORDER BY created_at DESC, id DESC`

const apiKeyListAll = `
SELECT` + apiKeyColumns + `
FROM api_keys
ORDER BY created_at DESC, id DESC`

const apiKeyRevoke = `
UPDATE api_keys
SET revoked_at = coalesce(revoked_at, now())
WHERE id = $1
RETURNING` + apiKeyColumns
