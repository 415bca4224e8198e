package http

import (
	"encoding/hex"
	"strconv"

	"orgd/internal/orgs"
	"orgd/internal/uuid"
	"orgd/internal/wire"
)

// The encoders of the hot answers append by hand: they cost a fraction of
// encoding/json (BenchmarkAppendPage), and a fuzz test holds them to its output.

// pageFrame is an upper bound for the size of a page without its organizations.
const pageFrame = 300

// appendPage appends the page object.
func appendPage(b []byte, page orgs.Page) []byte {
	b = append(b, `{"hasMore":`...)
	b = strconv.AppendBool(b, page.Cursor != "")
	b = append(b, `,"organizations":[`...)
	for i := range page.Orgs {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendOrg(b, &page.Orgs[i])
	}
	b = append(b, ']')
	if page.Cursor != "" {
		b = append(b, `,"cursor":`...)
		b = appendString(b, page.Cursor)
	}
	return append(b, '}')
}

// appendOrg appends the organization object with its fields in the contract's order.
// Unknown and empty fields are left out.
func appendOrg(b []byte, o *orgs.Org) []byte {
	b = append(b, `{"createdAt":"`...)
	b = wire.AppendTime(b, o.CreatedAt)
	b = append(b, `","isActive":`...)
	b = strconv.AppendBool(b, o.IsActive)
	b = append(b, `,"orgId":"org_`...)
	b = hex.AppendEncode(b, o.ID[:])
	b = append(b, `","orgName":`...)
	b = appendString(b, o.Name)
	b = append(b, `,"updatedAt":"`...)
	b = wire.AppendTime(b, o.UpdatedAt)
	b = append(b, `","userCount":`...)
	b = strconv.AppendInt(b, int64(o.UserCount), 10)
	if o.CreatedByAPIKeyID != (uuid.UUID{}) {
		b = append(b, `,"createdByApiKeyId":"`...)
		b = o.CreatedByAPIKeyID.Append(b)
		b = append(b, '"')
	}
	if o.CreatedByUserID != (uuid.UUID{}) {
		b = append(b, `,"createdByUserId":"usr_`...)
		b = hex.AppendEncode(b, o.CreatedByUserID[:])
		b = append(b, '"')
	}
	if o.Metadata != "{}" {
		b = append(b, `,"metadata":`...)
		b = append(b, o.Metadata...)
	}
	return append(b, '}')
}
