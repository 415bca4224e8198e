package orgs

import (
	"errors"
	"strings"

	"orgd/internal/text"
)

// The limits of an organization's fields, in code points where they limit a text. The
// schema has them as CHECKs too.
const (
	MaxName          = 255
	MaxUserID        = 255
	MaxExternalID    = 255
	MaxRoles         = 10 // of a member
	MaxRole          = 64
	MaxMetadataPairs = 50
	MaxMetadataKey   = 100
	MaxMetadataValue = 1000
)

// MaxListed is the most ids by which a list picks organizations or members.
const MaxListed = 100

// MaxMembersChange is the most users in a MembersChange.
const MaxMembersChange = 100

// ErrRole means that a text is not a role.
var ErrRole = errors.New("orgs: not a role")

// ValidRole accepts a role of a member: 1 to 64 ASCII letters, digits and :_.-
func ValidRole(role string) error {
	if role == "" || len(role) > MaxRole || strings.ContainsFunc(role, func(r rune) bool {
		return !isASCIIAlphanumeric(r) && !strings.ContainsRune(":_.-", r)
	}) {
		return ErrRole
	}
	return nil
}

// ValidName returns the name without the white space around it. Errors: see text.Line.
func ValidName(name string) (string, error) { return text.Line(name, MaxName) }

// ValidUserID accepts the id of a user in the client's identity provider. Ids are compared
// byte by byte and never normalized. Errors: see text.CheckID.
func ValidUserID(id string) error { return text.CheckID(id, MaxUserID) }

// ValidExternalID accepts the id of an organization in the client's own system, by the rule
// of ValidUserID.
func ValidExternalID(id string) error { return text.CheckID(id, MaxExternalID) }

// ValidMetadataKey accepts the key of a metadata pair, which has at least one
// character. Errors: text.ErrEmpty and see text.Check.
func ValidMetadataKey(key string) error {
	if key == "" {
		return text.ErrEmpty
	}
	return text.Check(key, MaxMetadataKey)
}

// ValidMetadataValue accepts the value of a metadata pair, which may be empty. Errors:
// see text.Check.
func ValidMetadataValue(value string) error { return text.Check(value, MaxMetadataValue) }
