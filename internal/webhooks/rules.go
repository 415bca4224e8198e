package webhooks

import (
	"time"

	"orgd/internal/text"
)

const (
	// MaxDescription is the maximum length of a description, in code points.
	MaxDescription = 255
	// MaxURL is the maximum length of a URL, in bytes.
	MaxURL = 2048
	// MaxTypes is the maximum number of types in a filter.
	MaxTypes = 50
	// MaxOverlap is the longest time for which a rotated secret can keep signing.
	MaxOverlap = 7 * 24 * time.Hour
	// KeptAttempts is how many attempts of each endpoint are kept.
	KeptAttempts = 100
)

// ValidDescription returns the description without the white space around it. Errors:
// see text.Line.
func ValidDescription(description string) (string, error) {
	return text.Line(description, MaxDescription)
}
