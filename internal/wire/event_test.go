package wire_test

import (
	"encoding/json"
	"testing"
	"time"

	"orgd/internal/events"
	"orgd/internal/uuid"
	"orgd/internal/wire"
)

// jsonEvent is an event for encoding/json.
type jsonEvent struct {
	EventID       string          `json:"eventId"`
	Position      int64           `json:"position,omitempty"`
	Type          string          `json:"type"`
	OrgID         string          `json:"orgId,omitempty"`
	UserID        string          `json:"userId,omitempty"`
	APIKeyID      uuid.UUID       `json:"apiKeyId,omitzero"`
	OccurredAt    wire.Time       `json:"occurredAt"`
	ActorAPIKeyID uuid.UUID       `json:"actorApiKeyId,omitzero"`
	ActorUserID   string          `json:"actorUserId,omitempty"`
	RequestID     string          `json:"requestId"`
	Before        json.RawMessage `json:"before"`
	After         json.RawMessage `json:"after"`
}

func FuzzAppendEvent(f *testing.F) {
	f.Add("org.created", "user", "boss", "request", int64(7), int64(1_767_225_600_000_001), true)
	f.Add("", "", "", "", int64(0), int64(0), false)
	f.Fuzz(func(t *testing.T, kind, user, actor, request string, position, at int64, full bool) {
		e := events.Event{
			Type: kind, UserID: user, ActorUserID: actor, RequestID: request, Position: max(0, position),
			OccurredAt: time.UnixMicro(max(0, at) % 253_402_300_799_999_999), Before: "{}", After: `{"a":null}`,
		}
		want := jsonEvent{
			EventID: "evt_00000000000000000000000000000000", Type: kind, UserID: user, ActorUserID: actor, RequestID: request,
			Position: e.Position, OccurredAt: wire.Time(e.OccurredAt), Before: json.RawMessage(e.Before), After: json.RawMessage(e.After),
		}
		if full {
			e.OrgID, e.APIKeyID, e.ActorAPIKeyID = uuid.UUID{15: 1}, uuid.UUID{15: 2}, uuid.UUID{15: 3}
			want.OrgID, want.APIKeyID, want.ActorAPIKeyID = "org_00000000000000000000000000000001", e.APIKeyID, e.ActorAPIKeyID
		}
		if got, want := string(wire.AppendEvent(nil, &e)), string(encodingJSON(t, want)); got != want {
			t.Errorf("AppendEvent = %s\nwant %s", got, want)
		}
	})
}
