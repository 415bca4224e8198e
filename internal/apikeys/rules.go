package apikeys

import (
	"time"

	"orgd/internal/text"
)

const (
	// MaxDescription is the most code points of a key's description.
	MaxDescription = 255
	// MaxRateLimit is the highest rate that a key can have, in requests a second.
	MaxRateLimit = 1_000_000
	// MaxOverlap is the longest time for which a rotated key stays good.
	MaxOverlap = 30 * 24 * time.Hour
)

// ValidDescription returns the description without the white space around it. Errors:
// see text.Line.
func ValidDescription(description string) (string, error) {
	return text.Line(description, MaxDescription)
}
