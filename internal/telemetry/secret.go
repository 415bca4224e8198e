package telemetry

// Secret is a text that is redacted wherever it is printed.
type Secret string

const redacted = "[redacted]"

// Reveal returns the text itself.
func (s Secret) Reveal() string { return string(s) }

// String returns a placeholder.
func (s Secret) String() string { return redacted }

// GoString is String, for %#v.
func (s Secret) GoString() string { return redacted }

// MarshalText is String, for JSON.
func (s Secret) MarshalText() ([]byte, error) { return []byte(redacted), nil }
