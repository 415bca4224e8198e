package http

import (
	"maps"
	"net/url"
	"slices"

	"orgd/internal/apikeys"
)

// A parser reads one value of a query parameter into p. The error that it returns does
// not name the field.
type parser func(value string, p *params) *fieldError

// parameters are the parameters that a query may have.
type parameters struct {
	named    map[string]parser
	repeated string // the parameter that may be given several times; "" for none
	metadata bool   // metadata[key] is allowed too, for any key
}

// noParams rejects any query parameter.
func noParams(rawQuery string) error {
	_, err := parameters{}.parse(rawQuery)
	return err
}

// parse parses a query. It rejects unknown and repeated parameters: if a misspelled filter
// were ignored, the list would contain everything.
func (ps parameters) parse(rawQuery string) (params, error) {
	var p params
	query, err := url.ParseQuery(rawQuery)
	if err != nil {
		return p, newError(codeInvalidRequest, "The query is malformed. Send percent-encoded name=value pairs joined by &.").withCause(err)
	}
	var bad []fieldError
	for _, name := range slices.Sorted(maps.Keys(query)) {
		if err := ps.parseOne(name, query[name], &p); err != nil {
			err.Field = cut(name)
			bad = append(bad, *err)
		}
	}
	if p.Cursor != "" && p.Before != "" {
		bad = append(bad, fieldError{Field: "before", Code: fieldInvalid, Detail: "Must not be combined with cursor."})
	}
	if len(bad) > 0 {
		return p, rejectParams(bad)
	}
	if p.Limit == 0 {
		p.Limit = max(defaultLimit, len(p.OrgIDs), len(p.userIDs))
	}
	return p, nil
}

func (ps parameters) parseOne(name string, values []string, p *params) *fieldError {
	if apikeys.HasKey(name) || slices.ContainsFunc(values, apikeys.HasKey) {
		return &fieldError{Code: fieldInvalid, Detail: "An API key must not be in the query. Send it in the Authorization header."}
	}
	parse := ps.find(name)
	switch {
	case ps.metadata && hasNestedBrackets(name):
		return &fieldError{Code: fieldUnknown, Detail: "Unknown parameter. Write metadata[key]=value, with one pair of brackets. Filtering by a key that contains a bracket is not supported."}
	case parse == nil:
		return &fieldError{Code: fieldUnknown, Detail: ps.unknown()}
	case len(values) > 1 && name != ps.repeated:
		return &fieldError{Code: fieldRepeated, Detail: "Repeated parameter. Send it once."}
	}
	for _, value := range values {
		if err := parse(value, p); err != nil {
			return err
		}
	}
	return nil
}

func (ps parameters) find(name string) parser {
	if key, ok := metadataKey(name); ok && ps.metadata {
		return parseMetadata(key)
	}
	return ps.named[name]
}

func (ps parameters) unknown() string {
	names := slices.Sorted(maps.Keys(ps.named))
	if ps.metadata {
		names = append(names, "metadata[key]")
	}
	return "Unknown parameter. This call takes " + listOf(names) + "."
}

// rejectParams combines everything that is wrong with a query into one error, with the
// code of the first fault.
func rejectParams(bad []fieldError) error {
	code := map[fieldCode]code{
		fieldUnknown:  codeUnknownParameter,
		fieldRepeated: codeRepeatedParameter,
		fieldCursor:   codeInvalidCursor,
	}[bad[0].Code]
	if code == "" {
		code = codeInvalidParameter
	}
	return invalidFields(code, bad)
}
