package orgs

import (
	"errors"
	"strings"

	"orgd/internal/text"
)

// The limits of an organization's fields. Lengths are in code points. CHECK constraints in
// the schema enforce all of them.
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

// MaxListed is the maximum number of ids in a filter of a list.
const MaxListed = 100

// MaxMembersChange is the maximum number of users in a MembersChange.
const MaxMembersChange = 100

// MaxBatch is the maximum number of organizations in a batch.
const MaxBatch = 100

// ErrRole means that a text is not a valid role.
var ErrRole = errors.New("orgs: not a role")

// ValidRole returns ErrRole unless the role consists of 1 to MaxRole ASCII letters,
// digits and the characters :_.-
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

// ValidUserID checks the id of a user in the client's identity provider. Ids are compared
// byte by byte and never normalized. Errors: see text.CheckID.
func ValidUserID(id string) error { return text.CheckID(id, MaxUserID) }

// ValidExternalID checks the id of an organization in the client's own system, by the
// rules of ValidUserID.
func ValidExternalID(id string) error { return text.CheckID(id, MaxExternalID) }

// ErrEmptyKey means that a metadata key is empty. White space is a valid key.
var ErrEmptyKey = errors.New("must not be empty")

// ValidMetadataKey checks the key of a metadata pair. Errors: ErrEmptyKey and those of
// text.Check.
func ValidMetadataKey(key string) error {
	if key == "" {
		return ErrEmptyKey
	}
	return text.Check(key, MaxMetadataKey)
}

// ValidMetadataValue checks the value of a metadata pair, which may be empty. Errors: see
// text.Check.
func ValidMetadataValue(value string) error { return text.Check(value, MaxMetadataValue) }
