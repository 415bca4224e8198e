package webhooks

import (
	"fmt"
	"strings"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
)

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
