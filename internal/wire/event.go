package wire

import (
	"encoding/hex"
	"strconv"

	"orgd/internal/events"
	"orgd/internal/uuid"
)

// AppendEvent appends the JSON object of an event. It leaves out fields that do not
// apply, and the position of an event that has none yet.
func AppendEvent(b []byte, e *events.Event) []byte {
	b = append(b, `{"eventId":"`...)
	b = append(b, e.ID.String()...)
	b = append(b, '"')
	if e.Position > 0 {
		b = append(b, `,"position":`...)
		b = strconv.AppendInt(b, e.Position, 10)
	}
	b = append(b, `,"type":`...)
	b = AppendString(b, e.Type)
	if e.OrgID != (uuid.UUID{}) {
		b = append(b, `,"orgId":"org_`...)
		b = hex.AppendEncode(b, e.OrgID[:])
		b = append(b, '"')
	}
	b = appendOptional(b, `,"userId":`, e.UserID)
	b = appendOptionalID(b, `,"apiKeyId":"`, e.APIKeyID)
	if e.WebhookID != (uuid.UUID{}) {
		b = append(b, `,"webhookId":"wh_`...)
		b = hex.AppendEncode(b, e.WebhookID[:])
		b = append(b, '"')
	}
	b = append(b, `,"occurredAt":"`...)
	b = AppendTime(b, e.OccurredAt)
	b = append(b, '"')
	b = appendOptionalID(b, `,"actorApiKeyId":"`, e.ActorAPIKeyID)
	b = appendOptional(b, `,"actorUserId":`, e.ActorUserID)
	b = append(b, `,"requestId":`...)
	b = AppendString(b, e.RequestID)
	b = append(b, `,"before":`...)
	b = append(b, e.Before...)
	b = append(b, `,"after":`...)
	b = append(b, e.After...)
	return append(b, '}')
}

func appendOptional(b []byte, name, value string) []byte {
	if value == "" {
		return b
	}
	return AppendString(append(b, name...), value)
}

// appendOptionalID appends an id with dashes. name ends with the opening quote.
func appendOptionalID(b []byte, name string, id uuid.UUID) []byte {
	if id == (uuid.UUID{}) {
		return b
	}
	return append(id.Append(append(b, name...)), '"')
}
