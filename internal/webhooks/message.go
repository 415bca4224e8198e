package webhooks

import (
	"fmt"
	"strings"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

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

// sign returns the value of the header webhook-signature: a signature with each secret.
func sign(secrets []Secret, id string, at time.Time, body []byte) (string, error) {
	var all []string
	for _, s := range secrets {
		signer, err := standardwebhooks.NewWebhookRaw(s.key)
		if err != nil {
			return "", fmt.Errorf("sign: %w", err)
		}
		signature, err := signer.Sign(id, at, body)
		if err != nil {
			return "", fmt.Errorf("sign: %w", err)
		}
		all = append(all, signature)
	}
	return strings.Join(all, " "), nil
}
