package webhooks

import (
	"orgd/internal/events"
	"orgd/internal/wire"
)

// message is the body of a request: the event, in the form of Standard Webhooks.
func message(e *events.Event) []byte {
	b := append(make([]byte, 0, 1024), `{"type":`...)
	b = wire.AppendString(b, e.Type)
	b = append(b, `,"timestamp":"`...)
	b = wire.AppendTime(b, e.OccurredAt)
	b = append(b, `","data":`...)
	b = wire.AppendEvent(b, e)
	return append(b, '}')
}
