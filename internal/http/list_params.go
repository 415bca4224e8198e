package http

import (
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"orgd/internal/cursor"
	"orgd/internal/orgs"
	"orgd/internal/uuid"
)

// defaultLimit is the limit of a page if the query has none.
const defaultLimit = 20

// params are the parsed values of a query. Each operation uses some of them.
type params struct {
	orgs.ListParams
	role    string
	userIDs []string
	types   []string // of events
	wait    time.Duration
}

// listParameters are the parameters of the list of organizations: the page and the
// filters.
var listParameters = parameters{
	named: map[string]parser{
		"limit":    parseLimit,
		"cursor":   parseCursor,
		"orgId":    parseListedOrg,
		"orgName":  parseName,
		"isActive": parseIsActive,
		"userId":   parseUser,

		"externalId": parseExternalID,
	},
	repeated: "orgId",
	metadata: true,
}

// memberParameters are the parameters of the list of members.
var memberParameters = parameters{
	named: map[string]parser{
		"limit":  parseLimit,
		"cursor": parseCursor,
		"role":   parseRole,
		"userId": parseListedUser,
	},
	repeated: "userId",
}

// pageParameters are the parameters of the list of API keys.
var pageParameters = parameters{named: map[string]parser{"limit": parseLimit, "cursor": parseCursor}}

// listParams reads the query of the list of organizations.
func listParams(rawQuery string) (orgs.ListParams, error) {
	p, err := listParameters.parse(rawQuery)
	return p.ListParams, err
}

// memberListParams reads the query of the list of an organization's members.
func memberListParams(orgID uuid.UUID, rawQuery string) (orgs.MemberListParams, error) {
	p, err := memberParameters.parse(rawQuery)
	return orgs.MemberListParams{OrgID: orgID, Limit: p.Limit, Cursor: p.Cursor, Role: p.role, UserIDs: p.userIDs}, err
}

// pageParams reads the query of a list without filters.
func pageParams(rawQuery string) (limit int, cursor string, err error) {
	p, err := pageParameters.parse(rawQuery)
	return p.Limit, p.Cursor, err
}

// parseLimit accepts a whole number, also with zeros after the decimal point: limit has
// the type number in the API, so the Java client sends 20.0.
func parseLimit(value string, p *params) *fieldError {
	whole, fraction, dotted := strings.Cut(value, ".")
	n, err := strconv.ParseUint(whole, 10, 16)
	integral := !dotted || fraction != "" && strings.Trim(fraction, "0") == ""
	if err != nil || !integral || whole[0] == '0' || n > cursor.MaxLimit {
		return &fieldError{Code: fieldOutOfRange, Detail: "Must be a whole number from 1 to 100."}
	}
	p.Limit = int(n)
	return nil
}

func parseCursor(value string, p *params) *fieldError {
	if value == "" {
		return &fieldError{Code: fieldCursor, Detail: "Must not be empty. Send the previous page's cursor, or leave the parameter out for the first page."}
	}
	p.Cursor = value
	return nil
}

func parseName(value string, p *params) *fieldError {
	switch {
	case !utf8.ValidString(value) || strings.ContainsRune(value, 0):
		return &fieldError{Code: fieldInvalid, Detail: "Must be UTF-8 text without U+0000."}
	case utf8.RuneCountInString(value) > orgs.MaxName:
		return &fieldError{Code: fieldTooLong, Detail: "Must be at most 255 characters."}
	case orgs.Fold(value) == "":
		return &fieldError{Code: fieldInvalid, Detail: "Must contain text to search for. To list all organizations, leave the parameter out."}
	}
	p.Name = value
	return nil
}

func parseIsActive(value string, p *params) *fieldError {
	if value != "true" && value != "false" {
		return &fieldError{Code: fieldInvalid, Detail: "Must be true or false."}
	}
	active := value == "true"
	p.IsActive = &active
	return nil
}

func parseUser(value string, p *params) *fieldError {
	p.UserID = &value
	return textFault(orgs.ValidUserID(value))
}

func parseExternalID(value string, p *params) *fieldError {
	p.ExternalID = value
	return textFault(orgs.ValidExternalID(value))
}

// revisionParam reads a query whose only parameter is revision, for changes that do not
// have it in their body. It returns nil if the query has none.
func revisionParam(rawQuery string) (revision *int64, err error) {
	_, err = parameters{named: map[string]parser{"revision": func(value string, _ *params) *fieldError {
		n, err := strconv.ParseInt(value, 10, 64)
		if err != nil || n < 1 || value[0] == '+' {
			return &fieldError{Code: fieldOutOfRange, Detail: revisionRange}
		}
		revision = &n
		return nil
	}}}.parse(rawQuery)
	return revision, err
}

func parseListedUser(value string, p *params) *fieldError {
	if len(p.userIDs) == orgs.MaxListed {
		return tooManyListed()
	}
	p.userIDs = append(p.userIDs, value)
	return textFault(orgs.ValidUserID(value))
}

func parseListedOrg(value string, p *params) *fieldError {
	id, ok := parseOrgID(value)
	switch {
	case !ok:
		return &fieldError{Code: fieldInvalid, Detail: "Must be org_ followed by 32 lower-case hexadecimal digits."}
	case len(p.OrgIDs) == orgs.MaxListed:
		return tooManyListed()
	}
	p.OrgIDs = append(p.OrgIDs, id)
	return nil
}

func tooManyListed() *fieldError {
	return &fieldError{Code: fieldTooMany, Detail: "Too many ids. The limit is 100."}
}

func parseRole(value string, p *params) *fieldError {
	p.role = value
	return checkRole(value)
}

// metadataKey returns the key in the name metadata[key].
func metadataKey(name string) (string, bool) {
	key, ok := strings.CutPrefix(name, "metadata[")
	if !ok {
		return "", false
	}
	return strings.CutSuffix(key, "]")
}

// hasNestedBrackets reports whether a metadata filter has brackets in its key, as in
// metadata[a][] and metadata[a][ne]. A client that sends this usually means a list or an
// operator, which orgd does not support, and not a key with brackets.
func hasNestedBrackets(name string) bool {
	key, ok := metadataKey(name)
	return ok && strings.ContainsAny(key, "[]")
}

// parseMetadata returns the parser for the value of metadata[key].
func parseMetadata(key string) parser {
	return func(value string, p *params) *fieldError {
		if !utf8.ValidString(key) || !utf8.ValidString(value) {
			return &fieldError{Code: fieldInvalid, Detail: "The key and the value must be UTF-8."}
		}
		if err := checkMetadataKey(key); err != nil {
			return err
		}
		if err := checkMetadataValue(value); err != nil {
			return err
		}
		if len(p.Metadata) == orgs.MaxMetadataPairs {
			return &fieldError{Code: fieldTooMany, Detail: "Too many metadata filters. The limit is 50."}
		}
		if p.Metadata == nil {
			p.Metadata = map[string]string{}
		}
		p.Metadata[key] = value
		return nil
	}
}
