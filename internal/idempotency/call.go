package idempotency

import "orgd/internal/uuid"

// OperatorPrefix begins the request ids of operators' changes. No client may choose such
// an id.
const OperatorPrefix = "operator-"

// OperatorRequestID returns a new request id for an operator's change.
func OperatorRequestID() string { return OperatorPrefix + uuid.NewV7().String() }

// Call says who makes a change, and how a retry of the request is recognized.
type Call struct {
	AccountID uuid.UUID
	KeyID     uuid.UUID // the API key of the request; zero for an operator
	UserID    string    // the user for whom the key acts; empty for none
	RequestID string    // for the audit trail; 1 to 64 characters

	IdempotencyKey string // empty for none
	CountsRetries  bool   // the client sends the number of its retries
	IsRetry        bool   // that number is above 0
}
