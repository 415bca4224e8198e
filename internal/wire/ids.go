package wire

import (
	"encoding/hex"
	"strings"

	"orgd/internal/uuid"
)

const orgPrefix = "org_"

// FormatOrgID returns the form of an organization's id in the API.
func FormatOrgID(id uuid.UUID) string { return orgPrefix + hex.EncodeToString(id[:]) }

// ParseOrgID parses an organization's id. It accepts only the form of FormatOrgID.
func ParseOrgID(s string) (uuid.UUID, bool) { return ParseID(orgPrefix, s) }

// ParseID parses an id with a prefix. It accepts only lower-case digits: an id with a
// single form can be compared and cached as text.
func ParseID(prefix, s string) (uuid.UUID, bool) {
	var id uuid.UUID
	digits, ok := strings.CutPrefix(s, prefix)
	if !ok || len(digits) != 2*len(id) || strings.Trim(digits, hexDigits) != "" {
		return uuid.UUID{}, false
	}
	_, err := hex.Decode(id[:], []byte(digits))
	return id, err == nil
}
