package orgs

import (
	"crypto/sha256"
	"time"

	"orgd/internal/text"
	"orgd/internal/uuid"
)

// The types in this file define two kinds of JSON: stored results of changes, and
// requests, of which only digests are stored. During an upgrade, servers of two releases
// read and write the same rows, so version 1 must stay as it is in testdata/v1.json. A
// new format of a result needs a new version (see outcome in internal/idempotency) and a
// new golden file. A new format of a request changes the digests: retries across the
// upgrade would then fail with ErrKeyReused.

// record is the result of a change. It is converted from and to Org, so a field that only
// one of them has is a compile error.
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

// createRequest has the parameters of a creation. It is encoded as an array: the name, the
// metadata as JSON, the external id, which may be empty, and an import, if there is one.
type createRequest struct {
	name, metadata, externalID string
	imported                   *importRequest
}

// importRequest is converted from Import, so a field that only one of them has is a
// compile error.
type importRequest struct {
	OrgID           uuid.UUID `json:"OrgID"`
	CreatedAt       time.Time `json:"CreatedAt"`
	Inactive        bool      `json:"Inactive"`
	CreatedByUserID string    `json:"CreatedByUserID"`
}

func (r createRequest) fields() []any {
	if r.imported == nil {
		return []any{r.name, r.metadata, r.externalID}
	}
	return []any{r.name, r.metadata, r.externalID, r.imported}
}

// MarshalJSON returns the fields as an array.
func (r createRequest) MarshalJSON() ([]byte, error) { return text.MarshalJSON(r.fields()) }

// updateRequest has the parameters of an update, a deactivation, a reactivation or a
// patch of the metadata. Nil leaves a field unchanged.
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

// memberRequest has the parameters of a change of one membership.
type memberRequest struct {
	OrgID  uuid.UUID `json:"OrgID"`
	UserID string    `json:"UserID"`
	// Match is left out of the JSON if nil, so that the digest equals that of releases
	// without this field.
	Match Versions `json:"Match,omitzero"`
}

// membersRequest has the parameters of a change of several memberships.
type membersRequest struct {
	OrgID  uuid.UUID        `json:"OrgID"`
	Match  Versions         `json:"Match"`
	Add    []memberAddition `json:"Add"`
	Remove []string         `json:"Remove"`
}

type memberAddition struct {
	UserID string  `json:"UserID"`
	Roles  *string `json:"Roles"` // sorted and joined by commas; nil keeps a member's roles
}

// callText returns the text whose digest identifies a call with an idempotency key.
func callText(c Call, request any) ([]byte, error) {
	return text.MarshalJSON([]any{c.UserID, request})
}

// digest identifies identical creations that may be retried without an idempotency key.
type digest [sha256.Size]byte

func digestOf(c Call, request createRequest) (digest, error) {
	encoded, err := text.MarshalJSON(append([]any{c.AccountID, c.KeyID, c.UserID}, request.fields()...))
	return sha256.Sum256(encoded), err
}
