package telemetry

// Secret is a string that is redacted wherever it is printed.
type Secret string

const redacted = "[redacted]"

// Reveal returns the string itself.
func (s Secret) Reveal() string { return string(s) }

// String returns a placeholder.
func (s Secret) String() string { return redacted }

// GoString returns the placeholder, so %#v hides the secret too.
func (s Secret) GoString() string { return redacted }

// MarshalText returns the placeholder, so JSON hides the secret too.
func (s Secret) MarshalText() ([]byte, error) { return []byte(redacted), nil }
