package http

import (
	"encoding/hex"
	"strconv"
	"unicode/utf8"

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
		b = appendOrg(b, &page.Orgs[i])
		if page.Memberships != nil {
			b = appendMembership(b[:len(b)-1], page.Memberships[i])
			b = append(b, '}')
		}
	}
	b = append(b, ']')
	if page.Cursor != "" {
		b = append(b, `,"cursor":`...)
		b = appendString(b, page.Cursor)
	}
	return append(b, '}')
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
	if o.CreatedByUserID != "" {
		b = append(b, `,"createdByUserId":`...)
		b = appendString(b, o.CreatedByUserID)
	}
	if o.Metadata != "{}" {
		b = append(b, `,"metadata":`...)
		b = append(b, o.Metadata...)
	}
	if o.ExternalID != "" {
		b = append(b, `,"externalId":`...)
		b = appendString(b, o.ExternalID)
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

const hexDigits = "0123456789abcdef"

// appendString appends s as a JSON string. The result is the same as that of
// encoding/json without HTML escapes: U+2028 and U+2029 are escaped, and invalid UTF-8 is
// replaced.
func appendString(b []byte, s string) []byte {
	b = append(b, '"')
	start := 0
	for i := 0; i < len(s); {
		c := s[i]
		if c < utf8.RuneSelf {
			if c >= ' ' && c != '"' && c != '\\' {
				i++
				continue
			}
			b = append(b, s[start:i]...)
			b = appendEscape(b, c)
			i++
			start = i
			continue
		}
		r, size := utf8.DecodeRuneInString(s[i:])
		switch {
		case r == utf8.RuneError && size == 1:
			b = append(b, s[start:i]...)
			b = append(b, `\ufffd`...)
			start = i + size
		case r == '\u2028' || r == '\u2029':
			b = append(b, s[start:i]...)
			b = append(b, `\u202`...)
			b = append(b, hexDigits[r&0xf])
			start = i + size
		}
		i += size
	}
	b = append(b, s[start:]...)
	return append(b, '"')
}

func appendEscape(b []byte, c byte) []byte {
	switch c {
	case '"', '\\':
		return append(b, '\\', c)
	case '\b':
		return append(b, `\b`...)
	case '\f':
		return append(b, `\f`...)
	case '\n':
		return append(b, `\n`...)
	case '\r':
		return append(b, `\r`...)
	case '\t':
		return append(b, `\t`...)
	}
	return append(b, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&0xf])
}
