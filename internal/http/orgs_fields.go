package http

import (
	"encoding/json"
	"errors"
	"maps"
	"slices"

	"orgd/internal/orgs"
	"orgd/internal/text"
)

// nameField is the name of an organization, without the white space around it.
func nameField(into *string) field { return lineField("orgName", orgs.ValidName, into) }

// metadataField is the whole metadata of an organization. It is never nil after
// reading.
func metadataField(into *map[string]string) field {
	return field{name: "metadata", read: func(raw json.RawMessage) []fieldError {
		var pairs object
		if err := json.Unmarshal(raw, &pairs); err != nil || pairs == nil {
			return []fieldError{{Code: fieldWrongType, Detail: "Must be an object whose values are strings."}}
		}
		var bad []fieldError
		*into, bad = readMetadata(pairs)
		return bad
	}}
}

// clearableMetadataField accepts null for no metadata.
func clearableMetadataField(into *map[string]string) field {
	f := metadataField(into)
	read := f.read
	f.read = func(raw json.RawMessage) []fieldError {
		if string(raw) == "null" {
			raw = json.RawMessage("{}")
		}
		return read(raw)
	}
	return f
}

func readMetadata(pairs object) (map[string]string, []fieldError) {
	var bad []fieldError
	if len(pairs) > orgs.MaxMetadataPairs {
		bad = append(bad, fieldError{Code: fieldTooMany, Detail: "Must have at most 50 pairs."})
	}
	metadata := make(map[string]string, len(pairs))
	for _, key := range slices.Sorted(maps.Keys(pairs)) {
		value, err := readPair(key, pairs[key])
		if err != nil {
			err.Field = "." + cut(key)
			bad = append(bad, *err)
		}
		metadata[key] = value
	}
	return metadata, bad
}

func readPair(key string, raw json.RawMessage) (string, *fieldError) {
	if err := checkMetadataKey(key); err != nil {
		return "", err
	}
	value, err := readText(raw)
	if err != nil {
		return "", err
	}
	return value, checkMetadataValue(value)
}

func checkMetadataKey(key string) *fieldError {
	err := orgs.ValidMetadataKey(key)
	switch {
	case err == nil:
		return nil
	case errors.Is(err, text.ErrEmpty):
		return &fieldError{Code: fieldInvalid, Detail: "The key must not be empty."}
	case errors.Is(err, text.ErrNUL):
		return &fieldError{Code: fieldInvalid, Detail: "The key must not contain U+0000."}
	default: // the caller has checked that the key is UTF-8
		return &fieldError{Code: fieldTooLong, Detail: "The key must be at most 100 characters."}
	}
}

func checkMetadataValue(value string) *fieldError {
	err := orgs.ValidMetadataValue(value)
	switch {
	case err == nil:
		return nil
	case errors.Is(err, text.ErrNUL):
		return &fieldError{Code: fieldInvalid, Detail: "The value must not contain U+0000."}
	default: // the caller has checked that the value is UTF-8
		return &fieldError{Code: fieldTooLong, Detail: "The value must be at most 1000 characters."}
	}
}
