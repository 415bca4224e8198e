package http

import (
	"encoding/hex"
	"strconv"

	"orgd/internal/orgs"
	"orgd/internal/uuid"
	"orgd/internal/wire"
)

// Organizations are encoded by hand, which costs a fraction of encoding/json
// (BenchmarkAppendPage). A fuzz test compares the output with that of encoding/json.

// pageFrame is an upper bound for the size of a page without its organizations.
const pageFrame = 300

// appendPage appends the JSON object of a page.
func appendPage(b []byte, page orgs.Page) []byte {
	b = append(b, `{"hasMore":`...)
	b = strconv.AppendBool(b, page.Cursor != "")
	b = append(b, `,"organizations":[`...)
	for i := range page.Orgs {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendListed(b, page, i)
	}
	b = append(b, ']')
	if page.Cursor != "" {
		b = append(b, `,"cursor":`...)
		b = wire.AppendString(b, page.Cursor)
	}
	return append(b, '}')
}

// appendListed appends the JSON object of an organization of the page.
func appendListed(b []byte, page orgs.Page, i int) []byte {
	b = appendOrg(b, &page.Orgs[i])
	if page.Memberships != nil {
		b = appendMembership(b[:len(b)-1], page.Memberships[i])
		b = append(b, '}')
	}
	return b
}

// appendOrgs appends the JSON object of a batch.
func appendOrgs(b []byte, all []orgs.Org) []byte {
	b = append(b, `{"organizations":[`...)
	for i := range all {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendOrg(b, &all[i])
	}
	return append(b, `]}`...)
}

// appendOrg appends the JSON object of an organization, with the fields in the order of
// docs/api.md. It leaves out fields that are unknown or empty.
func appendOrg(b []byte, o *orgs.Org) []byte {
	b = append(b, `{"createdAt":"`...)
	b = wire.AppendTime(b, o.CreatedAt)
	b = append(b, `","isActive":`...)
	b = strconv.AppendBool(b, o.IsActive)
	b = append(b, `,"orgId":"org_`...)
	b = hex.AppendEncode(b, o.ID[:])
	b = append(b, `","orgName":`...)
	b = wire.AppendString(b, o.Name)
	b = append(b, `,"updatedAt":"`...)
	b = wire.AppendTime(b, o.UpdatedAt)
	b = append(b, `","userCount":`...)
	b = strconv.AppendInt(b, int64(o.UserCount), 10)
	if o.CreatedByAPIKeyID != (uuid.UUID{}) {
		b = append(b, `,"createdByApiKeyId":"`...)
		b = o.CreatedByAPIKeyID.Append(b)
		b = append(b, '"')
	}
	if o.CreatedByUserID != "" {
		b = append(b, `,"createdByUserId":`...)
		b = wire.AppendString(b, o.CreatedByUserID)
	}
	if o.Metadata != "{}" {
		b = append(b, `,"metadata":`...)
		b = append(b, o.Metadata...)
	}
	if o.ExternalID != "" {
		b = append(b, `,"externalId":`...)
		b = wire.AppendString(b, o.ExternalID)
	}
	b = append(b, `,"revision":`...)
	b = strconv.AppendInt(b, o.Revision, 10)
	return append(b, '}')
}

// appendMembership appends the field membership, which an organization has only in the
// list of a user's organizations.
func appendMembership(b []byte, m orgs.Membership) []byte {
	b = append(b, `,"membership":{`...)
	for i, role := range m.Roles {
		if i == 0 {
			b = append(b, `"roles":["`...)
		} else {
			b = append(b, `","`...)
		}
		b = append(b, role...)
	}
	if len(m.Roles) > 0 {
		b = append(b, `"],`...)
	}
	b = append(b, `"addedAt":"`...)
	b = wire.AppendTime(b, m.AddedAt)
	return append(b, `"}`...)
}
