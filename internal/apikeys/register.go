package apikeys

import (
	"context"
	"encoding/hex"
	"errors"

	"orgd/internal/db"
	"orgd/internal/uuid"
)

const apiKeyFindDigest = `
SELECT` + apiKeyColumns + `
FROM api_keys
WHERE digest = $1`

// Registered is the result of Register.
type Registered struct {
	APIKey APIKey
	IsNew  bool // this call registered it
}

// Register stores a key that was generated elsewhere, in the transaction of q. It acts as
// an operator. If the account already has the key, nothing changes, even if the key has
// ended. Errors: ErrOtherAccount.
func Register(ctx context.Context, q db.Querier, accountID uuid.UUID, key Key, n NewAPIKey) (Registered, error) {
	if _, err := q.Exec(ctx, accountLock, accountID); err != nil {
		return Registered{}, err
	}
	digest := key.Digest()
	found, err := collectOne(q.Query(ctx, apiKeyFindDigest, digest[:]))
	switch {
	case err == nil && found.AccountID != accountID:
		return Registered{}, ErrOtherAccount
	case !errors.Is(err, db.ErrNoRows):
		return Registered{APIKey: found}, err
	}
	at, seconds := n.Expiry.params()
	made, err := collectOne(q.Query(ctx, apiKeyCreate, accountID, uuid.NewV7(), n.Description, digest[:], key.Hint(), n.Scopes,
		n.RateLimit, at, seconds, nil))
	if err == nil {
		err = ByOperator(accountID).writeEvent(ctx, q, eventCreated, APIKey{}, made)
	}
	if err != nil {
		return Registered{}, err
	}
	// Servers may have cached the key as invalid, if somebody used it before it was
	// registered.
	_, err = q.Exec(ctx, "SELECT pg_notify($1, $2)", ChangesChannel, hex.EncodeToString(digest[:]))
	return Registered{APIKey: made, IsNew: true}, err
}
