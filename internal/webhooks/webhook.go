// Package webhooks delivers the events of an account to endpoints of its clients, in the
// order of the feed. It stores the endpoints, and contains the worker that delivers to
// them.
package webhooks

import (
	"encoding/hex"
	"time"

	"orgd/internal/events"
	"orgd/internal/uuid"
)

// Webhook is an endpoint and the state of its deliveries. Absent times are zero.
type Webhook struct {
	ID          uuid.UUID
	URL         string
	Description string
	Types       []string // the types of events that it gets; empty for all
	CreatedAt   time.Time
	// CreatedByAPIKeyID is zero if an operator created the endpoint.
	CreatedByAPIKeyID uuid.UUID

	DisabledAt     time.Time
	DisabledReason Reason
	OldSecretUntil time.Time // until then, the previous secret signs too

	Position      int64 // of the last event that was delivered or left out
	Failures      int   // attempts since the last delivery
	FailingSince  time.Time
	NextAttemptAt time.Time // only if the last attempt failed
}

// FormatID returns the id of an endpoint as clients see it.
func FormatID(id uuid.UUID) string { return "wh_" + hex.EncodeToString(id[:]) }

// Reason is why an endpoint is disabled.
type Reason string

// The reasons, with their names in the API and in the schema.
const (
	Requested     Reason = "requested"
	Gone          Reason = "gone"           // the endpoint answered 410
	Failing       Reason = "failing"        // all attempts of three days failed, at least 50
	EventsDeleted Reason = "events_deleted" // events that it has not received no longer exist: deleted because of their age, or lost
)

// Attempt is a try to deliver an event.
type Attempt struct {
	At       time.Time
	EventID  events.ID
	Position int64 // 0 for a test
	Type     string
	Status   int // of the response; 0 without one
	Took     time.Duration
	Failure  Failure // empty for a delivery
}

// Failure is why an attempt failed.
type Failure string

// The failures, with their names in the API.
const (
	FailedStatus     Failure = "status"     // the status is not one of 2xx, 3xx and 410
	FailedRedirect   Failure = "redirect"   // the status is 3xx
	FailedGone       Failure = "gone"       // the status is 410
	FailedTimeout    Failure = "timeout"    // no response within the limit
	FailedAddress    Failure = "address"    // the host has an address that is not allowed
	FailedName       Failure = "name"       // the host has no address
	FailedTLS        Failure = "tls"        // the certificate is not valid, or there is no TLS
	FailedConnection Failure = "connection" // no connection, or it broke
	FailedResponse   Failure = "response"   // the response is not HTTP, or its header is too large
)

// Failures lists every failure.
var Failures = []Failure{
	FailedStatus, FailedRedirect, FailedGone, FailedTimeout, FailedAddress, FailedName, FailedTLS, FailedConnection, FailedResponse,
}
