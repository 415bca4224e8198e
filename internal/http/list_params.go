package http

import (
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"orgd/internal/cursor"
	"orgd/internal/orgs"
	"orgd/internal/uuid"
	"orgd/internal/wire"
)

// defaultLimit is the limit of a page if the query has none. If the query lists more ids,
// the limit is their number, so that one page has all of them.
const defaultLimit = 20

// params are the parsed values of a query. Each operation uses some of them.
type params struct {
	orgs.ListParams
	total   bool
	role    string
	members orgs.MemberOrder
	userIDs []string

	types    []string // of events
	backward bool     // events, newest first
	wait     time.Duration
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
		"orgNameIs":  parseNameIs,

		"createdFrom": parseCreatedFrom,
		"createdTo":   parseCreatedTo,

		"before": parseBefore,
		"order":  parseOrder,
		"total":  parseTotal,
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
		"before": parseBefore,
		"order":  parseMemberOrder,
		"total":  parseTotal,
	},
	repeated: "userId",
}

// pageParameters are the parameters of lists without filters: API keys, webhooks and the
// events of one organization or key.
var pageParameters = parameters{named: map[string]parser{"limit": parseLimit, "cursor": parseCursor}}

// listParams reads the query of the list of organizations. total reports whether the client
// asks for their number.
func listParams(rawQuery string) (list orgs.ListParams, total bool, err error) {
	p, err := listParameters.parse(rawQuery)
	return p.ListParams, p.total, err
}

// memberListParams is listParams for the members of an organization.
func memberListParams(orgID uuid.UUID, rawQuery string) (list orgs.MemberListParams, total bool, err error) {
	p, err := memberParameters.parse(rawQuery)
	return orgs.MemberListParams{
		OrgID: orgID, Limit: p.Limit, Cursor: p.Cursor, Before: p.Before, Order: p.members, Role: p.role, UserIDs: p.userIDs,
	}, p.total, err
}

// pageParams reads the query of a list without filters.
func pageParams(rawQuery string) (limit int, cursor string, err error) {
	p, err := pageParameters.parse(rawQuery)
	return p.Limit, p.Cursor, err
}

// parseLimit accepts a whole number, even with zeros after the decimal point: limit has
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

func parseBefore(value string, p *params) *fieldError {
	if value == "" {
		return &fieldError{Code: fieldCursor, Detail: "Must not be empty. Send the value from the link to the previous page, or leave the parameter out."}
	}
	p.Before = value
	return nil
}

// orgOrders are the values of order in the list of organizations.
var orgOrders = map[string]orgs.Order{
	"-createdAt": orgs.NewestFirst,
	"createdAt":  orgs.OldestFirst,
	"orgName":    orgs.ByName,
	"-orgName":   orgs.ByNameDescending,
}

func parseOrder(value string, p *params) (err *fieldError) {
	p.Order, err = oneOf(orgOrders, value, "createdAt, -createdAt, orgName or -orgName")
	return err
}

func oneOf[T any](values map[string]T, value, names string) (T, *fieldError) {
	found, ok := values[value]
	if !ok {
		return found, &fieldError{Code: fieldInvalid, Detail: "Must be " + names + "."}
	}
	return found, nil
}

// memberOrders are the values of order in the list of members.
var memberOrders = map[string]orgs.MemberOrder{
	"-addedAt": orgs.LatestFirst,
	"addedAt":  orgs.EarliestFirst,
	"userId":   orgs.ByUserID,
}

func parseMemberOrder(value string, p *params) (err *fieldError) {
	p.members, err = oneOf(memberOrders, value, "addedAt, -addedAt or userId")
	return err
}

func parseName(value string, p *params) *fieldError {
	p.Name = value
	return checkSearch(value)
}

func parseNameIs(value string, p *params) *fieldError {
	p.NameIs = value
	return checkSearch(value)
}

func checkSearch(value string) *fieldError {
	switch {
	case !utf8.ValidString(value) || strings.ContainsRune(value, 0):
		return &fieldError{Code: fieldInvalid, Detail: "Must be UTF-8 text without U+0000."}
	case utf8.RuneCountInString(value) > orgs.MaxName:
		return &fieldError{Code: fieldTooLong, Detail: "Must be at most 255 characters."}
	case orgs.Fold(value) == "":
		return &fieldError{Code: fieldInvalid, Detail: "Must contain a visible character. To list all organizations, leave the parameter out."}
	}
	return nil
}

func parseCreatedFrom(value string, p *params) *fieldError { return parseBound(value, &p.CreatedFrom) }

func parseCreatedTo(value string, p *params) *fieldError { return parseBound(value, &p.CreatedTo) }

// parseBound reads a bound of a time range, rounded up to a whole microsecond. Stored times
// have whole microseconds, so the rounding does not change what the bound selects.
func parseBound(value string, into **time.Time) *fieldError {
	t, ok := wire.ParseTime(value)
	if !ok {
		return &fieldError{Code: fieldInvalid, Detail: "Must be an RFC 3339 time such as 2027-01-31T00:00:00Z. Percent-encode the + of an offset as %2B."}
	}
	whole := t.UTC().Truncate(time.Microsecond)
	if whole.Before(t) {
		whole = whole.Add(time.Microsecond)
	}
	*into = &whole
	return nil
}

func parseIsActive(value string, p *params) *fieldError {
	active, err := parseBool(value)
	p.IsActive = &active
	return err
}

func parseTotal(value string, p *params) (err *fieldError) {
	p.total, err = parseBool(value)
	return err
}

func parseBool(value string) (bool, *fieldError) {
	if value != "true" && value != "false" {
		return false, &fieldError{Code: fieldInvalid, Detail: "Must be true or false."}
	}
	return value == "true", nil
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
		if err != nil || value[0] < '1' { // neither a sign nor a leading zero
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
	id, ok := wire.ParseOrgID(value)
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
