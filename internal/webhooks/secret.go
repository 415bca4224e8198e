package webhooks

import (
	"crypto/rand"
	"encoding/base64"
)

// Secret is the key of the signatures of an endpoint. It prints as a placeholder; only
// Reveal returns the secret itself.
type Secret struct{ key []byte }

const (
	secretPrefix = "whsec_"
	secretSize   = 32
)

// newSecret returns a new random secret.
func newSecret() Secret {
	key := make([]byte, secretSize)
	rand.Read(key) // never returns an error: it crashes the program instead
	return Secret{key}
}

// Reveal returns the secret in the form of Standard Webhooks: whsec_ and Base64.
func (s Secret) Reveal() string { return secretPrefix + base64.StdEncoding.EncodeToString(s.key) }

// String returns a placeholder.
func (s Secret) String() string { return secretPrefix + "…" }

// GoString returns the placeholder, so %#v hides the secret too.
func (s Secret) GoString() string { return s.String() }
