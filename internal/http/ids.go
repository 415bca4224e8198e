package http

import (
	"encoding/hex"
	"strings"

	"orgd/internal/uuid"
)

// parseOrgID reads an organization's id. It accepts only the form that answers use.
func parseOrgID(s string) (uuid.UUID, bool) { return parseID("org_", s) }

// parseUserID reads a user's id. It accepts only the form that answers use.
func parseUserID(s string) (uuid.UUID, bool) { return parseID("usr_", s) }

func formatOrgID(id uuid.UUID) string { return "org_" + hex.EncodeToString(id[:]) }

func formatUserID(id uuid.UUID) string { return "usr_" + hex.EncodeToString(id[:]) }

// parseID accepts only lower case: an id with a single form can be compared and cached
// as text.
func parseID(prefix, s string) (uuid.UUID, bool) {
	var id uuid.UUID
	digits, ok := strings.CutPrefix(s, prefix)
	if !ok || len(digits) != 2*len(id) || strings.Trim(digits, hexDigits) != "" {
		return uuid.UUID{}, false
	}
	_, err := hex.Decode(id[:], []byte(digits))
	return id, err == nil
}
