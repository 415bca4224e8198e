package apikeys

import (
	"time"

	"orgd/internal/text"
)

const (
	// MaxDescription is the maximum length of a key's description, in code points.
	MaxDescription = 255
	// MaxRateLimit is the highest rate limit of a key, in requests per second.
	MaxRateLimit = 1_000_000
	// MaxOverlap is the longest time for which a rotated key can keep working.
	MaxOverlap = 30 * 24 * time.Hour
)

// ValidDescription returns the description without the white space around it. Errors:
// see text.Line.
func ValidDescription(description string) (string, error) {
	return text.Line(description, MaxDescription)
}
