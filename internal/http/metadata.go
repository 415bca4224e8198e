package http

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"unicode/utf8"
)

const (
	maxMetadataPairs      = 50
	maxMetadataKeyRunes   = 100
	maxMetadataValueRunes = 1000
)

// metadataField is the whole metadata of an organization. It is never nil after
// it was read.
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

// clearableMetadataField takes null for no metadata.
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
	if len(pairs) > maxMetadataPairs {
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
	switch {
	case key == "":
		return &fieldError{Code: fieldInvalid, Detail: "The key must not be empty."}
	case utf8.RuneCountInString(key) > maxMetadataKeyRunes:
		return &fieldError{Code: fieldTooLong, Detail: "The key must be at most 100 characters."}
	case strings.ContainsRune(key, 0):
		return &fieldError{Code: fieldInvalid, Detail: "The key must not contain U+0000."}
	}
	return nil
}

func checkMetadataValue(value string) *fieldError {
	switch {
	case utf8.RuneCountInString(value) > maxMetadataValueRunes:
		return &fieldError{Code: fieldTooLong, Detail: "The value must be at most 1000 characters."}
	case strings.ContainsRune(value, 0):
		return &fieldError{Code: fieldInvalid, Detail: "The value must not contain U+0000."}
	}
	return nil
}
