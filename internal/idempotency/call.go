package idempotency

import "orgd/internal/uuid"

// Call says who makes a change, and how the client may repeat the request.
type Call struct {
	AccountID uuid.UUID
	KeyID     uuid.UUID // the API key of the request; zero for an operator
	UserID    uuid.UUID // the person for whom the key acts; zero means none
	RequestID string    // for the audit trail; 1 to 64 characters

	IdempotencyKey string // empty for none
	CountsRetries  bool   // the client says how often it has sent the request before
	IsRetry        bool   // it has sent the request before
}
