package webhooks

import (
	"context"
	"fmt"
	"time"

	"orgd/internal/events"
	"orgd/internal/idempotency"
	"orgd/internal/uuid"
)

// eventTest is the type of the message that Test sends. It is not an event of the feed.
const eventTest = "webhook.test"

// Test sends a message without a position to the endpoint, even if it is disabled, and
// returns the attempt. The endpoint must respond within the limit. Test stores only the
// attempt. Errors: ErrNotFound, ErrUnavailable.
func (r *Repository) Test(ctx context.Context, c idempotency.Call, id uuid.UUID, limit time.Duration) (Attempt, error) {
	e, err := r.read(ctx, c.AccountID, id)
	if err != nil {
		return Attempt{}, fmt.Errorf("test webhook: %w", err)
	}
	begun := time.Now()
	event := events.Event{
		ID: events.ID(uuid.NewV7()), Type: eventTest, WebhookID: id, OccurredAt: begun,
		ActorAPIKeyID: c.KeyID, ActorUserID: c.UserID, RequestID: c.RequestID, Before: "{}", After: "{}",
	}
	got, err := r.sender.send(ctx, limit, request{url: e.url, secrets: e.secrets(), id: event.ID.String(), body: message(&event)})
	if err != nil {
		return Attempt{}, fmt.Errorf("test webhook: %w", err)
	}
	attempt := Attempt{At: begun, EventID: event.ID, Type: eventTest, Status: got.status, Took: time.Since(begun), Failure: got.failure}
	if err := r.keepAttempt(ctx, c.AccountID, id, attempt); err != nil {
		return Attempt{}, fmt.Errorf("test webhook: %w", err)
	}
	return attempt, nil
}
