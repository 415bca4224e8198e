package http

import (
	"strings"
	"unicode/utf8"

	"orgd/internal/orgs"
)

func parseName(value string, p *orgs.ListParams) *fieldError {
	switch {
	case !utf8.ValidString(value) || strings.ContainsRune(value, 0):
		return &fieldError{Code: fieldInvalid, Detail: "Must be UTF-8 text without U+0000."}
	case utf8.RuneCountInString(value) > orgs.MaxName:
		return &fieldError{Code: fieldTooLong, Detail: "Must be at most 255 characters."}
	case orgs.Fold(value) == "":
		return &fieldError{Code: fieldInvalid, Detail: "Must contain text to search for. To list every name, leave the parameter out."}
	}
	p.Name = value
	return nil
}

func parseIsActive(value string, p *orgs.ListParams) *fieldError {
	if value != "true" && value != "false" {
		return &fieldError{Code: fieldInvalid, Detail: "Must be true or false."}
	}
	active := value == "true"
	p.IsActive = &active
	return nil
}

func parseUser(value string, p *orgs.ListParams) *fieldError {
	id, ok := parseUserID(value)
	if !ok {
		return &fieldError{Code: fieldInvalid, Detail: "Must be usr_ and 32 lower-case hexadecimal digits."}
	}
	p.UserID = &id
	return nil
}

// metadataKey returns the key in the name metadata[key].
func metadataKey(name string) (string, bool) {
	key, ok := strings.CutPrefix(name, "metadata[")
	if !ok {
		return "", false
	}
	return strings.CutSuffix(key, "]")
}

// hasNestedBrackets reports whether a metadata filter has brackets in its key, as
// metadata[a][] and metadata[a][ne] do. These ask for lists and operators that we
// do not have; hardly anyone means a key with brackets.
func hasNestedBrackets(name string) bool {
	key, ok := metadataKey(name)
	return ok && strings.ContainsAny(key, "[]")
}

// parseMetadata returns the parser for the value of metadata[key].
func parseMetadata(key string) parser {
	return func(value string, p *orgs.ListParams) *fieldError {
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
