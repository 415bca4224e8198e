package http

import (
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"orgd/internal/orgs"
)

const (
	defaultLimit = 20
	maxNameRunes = 255
)

// A parser reads the one value of a query parameter into p. The error it returns
// has no field yet.
type parser func(value string, p *orgs.ListParams) *fieldError

var listParsers = map[string]parser{
	"limit":    parseLimit,
	"cursor":   parseCursor,
	"orgName":  parseName,
	"isActive": parseIsActive,
}

var memberListParsers = map[string]parser{
	"limit":  parseLimit,
	"cursor": parseCursor,
}

// listParams reads the query of the list of organizations.
func listParams(rawQuery string) (orgs.ListParams, error) {
	return parseParams(rawQuery, listParsers)
}

// memberListParams reads the query of a list of members.
func memberListParams(rawQuery string) (orgs.MemberListParams, error) {
	p, err := parseParams(rawQuery, memberListParsers)
	return orgs.MemberListParams{Limit: p.Limit, Cursor: p.Cursor}, err
}

// noParams refuses whatever is in a query where nothing is read of it.
func noParams(rawQuery string) error {
	_, err := parseParams(rawQuery, nil)
	return err
}

// parseParams reads a query. An unknown or repeated parameter is refused: a
// misspelt filter that is ignored would list everything.
func parseParams(rawQuery string, parsers map[string]parser) (orgs.ListParams, error) {
	p := orgs.ListParams{Limit: defaultLimit}
	if rawQuery == "" {
		return p, nil
	}
	query, err := url.ParseQuery(rawQuery)
	if err != nil {
		return p, newError(codeInvalidRequest, "Encode the query as pairs name=value joined by &, with % escapes.").because(err)
	}
	var bad []fieldError
	for _, name := range slices.Sorted(maps.Keys(query)) {
		if err := parseParam(parsers, name, query[name], &p); err != nil {
			err.Field = name
			bad = append(bad, *err)
		}
	}
	if len(bad) > 0 {
		return p, refuseParams(bad)
	}
	return p, nil
}

func parseParam(parsers map[string]parser, name string, values []string, p *orgs.ListParams) *fieldError {
	parse, known := parsers[name]
	switch {
	case !known && len(parsers) == 0:
		return &fieldError{Code: fieldUnknown, Detail: "Leave this parameter out: there is none here."}
	case !known:
		return &fieldError{Code: fieldUnknown, Detail: "Leave this parameter out, or correct its name: there is " + names(parsers) + "."}
	case len(values) > 1:
		return &fieldError{Code: fieldRepeated, Detail: "Give this parameter once."}
	}
	return parse(values[0], p)
}

func names(parsers map[string]parser) string {
	return strings.Join(slices.Sorted(maps.Keys(parsers)), ", ")
}

// refuseParams makes one answer of all that is wrong, under the code of the
// first.
func refuseParams(bad []fieldError) error {
	code := map[fieldCode]code{
		fieldUnknown:  codeUnknownParameter,
		fieldRepeated: codeRepeatedParameter,
		fieldCursor:   codeInvalidCursor,
	}[bad[0].Code]
	if code == "" {
		code = codeInvalidParameter
	}
	return newError(code, bad[0].Field+": "+bad[0].Detail).fields(bad)
}

// parseLimit takes an integral decimal: the API types it as a number, and a
// client in Java writes 20.0.
func parseLimit(value string, p *orgs.ListParams) *fieldError {
	whole, fraction, dotted := strings.Cut(value, ".")
	n, err := strconv.ParseUint(whole, 10, 16)
	integral := !dotted || fraction != "" && strings.Trim(fraction, "0") == ""
	if err != nil || !integral || whole[0] == '0' || n > orgs.MaxLimit {
		return &fieldError{Code: fieldOutOfRange, Detail: "Give a whole number from 1 to 100."}
	}
	p.Limit = int(n)
	return nil
}

func parseCursor(value string, p *orgs.ListParams) *fieldError {
	if value == "" {
		return &fieldError{Code: fieldCursor, Detail: "Give the cursor of the page before, or leave the parameter out for the first page."}
	}
	p.Cursor = value
	return nil
}

func parseName(value string, p *orgs.ListParams) *fieldError {
	switch {
	case !utf8.ValidString(value) || strings.ContainsRune(value, 0):
		return &fieldError{Code: fieldInvalid, Detail: "Give text in UTF-8 without U+0000."}
	case utf8.RuneCountInString(value) > maxNameRunes:
		return &fieldError{Code: fieldTooLong, Detail: "Give at most 255 characters: no name is longer."}
	case orgs.Fold(value) == "":
		return &fieldError{Code: fieldInvalid, Detail: "Give a part of the name to look for, or leave the parameter out."}
	}
	p.Name = value
	return nil
}

func parseIsActive(value string, p *orgs.ListParams) *fieldError {
	if value != "true" && value != "false" {
		return &fieldError{Code: fieldInvalid, Detail: "Give true or false."}
	}
	active := value == "true"
	p.IsActive = &active
	return nil
}
