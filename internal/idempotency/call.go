package idempotency

import "orgd/internal/uuid"

// Call says who makes a change, and how the client may repeat the request.
type Call struct {
	AccountID uuid.UUID
	KeyID     uuid.UUID // the API key of the request; zero for an operator
	UserID    string    // the person for whom the key acts; empty for none
	RequestID string    // for the audit trail; 1 to 64 characters

	IdempotencyKey string // empty for none
	CountsRetries  bool   // the client says how often it has sent the request before
	IsRetry        bool   // it has sent the request before
}
