package orgs

import (
	"crypto/sha256"
	"encoding/json"
	"time"

	"orgd/internal/uuid"
)

// The types in this file name each field of the JSON that is stored for a change and
// for its repeats. During an upgrade other releases read and write the same rows, so
// version 1 stays as testdata/v1.json has it. A new format of a record needs a new
// version (see idempotency.Once) and a new file. A new format of a request changes the
// digests: repeats across the upgrade would then fail with ErrKeyReused.

// record is the result of a change. It is converted from and to Org, so a field that only
// one of them has does not compile.
type record struct {
	ID                uuid.UUID `json:"ID"`
	Name              string    `json:"Name"`
	IsActive          bool      `json:"IsActive"`
	Metadata          Metadata  `json:"Metadata"`
	UserCount         int32     `json:"UserCount"`
	CreatedAt         time.Time `json:"CreatedAt"`
	UpdatedAt         time.Time `json:"UpdatedAt"`
	CreatedByAPIKeyID uuid.UUID `json:"CreatedByAPIKeyID"`
	CreatedByUserID   string    `json:"CreatedByUserID"`
	ExternalID        string    `json:"ExternalID"`
	Revision          int64     `json:"Revision"`
	Version           int64     `json:"Version"`
}

// membersRecord is the result of a change of several memberships.
type membersRecord struct {
	Added     int   `json:"Added"`
	Removed   int   `json:"Removed"`
	Updated   int   `json:"Updated"`
	UserCount int32 `json:"UserCount"`
	Version   int64 `json:"Version"` // of the organization, after ErrVersion
}

// createRequest is everything that a creation asks for: the name, the metadata as JSON, and
// the external id, which may be empty.
type createRequest [3]string

// updateRequest is everything that an update, deactivation, reactivation or patch of the
// metadata asks for; nil leaves a field as it is.
type updateRequest struct {
	OrgID      uuid.UUID `json:"OrgID"`
	Match      Versions  `json:"Match"`
	Revision   *int64    `json:"Revision"`
	Name       *string   `json:"Name"`
	Metadata   *string   `json:"Metadata"`
	Patch      *string   `json:"Patch"`      // of the metadata
	ExternalID *string   `json:"ExternalID"` // empty for none
	IsActive   *bool     `json:"IsActive"`
}

// memberRequest is everything that a change of a membership asks for.
type memberRequest struct {
	OrgID  uuid.UUID `json:"OrgID"`
	UserID string    `json:"UserID"`
	// Absent if nil, so that the digest equals that of releases without this field.
	Match Versions `json:"Match,omitzero"`
}

// membersRequest is everything that a change of several memberships asks for.
type membersRequest struct {
	OrgID  uuid.UUID        `json:"OrgID"`
	Match  Versions         `json:"Match"`
	Add    []memberAddition `json:"Add"`
	Remove []string         `json:"Remove"`
}

type memberAddition struct {
	UserID string  `json:"UserID"`
	Roles  *string `json:"Roles"` // sorted and joined by commas; nil keeps them
}

// callText returns the text whose digest identifies a call with an idempotency key.
func callText(c Call, request any) ([]byte, error) {
	return json.Marshal([]any{c.UserID, request})
}

// digest identifies a creation that may be retried without an idempotency key.
type digest [sha256.Size]byte

func digestOf(c Call, request createRequest) (digest, error) {
	text, err := json.Marshal([]any{c.AccountID, c.KeyID, c.UserID, request[0], request[1], request[2]})
	return sha256.Sum256(text), err
}
